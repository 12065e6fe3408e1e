"""How many sessions there may be: refused with 503 before anything is made for one."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from socketio_sync.engine import EngineServer
from socketio_sync.engine.server import OTHER_DESCRIPTORS, descriptors_left
from tests.support.client import Connection, Response, close_all
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import Servers, eventually
from tests.support.ws_client import CLOSE, WebSocket, ask

FULL = (503, 4, "the server is full")


def by_polling(port: int, path: str) -> Response:
    return Connection(port).get(f"{path}?EIO=4&transport=polling")


def by_websocket(port: int, path: str) -> Response:
    return ask(port, path=path)[1]


WAYS = pytest.mark.parametrize("handshake", [by_polling, by_websocket])
Handshake = Callable[[int, str], Response]


@WAYS
def test_no_more_sessions_than_max_connections(mount: Mount, logged: Logged, handshake: Handshake) -> None:
    site = mount(max_connections=3)
    told: list[Any] = []
    site.engine.on("connection_error", lambda environ, *what: told.append(what))
    poller, session = site.poller()
    site.websocket()
    site.poller()
    answer = handshake(site.port, PATH)
    assert (answer.error, answer.header("retry-after")) == (FULL, "5")
    assert len(site.sessions) == site.engine.clients_count == 3
    assert told == [(4, "the server is full", {"name": "MAX_CONNECTIONS", "count": 3})]
    assert any("SIO802" in text and "max_connections" in text for text in logged.warnings())
    # Those that are open may do what they like.
    site.upgrade(poller)
    session.close()
    eventually(lambda: site.engine.clients_count == 2)
    assert handshake(site.port, PATH).status in (200, 101)


@WAYS
def test_sessions_that_have_not_joined_are_limited_apart(
    serve: Servers, logged: Logged, handshake: Handshake
) -> None:
    running = serve(max_pending=2)
    for _ in range(3):
        running.join_websocket()
        running.join_poller()
    pending = [running.poller(), running.websocket()]
    answer = handshake(running.port, "/socket.io/")
    assert (answer.error, answer.header("retry-after")) == (FULL, "5")
    assert any("SIO803" in text and "max_pending" in text for text in logged.warnings())
    # One joins, the other goes: both make room, and only once.
    pending[0].join()
    pending[0].say("41", "40")
    pending[1].close()
    eventually(lambda: running.io.engine.clients_count == 7)
    assert [handshake(running.port, "/socket.io/").status for _ in range(3)][2] == 503
    assert running.io.engine.joined == 7


def test_a_session_that_leaves_is_not_counted_any_more(serve: Servers) -> None:
    running = serve(max_pending=1)
    engine = running.io.engine
    for _ in range(5):
        ws = running.join_websocket()
        assert (engine.clients_count, engine.joined) == (1, 1)
        ws.close()
        eventually(lambda: engine.clients_count == 0)
        assert engine.joined == 0
        running.websocket().close()
        eventually(lambda: engine.clients_count == 0)
        assert engine.joined == 0


def test_those_who_wait_in_allow_request_are_counted_when_they_are_let_in(mount: Mount) -> None:
    go = gevent.event.Event()
    asked: list[Any] = []

    def allow(environ: Any) -> None:
        asked.append(environ)
        go.wait()

    site = mount(max_connections=1, allow_request=allow)
    asking = [gevent.spawn(by_polling, site.port, PATH) for _ in range(3)]
    eventually(lambda: len(asked) == 3)
    go.set()
    statuses = [each.get(timeout=5).status for each in asking]
    assert sorted(statuses) == [200, 503, 503]


@pytest.mark.parametrize(
    "options", [{"max_connections": 1}, {"rate_limit": {"handshakes": 0.001, "handshakes_burst": 1}}]
)
def test_where_the_host_has_answered_101_the_code_is_that_of_overload(
    logged: Logged, options: dict[str, Any]
) -> None:
    engine = EngineServer(**options)
    server = WSGIServer(("127.0.0.1", 0), engine, log=None, handler_class=WebSocketHandler)
    server.start()
    try:
        WebSocket(server.server_port, path=PATH).open()
        opcode, payload = WebSocket(server.server_port, path=PATH).frame()
        assert (opcode, payload[:2]) == (CLOSE, (1013).to_bytes(2, "big"))
    finally:
        close_all()
        engine.close()
        server.stop(timeout=1)


def test_by_default_the_limit_of_open_files_decides() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert OTHER_DESCRIPTORS == 64
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert descriptors_left() == 448
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
        assert descriptors_left() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
