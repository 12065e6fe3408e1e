"""Clients are sent away one after the other, when their handlers are through; and when the process ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from socketio_sync import Server, Socket
from socketio_sync.engine import draining
from tests.interop.hosts import free_port, running
from tests.support.client import Connection, Poller, close_all
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.logged import logged as logged
from tests.support.outcomes import in_thread
from tests.support.runner import Serve
from tests.support.runner import serve as serve
from tests.support.server import eventually
from tests.support.ws_client import WebSocket

ROOT = Path(__file__).parent.parent.parent
HANDSHAKE = f"{PATH}?EIO=4&transport=polling"


def test_a_client_is_sent_away_when_its_handler_is_through_and_the_others_before(mount: Mount) -> None:
    site = mount()
    begun, go_on = Event(), Event()
    busy, session = site.websocket()
    idle, _ = site.websocket()

    def work(message: str | bytes) -> None:
        begun.set()
        go_on.wait()
        session.send("done")

    session.on("message", work)
    busy.send("4work")
    assert begun.wait(5)
    shutdown = gevent.spawn(site.engine.shutdown)
    assert idle.closed() == 1001
    idle.close()
    refusal = Connection(site.port).get(HANDSHAKE)
    assert refusal.error == (503, 4, "the server is shutting down")
    assert int(refusal.header("retry-after") or 0) > 0
    assert session.is_open
    assert site.engine.is_draining
    go_on.set()
    assert busy.receive() == "4done"
    assert busy.closed() == 1001
    busy.close()
    shutdown.get(timeout=5)
    assert [reason for reason, _ in site.closes] == ["server shutting down"] * 2
    assert not site.engine.is_draining


def test_who_is_busy_for_too_long_is_sent_away_all_the_same_and_told(mount: Mount, logged: Logged) -> None:
    site = mount(shutdown_timeout=0.05)
    ws, session = site.websocket()
    begun, never = Event(), Event()
    session.on("message", lambda message: (begun.set(), never.wait()))
    ws.send("4work")
    assert begun.wait(5)
    site.engine.shutdown()
    assert ws.closed() == 1001
    assert any(text.startswith("SIO821 1 handlers") for text in logged.warnings())
    never.set()


def test_clients_are_sent_away_over_the_time_that_was_asked_for(
    mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "PACE", 10)
    site = mount(shutdown_spread=0.4)
    count = 8
    closes: list[float] = []
    for _ in range(count):
        _, session = site.websocket()
        session.on("close", lambda reason, description: closes.append(time.monotonic() - begin))
    begin = time.monotonic()
    gevent.spawn(site.engine.shutdown)
    eventually(lambda: len(closes) == count)
    assert all(passed >= (number + 1) / count * 0.4 for number, passed in enumerate(closes))


def test_a_few_clients_are_sent_away_at_once(mount: Mount) -> None:
    site = mount(shutdown_spread=60.0, shutdown_timeout=60.0)
    clients = [site.websocket()[0] for _ in range(10)]
    shutdown = gevent.spawn(site.engine.shutdown)
    for client in clients:
        assert client.closed() == 1001
        client.close()
    shutdown.get(timeout=5)


def test_what_is_queued_is_delivered_to_a_slow_client_before_the_close(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    for _ in range(10):
        session.send("x" * 1_000_000)
    shutdown = in_thread(site.engine.shutdown)
    eventually(lambda: not session.is_open)
    for _ in range(10):
        assert ws.receive() == "4" + "x" * 1_000_000
    assert ws.closed() == 1001
    ws.close()
    shutdown.get(timeout=5)


def test_a_handler_that_would_wait_for_itself_is_told(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    raised: list[str] = []

    def work(message: str | bytes) -> None:
        try:
            site.engine.shutdown()
        except RuntimeError as error:
            raised.append(str(error))

    session.on("message", work)
    ws.send("4work")
    eventually(lambda: raised)
    assert "background" in raised[0]
    # Nothing has begun.
    assert Connection(site.port).get(HANDSHAKE).status == 200


def test_polling_clients_are_told_when_it_is_their_turn(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    poller.hold()
    eventually(lambda: session.writable)
    site.engine.shutdown()
    assert poller.held() == ["1"]


def test_a_shutdown_without_clients_returns_and_refuses_new_ones(mount: Mount) -> None:
    site = mount()
    site.engine.shutdown()
    assert Connection(site.port).get(HANDSHAKE).status == 503


def test_under_the_runner_a_client_that_polls_hears_the_rest(serve: Serve) -> None:
    io = Server()
    go_on = Event()

    @io.on("work")
    def work(socket: Socket) -> str:
        go_on.wait(5)
        return "done"

    io.on("disconnect", lambda socket: io.emit("left"))
    served = serve(app=io, on_stop=io.shutdown)
    busy, other = (Poller(served.port).open() for _ in range(2))
    for poller in (busy, other):
        poller.join()
    busy.say('420["work"]')
    for poller in (busy, other):
        poller.hold()
    stop = gevent.spawn(served.runner.stop)
    assert other.held() == ["1"]
    # It has to ask again for each of the two.
    assert busy.held() == ['42["left"]']
    go_on.set()
    packets = busy.poll()
    while packets[-1] != "1":
        packets += busy.poll()
    assert packets == ['430["done"]', "1"]
    stop.get(timeout=5)


APPLICATION = """
import sys
from socketio_sync import Server, WSGIApp

def page(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]

io = Server()
app = WSGIApp(io, page)

@io.on("disconnect")
def disconnect(socket, reason):
    print("left:", reason)
"""


@pytest.mark.parametrize("worker", ["gevent", "gevent_pywsgi"])
def test_gunicorn_ends_soon_and_tells_every_client(tmp_path: Path, worker: str) -> None:
    log = tmp_path / "log"
    (tmp_path / "app.py").write_text(APPLICATION)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", worker, "-b", f"127.0.0.1:{port}", "app:app"]
    command += ["--no-control-socket"]
    with running(command, port, log, tmp_path, PYTHONPATH=str(ROOT)) as process:
        sockets = [WebSocket(port).open() for _ in range(50)]
        pollers = [Poller(port).open() for _ in range(10)]
        for client in (*sockets, *pollers):
            client.join()
        for poller in pollers:
            poller.hold()
        begin = time.monotonic()
        process.terminate()
        for socket in sockets:
            assert socket.closed() == 1001
            socket.close()
        for poller in pollers:
            assert poller.held() == ["1"]
        close_all()
        assert process.wait(timeout=20) == 0
        # It looks at its flag once a second, twice; with held polls it would take half a minute.
        assert time.monotonic() - begin < 10
    assert log.read_text().count("left: server shutting down") == 60


SCRIPT = (
    APPLICATION
    + """
import os
import gevent
from gevent.pywsgi import WSGIServer

io.on("echo", lambda socket: None)
server = WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
print(server.server_port, flush=True)
for line in iter(lambda: gevent.get_hub().threadpool.apply(sys.stdin.readline), "end\\n"):
    if not os.fork():
        sys.exit()
    os.wait()
    print("forked", flush=True)
"""
)


def test_a_program_that_ends_tells_its_clients_and_a_child_of_it_does_not(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ws = WebSocket(int(process.stdout.readline())).open()
        ws.join()
        print("fork", file=process.stdin, flush=True)
        assert process.stdout.readline() == "forked\n"
        ws.send('420["echo"]')
        assert ws.receive() == "430[]"
        print("end", file=process.stdin, flush=True)
        assert ws.closed() == 1001
        ws.close()
        assert process.stdout.read() == "left: server shutting down\n"
    assert process.returncode == 0
