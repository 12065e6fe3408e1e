"""Clients by hand on blocking sockets, for a thread of their own: they cost the hub's thread nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

DEADLINE = 10.0
TEXT, BINARY = 0x81, 0x82

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(opcode: int, payload: bytes) -> bytes:
    """Build a frame of at most 125 bytes, masked with zeros."""
    assert len(payload) < 126
    return bytes((opcode, 0x80 | len(payload))) + bytes(4) + payload


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds in the server."""
    until = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the server didn't get that far")
        time.sleep(0.0001)


class Stream:
    """A TCP connection; every wait has a deadline.

    ``settle`` lets the server come to rest once it has accepted, or it would look for what isn't sent yet
    in some cases and not in others.
    """

    def __init__(self, port: int, settle: Callable[[], None]) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffered = b""
        settle()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def exactly(self, count: int) -> bytes:
        while len(self._buffered) < count:
            self._more()
        taken, self._buffered = self._buffered[:count], self._buffered[count:]
        return taken

    def until(self, end: bytes) -> bytes:
        while end not in self._buffered:
            self._more()
        taken, _, self._buffered = self._buffered.partition(end)
        return taken

    def _more(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError("the server has closed")
        self._buffered += piece

    def close(self) -> None:
        self.sock.close()


class WebSocket(Stream):
    """A client in the main namespace of the server, on a WebSocket from the start."""

    def __init__(self, port: int, settle: Callable[[], None]) -> None:
        super().__init__(port, settle)
        self.send(_UPGRADE)
        assert b" 101 " in self.until(b"\r\n\r\n")
        assert self.receive().startswith(b"0{")
        self.send(frame(TEXT, b"40"))
        while (packet := self.receive()) == b"2":
            self.send(frame(TEXT, b"3"))
        assert packet.startswith(b"40{")

    def receive(self) -> bytes:
        """Wait for a message and return its payload."""
        head, length = self.exactly(2)
        assert head in (TEXT, BINARY)
        if length == 126:
            length = int.from_bytes(self.exactly(2), "big")
        return self.exactly(length)


class Poller:
    """A client in the main namespace of the server, on two connections that are kept alive."""

    def __init__(self, port: int, settle: Callable[[], None]) -> None:
        self._gets, self._posts = Stream(port, settle), Stream(port, settle)
        self._query = "EIO=4&transport=polling"
        self.begin_poll()
        self.sid: str = json.loads(self.polled()[1:])["sid"]
        self._query += f"&sid={self.sid}"
        self.post(b"40")
        self.begin_poll()
        assert self.polled().startswith(b"40{")

    def begin_poll(self) -> None:
        """Send a GET."""
        self._gets.send(f"GET /socket.io/?{self._query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def polled(self) -> bytes:
        """Wait for the answer to the GET and return its body."""
        return self._answer(self._gets)

    def post(self, body: bytes) -> None:
        """Send packets and wait until they were taken."""
        head = f"POST /socket.io/?{self._query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        self._posts.send(f"{head}\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n".encode() + body)
        assert self._answer(self._posts) == b"ok"

    def _answer(self, stream: Stream) -> bytes:
        status, *lines = stream.until(b"\r\n\r\n").decode().split("\r\n")
        assert " 200 " in status, status
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return stream.exactly(int(headers["content-length"]))

    def close(self) -> None:
        self._gets.close()
        self._posts.close()
