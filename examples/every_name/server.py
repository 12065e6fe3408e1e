"""The server of :mod:`app`: what it is told when it is made, and its handlers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import socketio_sync
from socketio_sync import (
    AckTimeout,
    ConnectionRefused,
    Disconnected,
    EventRefused,
    HandshakeRefused,
    Namespace,
    NamespaceHandlers,
    ParentNamespace,
    Server,
    Socket,
    WSGIApp,
    handles,
)
from socketio_sync.engine import EngineSocket
from socketio_sync.types import Environ, StartResponse, WSGICallable


class Order(msgspec.Struct):
    product: str
    count: int = 1


def site(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serve what isn't Socket.IO."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


io = Server(
    connection_state_recovery=True,
    cors_allowed_origins="https://*.example.com",
    error_acks=True,
    max_pending_acks=5,
    max_rooms=5,
    outbound_policy="drop_oldest",
)
app = WSGIApp(io, site)
seen: list[Any] = []


# -- the connection below ---------------------------------------------------------------------------


@io.engine.use
def middleware(following: WSGICallable) -> WSGICallable:
    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if "banned" in environ.get("QUERY_STRING", ""):
            raise HandshakeRefused(4, "you are banned")
        return following(environ, start_response)

    return serve


@io.engine.on("headers")
def headers(headers: list[tuple[str, str]], environ: Environ) -> None:
    headers.append(("X-Served-By", socketio_sync.__version__))


@io.engine.on("connection_error")
def refused(environ: Environ, code: int, message: str, context: Any) -> None:
    seen.append(("refused", code, message))


def look_at(session: EngineSocket) -> None:
    """Look at a connection; from any greenlet or thread."""
    seen.append((session.id, session.transport.name, session.protocol, session.environ["REQUEST_METHOD"]))
    seen.append((session.is_open, session.reason, session.upgrading, session.dropped))
    seen.append((session.writable, session.buffered_bytes, session.listeners("upgrade")))
    session.on("drain", lambda: seen.append("drained"))
    session.off("drain")
    session.flush()


# -- namespaces -------------------------------------------------------------------------------------


class Shop(NamespaceHandlers):
    def on_connection(self, socket: Socket) -> None:
        socket.data["orders"] = 0

    @handles("order", "order again")
    def order(self, socket: Socket, order: Order) -> dict[str, int]:
        """Take an order."""
        socket.data["orders"] += order.count
        return {"orders": socket.data["orders"]}


shop = Shop("/shop")
io.register(shop)
rooms: ParentNamespace = io.of(re.compile(r"/room-\d+"))


@io.on("new_namespace")
def new_namespace(namespace: Namespace) -> None:
    seen.append(namespace.name)


@rooms.use
def member(socket: Socket) -> None:
    if socket.handshake.auth.get("token") != "secret":
        raise ConnectionRefused("members only", {"room": socket.namespace.name})


# -- handlers ---------------------------------------------------------------------------------------


@io.on_unhandled
def unhandled(socket: Socket, event: str, *arguments: Any) -> Any:
    return NotImplemented if event == "no handler" else (event, *arguments)


@io.on("connection")
def connection(socket: Socket) -> None:
    handshake = socket.handshake
    seen.append((handshake.address, handshake.secure, handshake.xdomain, handshake.url, handshake.time))
    seen.append((handshake.headers["host"], handshake.environ["SERVER_PROTOCOL"], handshake.auth))
    seen.append(handshake.query)
    seen.append((socket.id, socket.connected, socket.recovered, socket.recovery_failure))
    look_at(socket.conn)

    @socket.use
    def check(event: str, arguments: list[Any]) -> None:
        if event == "forbidden":
            raise EventRefused("not for you")

    @socket.once("hello")
    def hello(text: str) -> str:
        return f"{text} to you"


@io.on("ask me")
def ask_me(socket: Socket) -> Any:
    """Ask the client something while its own event is handled."""
    try:
        return socket.call("how many?", timeout=5)
    except (Disconnected, AckTimeout) as error:
        seen.append(error.reason if isinstance(error, Disconnected) else error.responses)


@io.on("disconnecting")
@io.on("disconnect")
def left(socket: Socket, reason: str, description: str) -> None:
    seen.append((reason, description, socket.rooms))


@io.on_error
def failed(socket: Socket, event: str, error: BaseException) -> None:
    seen.append((event, error))


@io.on_room("join-room")
def joined(room: str, sid: str) -> None:
    seen.append((room, sid))


@io.on_server_side("reload")
def reload() -> str:
    return "done"


def any_event(socket: Socket, event: str, *arguments: Any) -> None:
    seen.append((socket.id, event, arguments))


def listen() -> None:
    """Add and remove handlers of every event, and others."""
    for endpoint in (io, io.of("/shop"), rooms):
        endpoint.on_any(any_event)
        endpoint.prepend_any(any_event)
        endpoint.on_any_outgoing(any_event)
        endpoint.prepend_any_outgoing(any_event)
        assert len(endpoint.listeners_any()) == len(endpoint.listeners_any_outgoing()) == 2
        endpoint.off_any()
        endpoint.off_any_outgoing(any_event)
        endpoint.prepend("late", any_event)
        assert endpoint.listeners("late") == [any_event]
        endpoint.off("late", any_event)


@io.on("fail")
def fail(socket: Socket) -> None:
    raise ZeroDivisionError
