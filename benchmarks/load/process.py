"""A contestant's server, from its start to its end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.contestants import Contestant
from benchmarks.load.peers import CACHE, SERVERS, Installed

START_TIMEOUT = 30.0


class ServerFailed(Exception):
    """A server that didn't start; the message holds the end of its log."""


def free_port() -> int:
    """Return a port that nobody listens on, below those that clients are given as their own end."""
    for port in range(20_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerFailed("no free port")


def _answers(port: int) -> bool:
    """Tell whether an HTTP request is answered, whatever the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _workers(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(port):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"doesn't serve after {START_TIMEOUT:.0f} s"
            raise ServerFailed(f"the server {what}: {log.read_text(errors='replace')[-1500:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def serving(
    contestant: Contestant, installed: Installed, *, core: int, environment: dict[str, str]
) -> Iterator[tuple[int, list[int]]]:
    """Run a server on one core; yield its port and the processes to measure. It's killed at the end.

    Raises:
        ServerFailed: It doesn't start.
    """
    port = free_port()
    values = {"port": str(port), "servers": str(SERVERS), **installed.programs}
    command = ["taskset", "-c", str(core), *(word.format(**values) for word in contestant.command)]
    log = CACHE / "logs" / f"{contestant.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **installed.environment, **environment},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            # A session of its own: workers end together with their master.
            start_new_session=True,
        )
    try:
        _wait_until_it_serves(process, port, log)
        yield port, _workers(process.pid) if contestant.has_workers else [process.pid]
    finally:
        # The leader isn't reaped yet, so nobody else can have its number.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
