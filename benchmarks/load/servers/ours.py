"""The contestant: its own runner as a program, or ``gunicorn -k gevent ours:app``."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import msgspec

from socketio_sync import ConnectionRefused, Server, Socket

io = Server(ping_interval=float(os.environ.get("BENCH_PING_INTERVAL", "25")))
app = io


class Message(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=0)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


def echo(socket: Socket, data: Any) -> Any:
    return data


def typed_echo(socket: Socket, data: Any) -> Any:
    message = msgspec.convert(data, Message)
    socket.data["messages"] += 1
    return {"n": message.n, "text": message.text}


def admit(socket: Socket) -> None:
    if "banned" in socket.handshake.query:
        raise ConnectionRefused("banned")


def identify(socket: Socket) -> None:
    socket.data["name"] = socket.handshake.auth.get("name", "somebody")
    socket.data["messages"] = 0


def connection(socket: Socket) -> None:
    socket.join("everybody", f"name:{socket.data['name']}", f"own:{socket.id}")


@io.on("bcast")
def bcast(socket: Socket, data: Any) -> None:
    io.emit("msg", data)


@io.on("join")
def join(socket: Socket, room: str) -> str:
    socket.join(room)
    return room


@io.on("room")
def room(socket: Socket, name: str, data: Any) -> None:
    io.to(name).emit("msg", data)


if os.environ.get("BENCH_REAL"):
    io.use(admit)
    io.use(identify)
    io.on("connection", connection)
    io.on("echo", typed_echo)
else:
    io.on("echo", echo)


if __name__ == "__main__":
    io.run(port=int(sys.argv[1]))
