"""Closed sessions of polling clients that don't know it yet, until they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socketio_sync.transports.timers import Timer, Timers

if TYPE_CHECKING:
    from socketio_sync.engine.socket import EngineSocket

# How long a client that was closed while it didn't poll may still ask why.
LINGER = 30.0
# So many of them are kept: clients that come and go as fast as they can must not fill the memory.
MOST_SESSIONS = 1000


class Lingering:
    """The sessions by id, the oldest first; they make room for new ones. For the hub's thread only."""

    __slots__ = ("_bytes", "_entries", "_most_bytes")

    def __init__(self, most_bytes: int) -> None:
        """Keep no more than ``most_bytes`` of undelivered messages; a single session may have more."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[str, tuple[EngineSocket, int, Timer]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def get(self, sid: str) -> EngineSocket | None:
        """Return a session; None if it isn't here."""
        entry = self._entries.get(sid)
        return entry[0] if entry is not None else None

    def add(self, session: EngineSocket, size: int, timers: Timers) -> None:
        """Keep a session for a while, with ``size`` bytes of undelivered messages."""
        entries = self._entries
        while entries and (len(entries) >= MOST_SESSIONS or self._bytes + size > self._most_bytes):
            self.discard(next(iter(entries)))
        sid = session.id
        entries[sid] = session, size, timers.after(LINGER, lambda: self.discard(sid))
        self._bytes += size

    def discard(self, sid: str) -> None:
        """Forget a session; ignored if it isn't here."""
        entry = self._entries.pop(sid, None)
        if entry is not None:
            _, size, timer = entry
            timer.cancel()
            self._bytes -= size
