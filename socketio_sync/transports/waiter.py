"""Waiting, in any greenlet or thread, for what happens on the hub's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import monkey
from gevent.event import AsyncResult

from socketio_sync.transports.runtime import Runtime

_allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")


class Waiter:
    """Something that one greenlet or thread waits for, and that is settled on the hub's thread.

    A greenlet of the hub waits for an event of gevent's; another thread for a native lock, as it has no
    hub of its own that anybody would run.
    """

    __slots__ = ("_lock", "_result")

    def __init__(self, runtime: Runtime) -> None:
        """Prepare to wait in the calling greenlet or thread."""
        self._result: Any = None
        self._lock: Any = None
        if runtime.is_current():
            self._result = AsyncResult()
        else:
            self._lock = _allocate_lock()
            self._lock.acquire()

    def settle(self) -> None:
        """End the waiting; to be called once."""
        if self._result is not None:
            self._result.set(True)
        else:
            self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is settled, for ``timeout`` seconds at most if given; tell whether it is."""
        if self._result is not None:
            # Not get(): its Timeout can't be told from one that the caller has set.
            return bool(self._result.wait(timeout=timeout))
        return bool(self._lock.acquire(timeout=-1 if timeout is None else timeout))
