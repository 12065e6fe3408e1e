"""One connection of the runner: its bytes, and no wait without a deadline."""

from __future__ import annotations

import io
import socket as stdlib_socket
from collections.abc import Iterable
from errno import ECONNRESET
from math import inf
from time import monotonic
from typing import Any

from gevent import getcurrent

RECEIVE_BYTES = 64 * 1024
# What is read, and for how long, from a connection that is being closed, so that the answer isn't lost in
# a reset.
LINGER_BYTES = 64 * 1024
LINGER_SECONDS = 1.0
# A sweep that comes later than this was held up by a handler that didn't yield.
STALL_SECONDS = 0.25


class DeadlinePassed(Exception):
    """Thrown into the greenlet of a connection that has waited for its client for too long."""


class Connection:
    """A socket, plain or TLS, that is used by the greenlet that made this object.

    Attributes:
        sock: The gevent socket. Whoever detaches it has taken the connection over.
        greenlet: The greenlet that serves it.
        deadline: Until when the greenlet may wait for the client, on the monotonic clock; infinite while
            it doesn't wait.
        idle: Whether it waits for the first byte of a request.
    """

    __slots__ = ("_buffered", "deadline", "greenlet", "idle", "sock")

    def __init__(self, sock: Any) -> None:
        """Serve ``sock`` from the calling greenlet."""
        self.sock = sock
        self.greenlet: Any = getcurrent()
        self.deadline = inf
        self.idle = False
        self._buffered = b""

    @property
    def is_open(self) -> bool:
        """Whether the socket is still here: neither closed nor taken over."""
        return not self.sock.closed

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were received that nobody has asked for."""
        return bool(self._buffered)

    def give_back(self, data: bytes) -> None:
        """Put bytes before those that come next."""
        self._buffered = data + self._buffered if self._buffered else data

    def take_buffered(self, size: int | None = None) -> bytes:
        """Return, once, what was received and not asked for; at most ``size`` bytes of it."""
        data = self._buffered if size is None else self._buffered[:size]
        self._buffered = self._buffered[len(data) :]
        return data

    def receive(self, until: float) -> bytes:
        """Return what arrives before ``until``, on the monotonic clock; b"" at the client's end.

        Raises:
            DeadlinePassed: Nothing arrived.
            OSError: The connection is broken.
        """
        self.deadline = until
        try:
            data: bytes = self.sock.recv(RECEIVE_BYTES)
        finally:
            self.deadline = inf
        return data

    def send(self, data: bytes | bytearray, *, stall: float) -> None:
        """Send all of ``data``, as long as the client takes some of it every ``stall`` seconds.

        Raises:
            OSError: The connection is broken, or the client takes nothing.
        """
        self.deadline = monotonic() + stall
        try:
            sent: int = self.sock.send(data)
            while sent < len(data):
                taken = self.sock.send(memoryview(data)[sent:])
                if taken:
                    sent += taken
                    self.deadline = monotonic() + stall
        except DeadlinePassed:
            # One of the errors that pywsgi takes for a client that has left.
            raise ConnectionResetError(ECONNRESET, "the client takes nothing") from None
        finally:
            self.deadline = inf

    def linger(self) -> None:
        """Close our direction and read on for a moment, so that no reset overtakes the answer."""
        until = monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        try:
            self.sock.shutdown(stdlib_socket.SHUT_WR)
            while left > 0:
                data = self.receive(until)
                if not data:
                    return
                left -= len(data)
        except (DeadlinePassed, OSError):
            return

    def as_file(self) -> io.BufferedReader:
        """Return a file that reads what was received already, then the socket, without deadlines."""
        return io.BufferedReader(_RawFile(self))


class _RawFile(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._connection.take_buffered(len(buffer))
        if not data:
            return int(self._connection.sock.recv_into(buffer))
        buffer[: len(data)] = data
        return len(data)


class Sweep:
    """Looks at the deadlines of all connections: one timer, instead of one for each wait.

    It costs an attribute per wait, where a timer costs some microseconds; the price is that a
    deadline is kept to within ``period``.
    """

    def __init__(self, loop: Any, connections: Iterable[Connection], *, period: float) -> None:
        """Sweep over ``connections``, which may change, every ``period`` seconds."""
        self._connections = connections
        self._period = period
        self._expected = monotonic() + period
        self._timer = loop.timer(period, repeat=period, ref=False)
        self._timer.start(self._sweep)

    def stop(self) -> None:
        """Stop for good; idempotent."""
        self._timer.stop()
        self._timer.close()

    def _sweep(self) -> None:
        now = monotonic()
        late = now - self._expected
        self._expected = now + self._period
        if late > STALL_SECONDS:
            # What clients sent meanwhile lies in the kernel: they aren't to blame.
            for connection in self._connections:
                connection.deadline += late
        for connection in [each for each in self._connections if each.deadline <= now]:
            # One that was thrown at may have changed another.
            if connection.deadline <= now:
                connection.deadline = inf
                connection.greenlet.throw(DeadlinePassed)
