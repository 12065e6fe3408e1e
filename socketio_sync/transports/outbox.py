"""The flush at the end of each turn of the loop: one system call per connection, whatever was queued.

What makes a broadcast cheap is not the queueing but the writing: each dirty connection is written to once
per turn of the loop, however many messages the turn produced for it.
"""

from __future__ import annotations

from time import time
from typing import Any, Protocol

# An application that hasn't yielded for this long doesn't have its output collected any more: one
# that computes for long must not delay what it has emitted.
STALE = 0.002


class Flushable(Protocol):
    """A connection with something queued."""

    def flush(self) -> None:
        """Write what is queued, without blocking and without raising."""


class Outbox:
    """The dirty connections of one hub. For the hub's thread only.

    Attributes:
        began: When the worker that runs now began with what it has received, in seconds since the epoch.
            A turn in which many readers run isn't a stale one.
    """

    __slots__ = ("_dirty", "_held", "_loop", "began")

    def __init__(self, loop: Any) -> None:
        """Flush on ``loop``, a gevent event loop."""
        self._loop = loop
        self._dirty: list[Flushable] = []
        self._held = False
        self.began = 0.0

    def add(self, connection: Flushable) -> None:
        """Have ``connection`` flushed at the end of this turn; at once if the caller has run for long."""
        if not self._dirty:
            self._loop.run_callback(self._flush)
        self._dirty.append(connection)
        if not self._held:
            stale = time() - STALE
            if self.began < stale and self._loop.now() < stale:
                connection.flush()

    def hold(self) -> float:
        """Collect whatever comes until ``release``, which takes what this returns.

        For a broadcast: the last recipients of a long one would be written to at once, and nothing that
        follows would go out together with it. Its time isn't the application's.
        """
        self._held = True
        return time()

    def release(self, held: float) -> None:
        """End ``hold``; flush what was collected, if the application had run for long before it."""
        self._held = False
        ran = max(held - max(self.began, self._loop.now()), 0.0)
        if ran > STALE:
            self._flush()
            ran = 0.0
        self.began = time() - ran

    def _flush(self) -> None:
        dirty = self._dirty
        self._dirty = []
        for connection in dirty:
            connection.flush()
