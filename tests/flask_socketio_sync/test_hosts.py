"""An application that was written for Flask-SocketIO, with official clients, in each way to run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.interop.clients import environment, install, tool
from tests.interop.hosts import free_port, running
from tests.support.ws_client import WebSocket

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.interop


class Application(NamedTuple):
    """A program of examples/flask.

    Attributes:
        folder: Where it is run.
        module: What has the application, ``app``.
        client: What its clients do.
    """

    folder: Path
    module: str
    client: str


FLASK = ROOT / "examples" / "flask"
APPLICATIONS = {
    "chat": Application(FLASK, "chat", "chat.js"),
    "factory": Application(FLASK / "factory", "wsgi", "factory.js"),
}


def by_run(app: Application, port: int) -> Sequence[str]:
    source = (app.folder / f"{app.module}.py").read_text()
    return [sys.executable, "-c", source.replace("port=5000", f"port={port}")]


def by_gunicorn(app: Application, port: int, worker: str = "gevent") -> Sequence[str]:
    bind = f"127.0.0.1:{port}"
    return [sys.executable, "-m", "gunicorn", "-k", worker, "-b", bind, f"{app.module}:app"]


def by_command(app: Application, port: int) -> Sequence[str]:
    return [sys.executable, "-m", "flask", "--app", app.module, "socketio", "run", "-p", str(port)]


WAYS = {"run": by_run, "gunicorn": by_gunicorn, "command": by_command}


@contextmanager
def served_program(source: str, folder: Path) -> Iterator[str]:
    """Run a program of examples/flask on another port, in a folder; yield its address."""

    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-c", source.replace("port=5000", f"port={port}")]

    with served(command, folder / "log", folder) as url:
        yield url


@contextmanager
def served(command: Callable[[int], Sequence[str]], log: Path, folder: Path, code: int = 0) -> Iterator[str]:
    """Run a server until the end of the block; yield its address."""
    port = free_port()
    with running(command(port), port, log, folder, code):
        yield f"http://127.0.0.1:{port}"


def run_client(script: str, client: str, url: str, transports: str) -> str:
    """Run an official client to its end; return what it says."""
    ran = subprocess.run(
        [tool("node"), str(Path(__file__).parent / script), client, url, transports],
        env=environment(NODE_PATH=str(install(ROOT / ".cache" / "interop"))),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", APPLICATIONS)
def test_official_clients_find_everything(way: str, name: str, tmp_path: Path) -> None:
    app = APPLICATIONS[name]
    log = tmp_path / "log"
    with served(partial(WAYS[way], app), log, app.folder) as url:
        for client in ("sio25", "sio48"):
            for transports in ("polling", "websocket", "polling,websocket"):
                said = run_client(app.client, client, url, transports)
                assert said == "done\n", (client, transports, said, log.read_text())
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    "worker", ["gevent_pywsgi", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"]
)
def test_t14_upgrades_work_on_every_worker(worker: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(partial(by_gunicorn, APPLICATIONS["chat"], worker=worker), log, FLASK) as url:
        assert run_client("chat.js", "sio48", url, "polling,websocket") == "done\n", log.read_text()


DEBUGGED = """
from flask import Flask
from flask_socketio_sync import SocketIO

app = Flask("debugged")
socketio = SocketIO(app)
app.add_url_rule("/", view_func=lambda: "page")
app.add_url_rule("/fail", "fail", lambda: 1 / 0)
socketio.run(app, port=5000, debug=True, use_reloader=False)
"""


def test_the_debugger_is_around_the_pages_only(tmp_path: Path) -> None:
    def fetch(address: str) -> tuple[int, str]:
        try:
            with urlopen(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    with served_program(DEBUGGED, tmp_path) as url:
        status, body = fetch(f"{url}/fail")
        assert status == 500
        assert "ZeroDivisionError" in body
        assert "__debugger__" in body
        status, body = fetch(f"{url}/socket.io/?EIO=4&transport=carrier-pigeon")
        assert (status, json.loads(body)["code"]) == (400, 0)
        # Requests are logged in debug mode.
        assert '"GET /fail HTTP/1.1" 500' in (tmp_path / "log").read_text()


def test_flask_run_serves_polling(tmp_path: Path) -> None:
    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-m", "flask", "--app", "chat", "run", "-p", str(port)]

    log = tmp_path / "log"
    with served(command, log, FLASK, code=-signal.SIGTERM) as url:
        assert run_client("chat.js", "sio48", url, "polling") == "done\n", log.read_text()
        # The client is told that there is no WebSocket.
        with urlopen(f"{url}/socket.io/?EIO=4&transport=polling", timeout=10) as answer:
            assert json.loads(answer.read()[1:])["upgrades"] == []


def test_t7_a_signal_ends_the_server_within_3_s_with_100_clients(tmp_path: Path) -> None:
    app = APPLICATIONS["chat"]
    with served(partial(by_run, app), tmp_path / "log", app.folder) as url:
        port = int(url.rpartition(":")[2])
        clients = [WebSocket(port).open() for _ in range(100)]
        for client in clients:
            client.send("40")
            # What the connect handler emits comes first.
            assert client.text().startswith("42")
        before = time.monotonic()
    assert time.monotonic() - before < 3
    for client in clients:
        client.close()


def test_an_application_without_the_extension_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    command = [sys.executable, "-m", "flask", "--app", "plain", "socketio", "run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert "SocketIO(app) is missing" in ran.stderr
