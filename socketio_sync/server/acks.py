"""Acknowledgements that the server waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gevent import monkey
from gevent.event import AsyncResult

from socketio_sync.exceptions import AckTimeout, Disconnected, SocketIOError
from socketio_sync.transports.runtime import Runtime

_allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")


class PendingAck(Protocol):
    """What a socket does with the answer to something that it emitted. Called on the hub's thread."""

    def resolve(self, values: Sequence[Any]) -> None:
        """Take the values of the acknowledgement."""

    def fail(self, reason: str) -> None:
        """Learn that the client has left, with the reason."""


def value_of(values: Sequence[Any]) -> Any:
    """Return an acknowledgement in Python's terms: None, the value, or a tuple of several."""
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


class CallbackAck:
    """An acknowledgement that goes to a callback; it is dropped when the client leaves."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[[Sequence[Any]], None]) -> None:
        """Have ``run`` called with the values, on the hub's thread."""
        self._run = run

    def resolve(self, values: Sequence[Any]) -> None:
        """Run the callback."""
        self._run(values)

    def fail(self, reason: str) -> None:
        """Drop it."""


class Call:
    """One blocking ``call``: settled on the hub's thread, waited for anywhere.

    A greenlet of the hub waits for an event of gevent's; another thread for a native lock, as it has no
    hub of its own that anybody would run.
    """

    __slots__ = ("_failure", "_lock", "_result", "_values")

    def __init__(self, runtime: Runtime) -> None:
        """Prepare to wait in the calling greenlet or thread."""
        self._values: Sequence[Any] = ()
        self._failure: SocketIOError | None = None
        self._result: Any = None
        self._lock: Any = None
        if runtime.is_current():
            self._result = AsyncResult()
        else:
            self._lock = _allocate_lock()
            self._lock.acquire()

    def resolve(self, values: Sequence[Any]) -> None:
        """Take the answer."""
        self._values = values
        self._settle()

    def fail(self, reason: str) -> None:
        """Learn that there will be none."""
        self._failure = Disconnected(reason)
        self._settle()

    def _settle(self) -> None:
        if self._result is not None:
            self._result.set(True)
        else:
            self._lock.release()

    def wait(self, timeout: float) -> Any:
        """Block until there is an answer; return it in Python's terms.

        Raises:
            AckTimeout: None came within ``timeout`` seconds.
            Disconnected: The client left.
        """
        if self._result is not None:
            # Not get(): its Timeout can't be told from one that the caller has set.
            if not self._result.wait(timeout=timeout):
                raise AckTimeout(f"no acknowledgement within {timeout:g} s")
        elif not self._lock.acquire(timeout=timeout):
            raise AckTimeout(f"no acknowledgement within {timeout:g} s")
        if self._failure is not None:
            raise self._failure
        return value_of(self._values)
