from typing import Annotated

from flask import Flask
from msgspec import Meta, Struct

from socketio_sync import ConnectionRefused, Server, WSGIApp

web = Flask(__name__, static_url_path="")
io = Server(serve_client="node_modules/socket.io-client/dist")
app = WSGIApp(io, web)


class Message(Struct):
    text: Annotated[str, Meta(min_length=1, max_length=200)]


@web.route("/")
def index():
    return web.send_static_file("index.html")


@io.use
def introduce(socket):
    name, room = socket.handshake.auth.get("name"), socket.handshake.auth.get("room") or "lobby"
    if not isinstance(name, str) or not 1 <= len(name) <= 20:
        raise ConnectionRefused("a name has 1 to 20 characters")
    if not isinstance(room, str) or len(room) > 20:
        raise ConnectionRefused("a room's name has up to 20 characters")
    socket.data.update(name=name, room=f"room:{room}")


@io.on("connection")
def connection(socket):
    socket.join(socket.data["room"])
    tell_who_is_here(socket.data["room"])


@io.on("disconnect")
def disconnect(socket):
    tell_who_is_here(socket.data["room"])


def tell_who_is_here(room):
    names = sorted(other.data["name"] for other in io.to(room).fetch_sockets())
    io.to(room).emit("people", names)


@io.on("message")
def message(socket, message: Message):
    socket.to(socket.data["room"]).emit("message", socket.data["name"], message)
    return {"ok": True}


@io.on("typing")
def typing(socket):
    socket.to(socket.data["room"]).volatile.emit("typing", socket.data["name"])


if __name__ == "__main__":
    io.run(app, port=3000)
