"""An application is started anew when a file has changed, and its clients only connect again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_socketio_sync.reloader import Watch, listen, sources
from socketio_sync.run import Runner
from tests.interop.clients import environment, install, node
from tests.interop.hosts import START_TIMEOUT, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE = 30.0

APP = """
from flask import Flask
from flask_socketio_sync import SocketIO
import answers

app = Flask(__name__)
socketio = SocketIO(app)
socketio.on_event("version", lambda: answers.VERSION)

if __name__ == "__main__":
    socketio.run(app, port=PORT, use_reloader=True, reloader_options={"interval": 0.05})
"""

CLIENT = """
const { io } = require("sio48");
const socket = io(process.argv[2], { reconnectionDelay: 10, reconnectionDelayMax: 10 });
socket.on("connect", async () => console.log("version", await socket.emitWithAck("version")));
socket.on("disconnect", (reason) => console.log("disconnect", reason));
socket.on("connect_error", (error) => console.log("connect_error", error.message));
"""


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what()
        # Until the deadline above: another process tells nobody.
        time.sleep(0.02)


class Reloading:
    """The application in a folder of its own, and an official client of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.write(1)
        (folder / "app.py").write_text(APP.replace("PORT", str(self.port)))
        (folder / "client.js").write_text(CLIENT)
        self.log, self.seen = folder / "log", folder / "seen"
        self.process = self._start([sys.executable, "app.py"], self.log)
        self.client: subprocess.Popen[bytes] | None = None

    def _start(self, command: list[str], output: Path) -> subprocess.Popen[bytes]:
        settings = environment(
            NODE_PATH=str(install()),
            PYTHONUNBUFFERED="1",
            PYTHONDONTWRITEBYTECODE="1",
        )
        with output.open("w") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=settings, stdout=file, stderr=subprocess.STDOUT
            )

    def write(self, version: object) -> None:
        (self.folder / "answers.py").write_text(f"VERSION = {version}\n")

    def connect(self) -> None:
        command = [node(), "client.js", f"http://127.0.0.1:{self.port}"]
        self.client = self._start(command, self.seen)

    def sees(self, line: str) -> None:
        until(lambda: line in self.seen.read_text(), lambda: self.seen.read_text() + self.log.read_text())

    def says(self, text: str) -> None:
        until(lambda: text in self.log.read_text(), self.log.read_text)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        for process in (self.client, self.process):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(START_TIMEOUT)


@pytest.fixture
def reloading(tmp_path: Path) -> Iterator[Reloading]:
    made = Reloading(tmp_path)
    until(made.listens, made.log.read_text)
    yield made
    made.end()


@pytest.mark.interop
def test_clients_only_connect_again(reloading: Reloading) -> None:
    reloading.connect()
    reloading.sees("version 1")
    for version in (2, 3):
        reloading.write(version)
        reloading.sees(f"version {version}")
    # Nobody was ever turned away: the listening socket was open all the time.
    assert "connect_error" not in reloading.seen.read_text()
    assert "answers.py changed; starting anew" in reloading.log.read_text()


@pytest.mark.interop
def test_an_error_waits_for_its_correction(reloading: Reloading) -> None:
    reloading.connect()
    reloading.sees("version 1")
    reloading.write("1 +")
    reloading.says("waiting for a change")
    assert "SyntaxError" in reloading.log.read_text()
    assert reloading.listens()
    reloading.write(2)
    reloading.sees("version 2")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_parent_and_child(reloading: Reloading, number: int) -> None:
    reloading.process.send_signal(number)
    assert reloading.process.wait(START_TIMEOUT) == 0, reloading.log.read_text()
    assert not reloading.listens()


def test_changes_are_seen_once_and_others_files_are_not_looked_at(tmp_path: Path) -> None:
    for name in (
        "a.py",
        "b.txt",
        "venv/pyvenv.cfg",
        "venv/c.py",
        ".git/d.py",
        "node_modules/e.py",
        "sub/f.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    names = {path.relative_to(tmp_path).as_posix() for path in sources([tmp_path])}
    assert names == {"a.py", "sub/f.py"}
    watch = Watch([tmp_path], extra=[str(tmp_path / "b.txt")], exclude=["*/sub/*"])
    assert watch.changed() == []
    for name in ("a.py", "b.txt", "sub/f.py"):
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "new.py").write_text("")
    assert [path.name for path in watch.changed()] == ["a.py", "b.txt", "new.py"]
    (tmp_path / "a.py").unlink()
    assert [path.name for path in watch.changed()] == ["a.py"]
    assert watch.changed() == []


def test_a_port_in_use_is_told() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen(*listener.getsockname())


def test_a_runner_serves_a_socket_that_it_is_handed() -> None:
    with listen("127.0.0.1", 0) as listener:
        runner = Runner(lambda environ, start_response: [], fd=listener.fileno())
        runner.start()
        assert runner.address == listener.getsockname()
        runner.stop()
        # It is still somebody else's.
        assert listener.getsockname()
    with socket.socket() as idle, pytest.raises(ValueError, match="isn't a TCP socket that listens"):
        Runner(lambda environ, start_response: [], fd=idle.fileno())
