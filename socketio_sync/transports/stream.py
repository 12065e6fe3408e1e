"""The bytes of one connection that belongs to us: non-blocking, plain or TLS."""

from __future__ import annotations

import _socket
import contextlib
import socket
import ssl
from typing import Any, Protocol


class Stream(Protocol):
    """A non-blocking byte stream. Both calls raise BlockingIOError where they would wait, else OSError."""

    def recv(self, size: int) -> bytes:
        """Receive what is there, at most ``size`` bytes; none are the peer's end of stream."""

    def send(self, data: bytes | memoryview) -> int:
        """Hand data to the kernel; return how many bytes it took."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    def close(self) -> None:
        """Close the descriptor."""


def plain_stream(descriptor: int) -> _socket.socket:
    """Make a stream of a descriptor that nobody else uses any more.

    The C socket class itself: monkey-patching doesn't reach it, and it is the smallest object there is.
    """
    sock = _socket.socket(fileno=descriptor)
    sock.setblocking(False)
    # Unix sockets have no Nagle algorithm to switch off.
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # A host that went before us may have set it or not; 40 ms a message if it's missing.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class TLSStream:
    """A gevent TLS socket in non-blocking use. Its host keeps the object; we have the use of it."""

    __slots__ = ("_sock",)

    def __init__(self, sock: Any) -> None:
        """Use ``sock``, a ``gevent.ssl.SSLSocket`` after its handshake."""
        sock.settimeout(0.0)
        self._sock = sock

    def recv(self, size: int) -> bytes:
        """Receive as :class:`Stream` says."""
        try:
            return bytes(self._sock.recv(size))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            raise BlockingIOError from None
        except ssl.SSLEOFError:
            return b""

    def pending(self) -> int:
        """Return how many bytes are decrypted and not received, of which the descriptor tells nothing."""
        return int(self._sock.pending())

    def send(self, data: bytes | memoryview) -> int:
        """Send as :class:`Stream` says."""
        try:
            return int(self._sock.send(data))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            raise BlockingIOError from None

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return int(self._sock.fileno())

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
