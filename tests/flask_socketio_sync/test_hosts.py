"""An application that was written for Flask-SocketIO, with official clients, in each way to run it."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.examples.test_chat import CHROMIUM, run_node
from tests.flask_socketio_sync.applications import (
    APPLICATIONS,
    CHAT,
    WAYS,
    Application,
    by_gunicorn,
    by_run,
    run_client,
    served,
    served_program,
)
from tests.interop.hosts import free_port, running
from tests.support.client import Connection, Poller, close_all
from tests.support.tools import lacking
from tests.support.ws_client import WebSocket

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("app", APPLICATIONS, ids=[app.name for app in APPLICATIONS])
def test_t11_official_clients_of_two_generations_find_everything(
    way: str, app: Application, tmp_path: Path
) -> None:
    app = app.copied(tmp_path)
    log = tmp_path / "log"
    with served(partial(WAYS[way], app), log, app.folder) as url:
        for client in ("sio25", "sio48"):
            for transports in ("polling", "websocket", "polling,websocket"):
                said = run_client(app.name, client, url, transports)
                assert said == "done\n", (client, transports, said, log.read_text())
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    "worker", ["gevent_pywsgi", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"]
)
def test_t14_upgrades_work_on_every_worker(worker: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(partial(by_gunicorn, CHAT, worker=worker), log, CHAT.folder) as url:
        assert run_client("chat", "sio48", url, "polling,websocket") == "done\n", log.read_text()


def test_t4_with_several_workers_websockets_work_and_polling_is_told_what_is_wrong(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(partial(by_gunicorn, CHAT, workers=4), log, CHAT.folder) as url:
        port = int(url.rpartition(":")[2])
        for _ in range(40):
            client = WebSocket(port).open()
            client.send("40")
            # What the connect handler emits.
            assert client.text().startswith('42["welcome"')
            client.close()
        sid = Poller(port).open().sid
        path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        deadline = time.monotonic() + 20
        # Each request comes by a connection of its own, which any of the workers may take.
        while Connection(port).request("POST", path, body=b"3").status != 400:
            assert time.monotonic() < deadline
        assert f"SIO101 session {sid!r} isn't known in this process" in log.read_text()
        close_all()


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
    with served(command, log, CHAT.folder, code=-signal.SIGTERM) as url:
        assert run_client("chat", "sio48", url, "polling") == "done\n", log.read_text()
        # The client is told that there is no WebSocket.
        with urlopen(f"{url}/socket.io/?EIO=4&transport=polling", timeout=10) as answer:
            assert json.loads(answer.read()[1:])["upgrades"] == []


def test_t7_a_signal_ends_the_server_within_3_s_with_100_clients(tmp_path: Path) -> None:
    with served(partial(by_run, CHAT), tmp_path / "log", CHAT.folder) as url:
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


def test_a_browser_shows_the_latency(tmp_path: Path) -> None:
    (app,) = (each.copied(tmp_path) for each in APPLICATIONS if each.name == "latency")
    with served(partial(by_run, app), tmp_path / "log", app.folder) as url:
        run_node("latency.mjs", url, CHROMIUM or lacking("Chromium", "chromium"))


STOPPED = """
from flask import Flask
from flask_socketio_sync import SocketIO

app = Flask("stopped")
socketio = SocketIO(app)
app.add_url_rule("/", view_func=lambda: "page")
app.add_url_rule("/stop", "stop", lambda: socketio.stop() or "good-bye")
socketio.on_event("disconnect", lambda reason: print(reason))
socketio.run(app, port=5000)
print("stopped")
"""


def test_stop_ends_the_server_and_the_page_that_calls_it_is_answered(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", STOPPED.replace("5000", str(port))]
    with running(command, port, log, tmp_path) as process:
        client = WebSocket(port).open()
        client.join()
        with urlopen(f"http://127.0.0.1:{port}/stop", timeout=10) as answer:
            assert answer.read() == b"good-bye"
        assert client.closed() == 1001
        client.close()
        process.wait(timeout=20)
    assert log.read_text() == "server disconnect\nstopped\n"
