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
    name = socket.handshake.auth.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 20:
        raise ConnectionRefused("a name has 1 to 20 characters")
    if any(other.data["name"] == name for other in io.sockets.values()):
        raise ConnectionRefused(f"{name} is here already", {"taken": name})
    socket.data["name"] = name


@io.on("message")
def message(socket, message: Message):
    socket.broadcast.emit("message", socket.data["name"], message)
    return {"ok": True}


if __name__ == "__main__":
    io.run(app, port=3000)
