"""WebSocket requests: a session that begins on one, one that moves, and who is refused before the 101."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from socketio_sync.engine import EngineServer
from socketio_sync.engine.upgrades import unavailable
from tests.support.client import Connection
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import eventually
from tests.support.ws_client import CLOSE, TEXT, UPGRADE_HEADERS, WebSocket, ask, frame


@pytest.mark.feature(2)
def test_a_session_begins_on_a_websocket(mount: Mount) -> None:
    site = mount(ping_interval=1.5, ping_timeout=0.5, max_http_buffer_size=12345)
    ws, session = site.websocket()
    assert list(ws.opened) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert ws.opened == {
        "sid": session.id,
        "upgrades": [],
        "pingInterval": 1500,
        "pingTimeout": 500,
        "maxPayload": 12345,
    }
    assert session.transport.name == "websocket"


def test_what_the_client_sent_behind_its_request_is_not_lost(mount: Mount) -> None:
    site = mount()
    connection = Connection(site.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE_HEADERS)
    request = f"GET {PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n{head}\r\n".encode()
    connection.send(request + frame(TEXT, b"4early") + frame(TEXT, b"4bird"))
    assert connection.finish().status == 101
    eventually(lambda: site.messages == ["early", "bird"])


@pytest.mark.feature(21)
def test_an_offered_subprotocol_is_echoed(mount: Mount) -> None:
    site = mount()
    headers = [*UPGRADE_HEADERS, ("Sec-WebSocket-Protocol", "first, second")]
    _, answer = ask(site.port, path=PATH, headers=headers)
    assert answer.header("sec-websocket-protocol") == "first"


REFUSED: list[tuple[str, dict[str, Any], tuple[int, int, str]]] = [
    ("EIO=4&transport=polling", {}, (400, 3, "Bad request")),
    ("EIO=4&transport=webtransport", {}, (400, 0, "Transport unknown")),
    ("EIO=5&transport=websocket", {}, (400, 5, "Unsupported protocol version")),
    ("transport=websocket", {}, (400, 5, "Unsupported protocol version")),
    ("EIO=3&transport=websocket", {"allow_eio3": False}, (400, 5, "Unsupported protocol version")),
    ("EIO=4&transport=websocket&sid=nobody", {}, (400, 1, "Session ID unknown")),
    ("EIO=4&transport=websocket", {"transports": ["polling"]}, (400, 0, "Transport unknown")),
    ("EIO=4&transport=websocket", {"allow_request": lambda environ: False}, (403, 4, "Forbidden")),
]


@pytest.mark.parametrize(("query", "options", "error"), REFUSED)
def test_a_refusal_comes_before_the_101_and_ends_the_connection(
    mount: Mount, query: str, options: Any, error: Any
) -> None:
    site = mount(**options)
    connection, answer = ask(site.port, query, path=PATH)
    assert answer.error == error
    assert answer.header("connection") == "close"
    # What is pipelined behind it must not be taken for a request.
    assert connection.at_end()
    assert site.engine.clients_count == 0


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": None}, 426),
        ({"Sec-WebSocket-Key": None}, 400),
    ],
)
def test_a_malformed_upgrade_is_refused(mount: Mount, changed: dict[str, str | None], status: int) -> None:
    site = mount()
    headers = {**dict(UPGRADE_HEADERS), **changed}
    connection, answer = ask(
        site.port, path=PATH, headers=[(k, v) for k, v in headers.items() if v is not None]
    )
    assert answer.status == status
    assert answer.header("sec-websocket-version") == ("13" if status == 426 else None)
    assert connection.at_end()
    assert site.sessions == []


def test_a_session_may_have_one_probing_websocket(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    first = site.probe(poller)
    query = f"EIO=4&transport=websocket&sid={poller.sid}"
    assert ask(site.port, query, path=PATH)[1].error == (400, 3, "Bad request")
    first.send("2probe", "5")
    assert first.receive() == "3probe"
    eventually(lambda: session.transport.name == "websocket")
    assert ask(site.port, query, path=PATH)[1].error == (400, 3, "Bad request")
    assert poller.get().error == (400, 3, "Bad request")
    first.send("4alive")
    eventually(lambda: site.messages == ["alive"])


@pytest.mark.feature(6)
def test_no_upgrade_is_offered_or_refused_by_surprise(mount: Mount) -> None:
    site = mount(allow_upgrades=False)
    poller, _ = site.poller()
    assert poller.opened["upgrades"] == []
    poller, _ = mount(transports=["polling"]).poller()
    assert poller.opened["upgrades"] == []
    poller, _ = mount().poller()
    assert poller.opened["upgrades"] == ["websocket"]


def test_a_session_that_is_over_cannot_be_taken_over(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    session.send("undelivered")
    session.close()
    query = f"EIO=4&transport=websocket&sid={poller.sid}"
    assert ask(site.port, query, path=PATH)[1].error == (400, 1, "Session ID unknown")


@pytest.mark.parametrize("options", [{}, {"allow_request": lambda environ: False}])
def test_a_host_that_has_answered_101_already_hands_its_websocket_over(options: Any) -> None:
    engine = EngineServer(**options)
    engine.on("connection", lambda session: session.on("message", session.send))
    server = WSGIServer(("127.0.0.1", 0), engine, log=None, error_log=None, handler_class=WebSocketHandler)
    server.start()
    try:
        ws = WebSocket(server.server_port, path=PATH)
        if options:
            # Refusing is only possible with a close frame.
            assert ws.frame() == (CLOSE, (1008).to_bytes(2, "big") + b"Forbidden")
        else:
            ws.open()
            ws.send("4echo", b"\x00")
            assert [ws.receive(), ws.receive()] == ["4echo", b"\x00"]
        ws.close()
    finally:
        engine.close()
        server.stop(timeout=1)


def test_a_host_without_a_socket_gets_503_with_cause_and_remedy(logged: Logged) -> None:
    answer = unavailable({"SERVER_SOFTWARE": "Toy/1.0"})
    assert answer.status == 503
    assert answer.body.startswith(
        b"SIO401 WebSocket is off: Toy/1.0 gives no access to the socket; start with "
    )
    assert logged.warnings() == [answer.body.decode()]
