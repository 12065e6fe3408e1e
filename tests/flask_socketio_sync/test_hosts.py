"""An application that was written for Flask-SocketIO, with official clients, in each way to run it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.clients import environment, install, tool
from tests.interop.hosts import START_TIMEOUT, free_port, is_ready

ROOT = Path(__file__).resolve().parent.parent.parent
CHAT = ROOT / "examples" / "flask" / "chat.py"

pytestmark = pytest.mark.interop


def by_run(port: int) -> Sequence[str]:
    source = CHAT.read_text().replace("port=5000", f"port={port}")
    return [sys.executable, "-c", source]


def by_gunicorn(port: int) -> Sequence[str]:
    return [sys.executable, "-m", "gunicorn", "-k", "gevent", "-b", f"127.0.0.1:{port}", "chat:app"]


def by_command(port: int) -> Sequence[str]:
    return [sys.executable, "-m", "flask", "--app", "chat", "socketio", "run", "-p", str(port)]


WAYS = {"run": by_run, "gunicorn": by_gunicorn, "command": by_command}


@contextmanager
def served_program(source: str, folder: Path) -> Iterator[str]:
    """Run a program of examples/flask on another port, in a folder; yield its address."""

    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-c", source.replace("port=5000", f"port={port}")]

    with served(command, folder / "log", folder) as url:
        yield url


@contextmanager
def served(command: Callable[[int], Sequence[str]], log: Path, folder: Path = CHAT.parent) -> Iterator[str]:
    """Run a server until the end of the block; yield its address."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            command(port), cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "it doesn't serve"
            # Until the deadline above: another process tells nobody when it serves.
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(timeout=20) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("way", WAYS)
def test_official_clients_find_everything(way: str, tmp_path: Path) -> None:
    modules = install(ROOT / ".cache" / "interop")
    log = tmp_path / "log"
    with served(WAYS[way], log) as url:
        for client in ("sio25", "sio48"):
            for transports in ("polling", "websocket", "polling,websocket"):
                ran = subprocess.run(
                    [tool("node"), str(Path(__file__).parent / "chat.js"), client, url, transports],
                    env=environment(NODE_PATH=str(modules)),
                    capture_output=True,
                    text=True,
                    timeout=30,
                    check=False,
                )
                assert ran.stdout == "done\n", (client, transports, ran.stdout + ran.stderr, log.read_text())
    assert "Traceback" not in log.read_text()


def test_an_application_without_the_extension_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    command = [sys.executable, "-m", "flask", "--app", "plain", "socketio", "run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert "SocketIO(app) is missing" in ran.stderr
