"""The flush at the end of each turn of the loop: one system call per connection, whatever was queued.

What makes a broadcast cheap is not the queueing but the writing: each dirty connection is written to once
per turn of the loop, however many messages the turn produced for it.
"""

from __future__ import annotations

from time import time
from typing import Any, Protocol

# A reader, or a handler in it, that hasn't yielded for this long doesn't collect output any
# more: one that computes for long must not delay what it has emitted.
STALE = 0.002


class Flushable(Protocol):
    """A connection with something queued."""

    def flush(self) -> None:
        """Write what is queued, without blocking and without raising."""


class Outbox:
    """The dirty connections of one hub. For the hub's thread only.

    Attributes:
        began: When the reader that runs now began with what it has received, in seconds since the epoch.
            A turn in which many readers run isn't a stale one.
    """

    __slots__ = ("_dirty", "_loop", "began")

    def __init__(self, loop: Any) -> None:
        """Flush on ``loop``, a gevent event loop."""
        self._loop = loop
        self._dirty: list[Flushable] = []
        self.began = 0.0

    def add(self, connection: Flushable) -> None:
        """Have ``connection`` flushed at the end of this turn; at once if the caller has run for long."""
        if not self._dirty:
            self._loop.run_callback(self._flush)
        self._dirty.append(connection)
        stale = time() - STALE
        if self.began < stale and self._loop.now() < stale:
            connection.flush()

    def _flush(self) -> None:
        dirty = self._dirty
        self._dirty = []
        for connection in dirty:
            connection.flush()
