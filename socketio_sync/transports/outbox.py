"""The end of each turn of the loop: one system call per connection, and broadcasts joined once for all.

What makes a broadcast cheap is not the queueing but the writing: each dirty connection is written to once
per turn of the loop, however many messages the turn produced for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import time
from typing import Any, Protocol, TypeAlias

from socketio_sync.protocol.engineio.packet import Batch

logger = logging.getLogger(__name__)

# An application that hasn't yielded for this long doesn't have its output collected any more: one
# that computes for long must not delay what it has emitted.
STALE = 0.002
# No more is collected of several broadcasts to the same recipients, before they are sent.
COLLECTED_BYTES = 16 * 1024

FanOut: TypeAlias = Callable[[Sequence[Any], Batch], None]


class Flushable(Protocol):
    """A connection with something queued."""

    def flush(self) -> None:
        """Write what is queued, without blocking and without raising."""


class Outbox:
    """The dirty connections of one hub. For the hub's thread only.

    Attributes:
        began: When the worker that runs now began with what it has received, in seconds since the epoch,
            later by the time that broadcasts took. A turn in which many readers run isn't a stale one.
        fanning_out: Whether broadcasts are being sent, recipient by recipient.
        recipients: For whom broadcasts are collected; None while there is none.
    """

    __slots__ = ("_batches", "_dirty", "_fan_out", "_loop", "_size", "began", "fanning_out", "recipients")

    def __init__(self, loop: Any) -> None:
        """Flush on ``loop``, a gevent event loop."""
        self._loop = loop
        self._dirty: list[Flushable] = []
        self.fanning_out = False
        self.began = 0.0
        self.recipients: Sequence[Any] | None = None
        self._fan_out: FanOut
        self._batches: list[Batch] = []
        self._size = 0

    def add(self, connection: Flushable) -> None:
        """Have ``connection`` flushed at the end of this turn; at once if the caller has run for long."""
        if not self.fanning_out:
            stale = time() - STALE
            if self.began < stale and self._loop.now() < stale:
                connection.flush()
                return
        if not self._dirty:
            self._loop.run_callback(self._flush)
        self._dirty.append(connection)

    def deliver(self, recipients: Sequence[Any], batch: Batch, fan_out: FanOut) -> None:
        """Have ``batch`` sent to ``recipients`` in this turn, with whatever follows for the same ones.

        Broadcasts are collected as long as they are for the same sequence, which mustn't change: each
        recipient has the work of one. Who sends to anybody in another way has to ``settle`` before.

        Args:
            recipients: Whatever ``fan_out`` understands.
            batch: What to send.
            fan_out: Called with the recipients and all that is to be sent to them, which it has sent to
                their transports when it returns. It must not raise.
        """
        ran = time() - max(self.began, self._loop.now())
        if recipients is not self.recipients or self._size + batch.size > COLLECTED_BYTES:
            self.settle()
            self.recipients = recipients
            self._fan_out = fan_out
            if not self._dirty:
                self._loop.run_callback(self._flush)
        self._batches.append(batch)
        self._size += batch.size
        if ran > STALE:
            self._flush()
            self.began = time() - ran

    def settle(self) -> None:
        """Send what is collected for many, as something else is to be sent behind it."""
        recipients, batches = self.recipients, self._batches
        if recipients is None:
            return
        self.recipients = None
        self._batches = []
        self._size = 0
        batch = batches[0] if len(batches) == 1 else Batch.of(batches)
        began = time()
        # The last recipients of a long one would be written to at once, and nothing that follows would go
        # out together with it.
        self.fanning_out = True
        try:
            self._fan_out(recipients, batch)
        finally:
            self.fanning_out = False
            # Its time isn't the application's.
            self.began = max(self.began, self._loop.now()) + time() - began

    def _flush(self) -> None:
        try:
            # Not worth a call in a turn without broadcasts.
            if self.recipients is not None:
                self.settle()
        finally:
            dirty, self._dirty = self._dirty, []
            for connection in dirty:
                try:
                    connection.flush()
                except Exception:
                    # The others mustn't wait for ever; this one is missed by the heartbeat.
                    logger.exception("a defect: a connection can't be flushed")
