"""The WSGI servers that host the interop application: subprocesses that can be killed and started again."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.interop.clients import environment

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent

START_TIMEOUT = 30.0

# Below what systems hand out by themselves: a client that tries to reach the killed server could
# otherwise be given that very port as its own end, and keep it.
PORTS = range(20_000, 32_000)


class HostFailed(Exception):
    """A server that didn't start; the message holds the end of its log."""


class Host(NamedTuple):
    """A kind of server.

    Attributes:
        name: As in the table of the matrix.
        command: Makes the command line for a port.
    """

    name: str
    command: Callable[[int], Sequence[str]]


def _served(name: str) -> Host:
    return Host(name, lambda port: [sys.executable, "-m", "tests.interop.serve", name, str(port)])


def _gunicorn(name: str, worker: str) -> Host:
    def command(port: int) -> Sequence[str]:
        settings = ["-c", str(HERE / "gunicorn_settings.py"), "-k", worker, "-b", f"127.0.0.1:{port}"]
        return [sys.executable, "-m", "gunicorn", *settings, "tests.interop.app:app"]

    return Host(name, command)


HOSTS = {
    host.name: host
    for host in (
        _served("runner"),
        _served("pywsgi"),
        _served("gevent-websocket"),
        _gunicorn("gunicorn-gevent", "gevent"),
        _gunicorn("gunicorn-pywsgi", "gevent_pywsgi"),
        _gunicorn("gunicorn-websocket", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"),
    )
}


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def is_ready(port: int) -> bool:
    """Tell whether the page beside Socket.IO is served."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    folder: Path,
    code: int = 0,
    ready: Callable[[int], bool] = is_ready,
    **variables: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block, at which SIGTERM ends it with ``code`` if it hasn't ended."""
    settings = environment(PYTHONUNBUFFERED="1", **variables)
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=settings, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "it doesn't serve"
            # Until the deadline above: another process tells nobody when it serves.
            time.sleep(0.02)
        yield process
        process.terminate()
        assert process.wait(timeout=20) == code, log.read_text()
    finally:
        process.kill()
        process.wait()


class HostServer:
    """One server. Its log goes on over restarts.

    Attributes:
        port: Where it listens, from the first start on.
    """

    def __init__(self, host: Host, log: Path) -> None:
        """Describe a server that isn't started yet."""
        self.host = host
        self.port = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Return what it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start it, at the first time on a free port, and wait until it serves.

        Raises:
            HostFailed: It doesn't, or has ended.
        """
        if self.port:
            self._start()
            return
        for attempt in range(5):
            self.port = free_port()
            try:
                self._start()
            except HostFailed as error:
                if attempt == 4 or "in use" not in str(error):
                    raise
            else:
                return

    def _start(self) -> None:
        settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        command = self.host.command(self.port)
        with self._log.open("ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            # A session of its own: gunicorn's worker ends together with its master.
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=settings, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready(self.port):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                what = "ended" if ended else f"doesn't serve after {START_TIMEOUT} s"
                raise HostFailed(f"{self.host.name} {what}:\n{self.log()[-2000:]}")
            # Until the deadline above: another process tells nobody when it serves.
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash would; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            # The leader isn't reaped yet, so nobody else can have its number.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill_and_restart(self) -> None:
        """Kill it and start it on the same port.

        Raises:
            HostFailed: As for ``start``.
        """
        self.kill()
        self.start()
