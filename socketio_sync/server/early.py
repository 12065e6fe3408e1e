"""What is sent to many before there is anybody: clients of an earlier process may be on their way here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from socketio_sync.adapters.base import Selection
from socketio_sync.adapters.rooms import native_lock
from socketio_sync.server.outgoing import Broadcast, snapshot

if TYPE_CHECKING:
    from socketio_sync.options import RecoveryOptions


class Early:
    """Events in order, within the bounds of recovery. From any thread; there is no hub yet."""

    __slots__ = ("_events", "_lock", "_max_age", "_options", "_size", "forgotten")

    def __init__(self, options: RecoveryOptions, max_age: float) -> None:
        """Keep events for ``max_age`` seconds."""
        self._options = options
        self._max_age = max_age
        self._lock = native_lock()
        self._events: deque[tuple[float, int, Broadcast, Selection]] = deque()
        self._size = 0
        # When the last was sent that isn't kept any more.
        self.forgotten: float | None = None

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._events)

    def add(self, outgoing: Broadcast, selection: Selection) -> bool:
        """Keep an event as it is now; tell whether it is the first.

        Raises:
            TypeError: It can't be sent.
            ValueError: The same.
        """
        text, attachments = outgoing.encoded()
        size = len(text or b"") + sum(map(len, attachments))
        event = outgoing.of(snapshot(outgoing.packet.data))
        now = monotonic()
        with self._lock:
            events, options = self._events, self._options
            events.append((now, size, event, selection))
            self._size += size
            while events and events[0][0] < now - self._max_age:
                self._size -= events.popleft()[1]
            while len(events) > options.max_events or self._size > options.max_bytes:
                self.forgotten, dropped, _, _ = events.popleft()
                self._size -= dropped
            return len(events) == 1

    def take(self) -> Iterator[tuple[float, Broadcast, Selection]]:
        """Give each event, and when it was sent, by the monotonic clock; it isn't kept any more."""
        while self._events:
            with self._lock:
                then, size, outgoing, selection = self._events.popleft()
                self._size -= size
            yield then, outgoing, selection
