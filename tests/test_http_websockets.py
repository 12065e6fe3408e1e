"""WebSockets under the runner: connections that are taken over, and those of gevent-websocket."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Iterable
from typing import Any

import gevent
import pytest

from tests.support.runner import HIDDEN, Application, Serve, Served, request, serve
from tests.support.server import eventually
from tests.support.ws_client import TEXT, UPGRADE_HEADERS, WebSocket, ask, frame

__all__ = ["serve"]


class Taker(Application):
    """Takes the connection over at ``/socket/`` and echoes bytes; elsewhere it uses gevent-websocket."""

    def do_socket(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        handler = environ["socketio_sync.handler"]
        assert handler is start_response.__self__
        buffered = handler.take_buffered()
        sock = stdlib_socket.socket(fileno=handler.socket.detach())
        handler.close_connection = True
        gevent.spawn(self.echo, sock, buffered)
        return []

    def echo(self, sock: stdlib_socket.socket, data: bytes) -> None:
        with gevent.socket.socket(fileno=sock.detach()) as ours:
            ours.sendall(b"taken:" + data)
            while data := ours.recv(1000):
                ours.sendall(data)

    def do_ws(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        websocket = environ.get("wsgi.websocket")
        if websocket is None:
            return self.do_hello(environ, start_response)
        while (message := websocket.receive()) is not None:
            websocket.send(message)
        return []


def ours(environ: dict[str, Any]) -> bool:
    return str(environ["PATH_INFO"]).startswith("/socket/")


def taker(serve: Serve, **options: Any) -> Served:
    return serve(app=Taker(), socketio_path_matches=ours, **options)


def test_a_connection_can_be_taken_over(serve: Serve) -> None:
    served = taker(serve)
    connection = served.connect()
    fields = [f"{name}: {value}" for name, value in UPGRADE_HEADERS]
    connection.send(request("/socket/", *fields) + b"and more")
    assert connection.exactly(14) == b"taken:and more"
    eventually(lambda: not served.runner._server.connections)
    connection.send(HIDDEN)
    assert connection.exactly(len(HIDDEN)) == HIDDEN
    assert served.app.served == ["/socket/"]


def test_a_connection_that_is_taken_over_is_logged_only_where_there_is_a_log(serve: Serve) -> None:
    lines: list[str] = []

    class Log:
        def write(self, text: str) -> None:
            lines.append(text)

    served = taker(serve, log=Log())
    connection = served.connect()
    connection.send(request("/socket/", *[f"{name}: {value}" for name, value in UPGRADE_HEADERS]))
    connection.until(b"taken:")
    served.connect().get("/?a=b")
    eventually(lambda: len(lines) == 2)
    assert '"GET /socket/ HTTP/1.1"' in lines[0]
    assert '"GET /?a=b HTTP/1.1" 200 ' in lines[1]


def test_other_websockets_are_gevent_websockets(serve: Serve) -> None:
    websocket = WebSocket(taker(serve).port, "", path="/ws")
    websocket.send("one", "two")
    assert [websocket.receive(), websocket.receive()] == ["one", "two"]
    websocket.bytes.send(frame(8, b"\x03\xe8"))
    # It answers without a code.
    assert websocket.closed() is None
    assert websocket.bytes.at_end()


def test_frames_sent_with_the_handshake_reach_gevent_websocket(serve: Serve) -> None:
    connection = taker(serve).connect()
    fields = [f"{name}: {value}" for name, value in UPGRADE_HEADERS]
    connection.send(request("/ws", *fields) + frame(TEXT, b"early") + frame(TEXT, b"bird"))
    connection.until(b"\r\n\r\n")
    assert connection.exactly(13) == b"\x81\x05early\x81\x04bird"


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Sec-WebSocket-Version", "12", 400),
        ("Sec-WebSocket-Key", "", 400),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ", 400),
        ("Sec-WebSocket-Key", "é", 400),
        ("Sec-WebSocket-Version", "", 426),
    ],
)
def test_a_bad_handshake_is_refused_by_gevent_websocket(
    serve: Serve, name: str, value: str, status: int
) -> None:
    headers = [(key, value if key == name else text) for key, text in UPGRADE_HEADERS]
    connection, answer = ask(taker(serve).port, "", path="/ws", headers=headers)
    assert (answer.status, answer.header("connection")) == (status, "close")
    assert connection.at_end()


def test_another_upgrade_is_an_ordinary_request(serve: Serve) -> None:
    connection = taker(serve).connect()
    headers = [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings")]
    assert connection.request("POST", "/echo", headers=headers, body=b"hello").content == b"hello"
    assert connection.get("/ws").content == b"hello"
