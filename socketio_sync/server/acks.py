"""Acknowledgements that the server waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from socketio_sync.exceptions import AckTimeout, SocketIOError
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.timers import Timers
from socketio_sync.transports.waiter import Waiter


class PendingAck(Protocol):
    """What a socket does with the answer to something that it emitted. Called on the hub's thread."""

    def resolve(self, values: Sequence[Any]) -> None:
        """Take the values of the acknowledgement."""

    def fail(self, error: SocketIOError) -> None:
        """Learn that there will be none, and why."""


def value_of(values: Sequence[Any]) -> Any:
    """Return an acknowledgement in Python's terms: None, the value, or a tuple of several."""
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


class CallbackAck:
    """An acknowledgement that goes to a callback; it is dropped where there is none."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[[Sequence[Any]], None]) -> None:
        """Have ``run`` called with the values, on the hub's thread."""
        self._run = run

    def resolve(self, values: Sequence[Any]) -> None:
        """Run the callback."""
        self._run(values)

    def fail(self, error: SocketIOError) -> None:
        """Drop it."""


class TimedAck:
    """An acknowledgement that goes to a callback whose first argument is the error, or None."""

    __slots__ = ("_run", "_timeout", "_timer")

    def __init__(self, run: Callable[[Sequence[Any]], None], timeout: float) -> None:
        """Have ``run`` called with the error and the values, on the hub's thread.

        ``timeout`` is in seconds, from ``begin`` on.
        """
        self._run = run
        self._timeout = timeout
        self._timer: Any = None

    def begin(self, timers: Timers, expire: Callable[[AckTimeout], None]) -> None:
        """Have ``expire`` called if nothing comes in time."""
        error = timed_out(self._timeout)
        self._timer = timers.after(self._timeout, lambda: expire(error))

    def resolve(self, values: Sequence[Any]) -> None:
        """Run the callback."""
        self._end((None, *values))

    def fail(self, error: SocketIOError) -> None:
        """Run the callback with the error alone."""
        self._end((error,))

    def _end(self, arguments: Sequence[Any]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._run(arguments)


class Call:
    """One blocking ``call``: settled on the hub's thread, waited for anywhere."""

    __slots__ = ("_failure", "_values", "_waiter")

    def __init__(self, runtime: Runtime) -> None:
        """Prepare to wait in the calling greenlet or thread."""
        self._values: Sequence[Any] = ()
        self._failure: SocketIOError | None = None
        self._waiter = Waiter(runtime)

    def resolve(self, values: Sequence[Any]) -> None:
        """Take the answer."""
        self._values = values
        self._waiter.settle()

    def fail(self, error: SocketIOError) -> None:
        """Learn that there will be none."""
        self._failure = error
        self._waiter.settle()

    def wait(self, timeout: float) -> Any:
        """Block until there is an answer; return it in Python's terms.

        Raises:
            AckTimeout: None came within ``timeout`` seconds.
            Disconnected: The client left.
        """
        if not self._waiter.wait(timeout):
            raise timed_out(timeout)
        if self._failure is not None:
            raise self._failure
        return value_of(self._values)


def not_taken() -> AckTimeout:
    """Return the error of a client that couldn't take a volatile event."""
    return AckTimeout("the event was volatile, and the client couldn't take it")


def timed_out(timeout: float) -> AckTimeout:
    """Return the error of a client that hasn't answered in ``timeout`` seconds."""
    return AckTimeout(f"no acknowledgement within {timeout:g} s")
