"""Connections to the runner's own HTTP handler over socket pairs, and what goes over them.

Specification: RFC 9112; RFC 6455.
"""

from __future__ import annotations

import base64
import os
import socket as stdlib_socket
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import gevent
from gevent import socket

from socketio_sync.http_head import RequestLimits
from socketio_sync.run import HTTPServer
from socketio_sync.types import Environ, WSGICallable

# Small, so that a client that doesn't read is felt at once.
BUFFER_BYTES = 16 * 1024
# How long the server may take nothing of what is sent.
SEND_SECONDS = 10.0

Headers = Iterable[tuple[str, str]]


class Host:
    """The runner's server without a listener: it serves what ``connect`` connects."""

    def __init__(self, app: WSGICallable, is_ours: Callable[[Environ], bool]) -> None:
        """Serve ``app``; handshakes of which ``is_ours(environ)`` are the application's own."""
        names = {"SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        self._server = HTTPServer(
            ("127.0.0.1", 0), app, limits=RequestLimits(), is_ours=is_ours, log=None, environ=names
        )
        self._server.keep_deadlines()

    def connect(self) -> Any:
        """Return the client's end of a new connection, a gevent socket."""
        ours, theirs = socket.socketpair()
        address: Any = ("127.0.0.1", 0)
        for end in (ours, theirs):
            end.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, BUFFER_BYTES)
        ours.settimeout(SEND_SECONDS)
        gevent.spawn(self._server.handle, theirs, address)
        return ours

    def close(self) -> None:
        """Let the connections end with what they are at; idempotent."""
        self._server.stopping = True
        self._server.end()


class Response(NamedTuple):
    """One answer. Names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Wire:
    """The client's end of one connection.

    Attributes:
        received: How many bytes have come.
        may_read: Cleared while nothing is to be read.
    """

    def __init__(self, host: Host, may_read: Any) -> None:
        """Connect to ``host``; read only while ``may_read``, a gevent event, is set."""
        self._sock = host.connect()
        self.may_read = may_read
        self.received = 0
        self._buffered = b""

    def send(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            OSError: The server has closed, or takes nothing.
        """
        self._sock.sendall(data)

    def close(self) -> None:
        """Close without a word; idempotent."""
        self._sock.close()

    def _more(self) -> None:
        while True:
            self.may_read.wait()
            socket.wait_read(self._sock.fileno())
            # It may have been forbidden meanwhile.
            if self.may_read.is_set():
                break
        data = self._sock.recv(BUFFER_BYTES)
        if not data:
            raise EOFError("the server has closed the connection")
        self.received += len(data)
        self._buffered += data

    def _exactly(self, count: int) -> bytes:
        while len(self._buffered) < count:
            self._more()
        taken, self._buffered = self._buffered[:count], self._buffered[count:]
        return taken

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffered:
            self._more()
        taken, _, self._buffered = self._buffered.partition(end)
        return taken

    # -- HTTP ---------------------------------------------------------------------------------------

    def request(self, method: str, target: str, headers: Headers, body: bytes | None = None) -> Response:
        """Send a request and wait for its answer.

        Raises:
            OSError: The connection is broken.
            EOFError: The server has closed it.
        """
        lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers]]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        status, *fields = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = [
            (name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)
        ]
        response = Response(int(status.split(" ")[1]), pairs, b"")
        if response.status in (101, 204, 304):
            return response
        known = dict(pairs)
        if known.get("transfer-encoding") == "chunked":
            return response._replace(body=self._chunks())
        return response._replace(body=self._exactly(int(known.get("content-length", 0))))

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n"), 16):
            pieces.append(self._exactly(size))
            self._until(b"\r\n")
        self._until(b"\r\n")
        return b"".join(pieces)

    # -- WebSocket ----------------------------------------------------------------------------------

    def frame(self) -> tuple[int, bytes]:
        """Wait for a frame of the server's; return its opcode and payload.

        Raises:
            OSError, EOFError: As ``request``.
            AssertionError: It is one that a server mustn't send, or this one doesn't.
        """
        head, length = self._exactly(2)
        assert head & 0xF0 == 0x80, "the server's frames are final and have no reserved bits"
        assert length < 0x80, "the server's frames aren't masked"
        if length >= 126:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        return head & 0x0F, self._exactly(length)


def upgrade_headers() -> list[tuple[str, str]]:
    """Return what asks for a WebSocket."""
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
    ]
