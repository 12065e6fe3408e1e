"""The application that the official clients talk to in the interop tests; `checks.js` is the other side.

Also what a user would write: ``gunicorn -k gevent tests.interop.app:app``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from socketio_sync import AckTimeout, ConnectionRefused, Namespace, Server, Socket, WSGIApp

PAGE = b"beside Socket.IO"

# Often, so that every cell sees heartbeats; with patience, as two cores serve twelve clients at once.
io = Server(ping_interval=1.0, ping_timeout=20.0)


def describe(value: Any) -> Any:
    """Replace bytes, at any depth, by ``{"bytes": hexadecimal}``: what JSON alone could not have brought."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    return value


def own_rooms(socket: Socket) -> list[str]:
    """Return the rooms that a socket has joined, without that of its id."""
    return sorted(set(socket.rooms) - {socket.id})


def serve_everywhere(namespace: Namespace | Server) -> None:
    """Handle in one namespace what every namespace of this application handles."""

    @namespace.on("connection")
    def connection(socket: Socket) -> None:
        handshake = socket.handshake
        socket.emit(
            "welcome",
            {
                "id": socket.id,
                "namespace": socket.namespace.name,
                "query": handshake.query,
                "auth": handshake.auth,
                "header": handshake.headers.get("x-interop"),
            },
        )

    @namespace.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        query = socket.handshake.query
        io.to(query["watch"]).emit("left", query["label"], socket.namespace.name, reason)

    @namespace.on("echo")
    def echo(socket: Socket, *values: Any) -> tuple[Any, ...]:
        return values

    @namespace.on("message")
    def message(socket: Socket, *values: Any) -> None:
        socket.send(*values)

    @namespace.on("kick")
    def kick(socket: Socket, close: bool) -> None:
        socket.disconnect(close=close)


serve_everywhere(io)
serve_everywhere(io.of("/chat"))
serve_everywhere(io.of("/guarded"))


@io.of("/guarded").use
def ask_for_token(socket: Socket) -> None:
    """Let in who says the word."""
    if socket.handshake.auth.get("token") != "sesame":
        raise ConnectionRefused("no token")


@io.of("/refused").use
def refuse(socket: Socket) -> None:
    """Let nobody in."""
    raise ConnectionRefused("not allowed")


@io.of("/refused/data").use
def refuse_with_data(socket: Socket) -> None:
    """Let nobody in, and say more about it."""
    raise ConnectionRefused("not allowed", {"code": 42, "why": ["no", "entry"]})


@io.on("transport")
def transport(socket: Socket) -> tuple[str, int]:
    return socket.conn.transport.name, socket.conn.protocol


@io.on("drop")
def drop(socket: Socket) -> None:
    socket.conn.close()


# -- values -------------------------------------------------------------------------------------------


@io.on("values")
def values(socket: Socket, count: int) -> Any:
    """Acknowledge with 0, 1, ...: in Python terms None, one value, a tuple."""
    return {0: None, 1: 0}.get(count, tuple(range(count)))


@io.on("one list")
def one_list(socket: Socket) -> list[int]:
    return [0, 1, 2]


@io.on("describe")
def describe_event(socket: Socket, value: Any) -> Any:
    return describe(value)


@io.on("code points")
def code_points(socket: Socket, text: str) -> list[int]:
    return [ord(character) for character in text]


@io.on("from code points")
def from_code_points(socket: Socket, points: list[int]) -> str:
    return "".join(map(chr, points))


@io.on("number")
def number(socket: Socket, value: int, extra: str | bytes) -> int:
    socket.emit("number", value)
    return value


# -- questions to the client --------------------------------------------------------------------------


@io.on("ask")
def ask(socket: Socket, *question: Any) -> dict[str, Any]:
    """Ask the client while its own event is being handled, and tell it what it has answered."""
    answer = socket.call("question", *question, timeout=10)
    if answer is None:
        kind, answers = "none", []
    elif isinstance(answer, tuple):
        kind, answers = "several", list(answer)
    else:
        kind, answers = "one", [answer]
    return {"kind": kind, "values": answers, "described": describe(answers)}


@io.on("ask in vain")
def ask_in_vain(socket: Socket) -> str:
    try:
        socket.call("question", timeout=0.2)
    except AckTimeout:
        return "timeout"
    return "answered"


@io.on("ask later")
def ask_later(socket: Socket, *question: Any) -> None:
    socket.emit("question", *question, ack=lambda *answers: socket.emit("answered", *answers))


# -- rooms --------------------------------------------------------------------------------------------


@io.on("join")
def join(socket: Socket, room: str) -> list[str]:
    socket.join(room)
    return own_rooms(socket)


@io.on("leave")
def leave(socket: Socket, room: str) -> list[str]:
    socket.leave(room)
    return own_rooms(socket)


@io.on("say to")
def say_to(socket: Socket, token: str, *rooms: str) -> None:
    socket.to(*rooms).emit("said", token)


@io.on("say in")
def say_in(socket: Socket, token: str, *rooms: str) -> None:
    io.in_(*rooms).emit("said", token)


@io.on("say except")
def say_except(socket: Socket, token: str, room: str, without: str) -> None:
    io.to(room).except_(without).emit("said", token)


@io.on("say broadcast")
def say_broadcast(socket: Socket, token: str) -> None:
    socket.broadcast.emit("said", token)


@io.on("say all")
def say_all(socket: Socket, token: str) -> None:
    io.emit("said", token)


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve everything that isn't Socket.IO's."""
    found = environ["PATH_INFO"] == "/"
    body = PAGE if found else b"not found"
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK" if found else "404 Not Found", headers)
    return [body]


app = WSGIApp(io, page)
