"""One connection of the runner: its bytes, and no wait without a deadline."""

from __future__ import annotations

import contextlib
import io
import socket as stdlib_socket
from collections.abc import Callable, Iterable
from errno import ECONNRESET
from math import inf
from time import monotonic
from typing import Any

from gevent import get_hub, getcurrent
from gevent.ssl import SSLSocket

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

    A plain one is watched for as long as it lives, not anew for each wait: that takes no system call, and
    tells for nothing that the client of a request in progress has gone.

    Attributes:
        sock: The gevent socket. Whoever detaches it has taken the connection over.
        greenlet: The greenlet that serves it.
        deadline: Until when the greenlet may wait for the client, on the monotonic clock; infinite while
            it doesn't wait.
        idle: Whether it waits for the first byte of a request.
        buffered: What was received and not asked for.
    """

    __slots__ = (
        "_hub",
        "_on_gone",
        "_plain",
        "_waiter",
        "_watcher",
        "buffered",
        "deadline",
        "greenlet",
        "idle",
        "sock",
    )

    def __init__(self, sock: Any) -> None:
        """Serve ``sock`` from the calling greenlet."""
        self.sock = sock
        self.greenlet: Any = getcurrent()
        self.deadline = inf
        self.idle = False
        self.buffered = b""
        self._hub = get_hub()
        # The C socket below gevent's: one that is closed or taken over refuses by itself.
        self._plain: Any = None if isinstance(sock, SSLSocket) else sock._sock
        self._watcher: Any = None
        self._waiter: Any = None
        self._on_gone: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the socket is still here: neither closed nor taken over."""
        plain = self._plain
        return not self.sock.closed if plain is None else self.sock._sock is plain

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were received that nobody has asked for."""
        return bool(self.buffered)

    def give_back(self, data: bytes) -> None:
        """Put bytes before those that come next."""
        self.buffered = data + self.buffered if self.buffered else data

    def take_buffered(self, size: int | None = None) -> bytes:
        """Return, once, what was received and not asked for; at most ``size`` bytes of it."""
        data = self.buffered if size is None else self.buffered[:size]
        self.buffered = self.buffered[len(data) :]
        return data

    def receive(self, until: float) -> bytes:
        """Return what arrives before ``until``, on the monotonic clock; b"" at the client's end.

        Raises:
            DeadlinePassed: Nothing arrived.
            OSError: The connection is broken.
        """
        watcher = self._watcher
        if watcher is None:
            # The first request has mostly come with the connection.
            data = self._receive_at_once(until)
            if data is not None:
                return data
            watcher = self._watcher
        if not watcher.active:
            watcher.start(self._on_readable)
        while True:
            self.deadline = until
            self._waiter = getcurrent()
            is_last = None
            try:
                while self._waiter is not None:
                    is_last = self._hub.switch()
            finally:
                self._waiter = None
                self.deadline = inf
            try:
                received: bytes = self._plain.recv(RECEIVE_BYTES)
                return received
            except BlockingIOError:
                if is_last:
                    return b""

    def end_input(self) -> None:
        """Have a waiting ``receive`` return what has arrived; else b"", as at the client's end.

        For other greenlets of the same thread.
        """
        if self._plain is None:
            with contextlib.suppress(OSError):
                # The C socket: the one above it would forget its keys.
                self.sock._sock.shutdown(stdlib_socket.SHUT_RD)
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self.deadline = inf
            self._hub.loop.run_callback(waiter.switch, True)

    def _receive_at_once(self, until: float) -> bytes | None:
        """Receive what is there, None for nothing yet; over TLS, wait."""
        if self._plain is None:
            self.deadline = until
            try:
                return bytes(self.sock.recv(RECEIVE_BYTES))
            finally:
                self.deadline = inf
        try:
            return bytes(self._plain.recv(RECEIVE_BYTES))
        except BlockingIOError:
            self._watch()
            return None

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = self._hub.loop.io(self._plain.fileno(), 1)
        if not self._watcher.active:
            self._watcher.start(self._on_readable)

    def _on_readable(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch()
            return
        # Until the next call of receive: the loop would come here in every turn.
        self._watcher.stop()
        on_gone, self._on_gone = self._on_gone, None
        if on_gone is not None and self._is_gone():
            on_gone()

    def _is_gone(self) -> bool:
        try:
            # Bytes are the next, pipelined request: it is read when this one is answered.
            return not self._plain.recv(1, stdlib_socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def watch_peer(self, gone: Callable[[], None]) -> bool:
        """Have ``gone`` called, on the hub, if the client closes before ``unwatch_peer`` or ``receive``.

        Returns:
            Whether that can be done; not with TLS.
        """
        if self._plain is None:
            return False
        self._on_gone = gone
        self._watch()
        return True

    def unwatch_peer(self) -> None:
        """Forget what ``watch_peer`` was given; idempotent."""
        self._on_gone = None

    def leave(self) -> None:
        """Watch the descriptor no more: it is about to be closed, or has been taken over. Idempotent."""
        self._on_gone = None
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def send(self, data: bytes | bytearray, *, stall: float) -> None:
        """Send all of ``data``, as long as the client takes some of it every ``stall`` seconds.

        Raises:
            OSError: The connection is broken, or the client takes nothing.
        """
        try:
            # Most answers are with the kernel at once.
            sent = self._plain.send(data) if self._plain is not None else 0
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(data, sent, stall)

    def _send_rest(self, data: bytes | bytearray, sent: int, stall: float) -> None:
        self.deadline = monotonic() + stall
        try:
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
