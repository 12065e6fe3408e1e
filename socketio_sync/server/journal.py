"""Events that may have to be sent again: in order, bounded, and never missed in silence."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from socketio_sync.protocol.socketio.codec import Encoded

if TYPE_CHECKING:
    from socketio_sync.options import RecoveryOptions

# What an entry takes beside the bytes of its packet.
_ENTRY_BYTES = 200


class Lost(Exception):
    """There is no way back to an earlier connection; the text tells why."""


class Entry(NamedTuple):
    """An event that may have to be sent again.

    Attributes:
        offset: Its number.
        encoded: The packet, with the offset in it.
        rooms: Whom it was for, as in :class:`~socketio_sync.adapters.base.Selection`.
        except_: And whom not.
        now: When it was sent.
    """

    offset: int
    encoded: Encoded
    rooms: frozenset[str]
    except_: frozenset[str]
    now: float

    @property
    def size(self) -> int:
        """What it counts, in bytes."""
        text, attachments = self.encoded
        return _ENTRY_BYTES + len(text or b"") + sum(map(len, attachments))

    def is_for(self, rooms: frozenset[str]) -> bool:
        """Tell whether it was for a socket that is in these rooms."""
        return (not self.rooms or bool(self.rooms & rooms)) and not self.except_ & rooms


class Bounds:
    """How much is kept in the journals of one namespace, and how much it may be.

    Attributes:
        options: The bounds.
        max_age: How long an event is kept, in seconds.
        size: The bytes of all that is kept.
    """

    __slots__ = ("max_age", "options", "size")

    def __init__(self, options: RecoveryOptions, max_age: float) -> None:
        """Begin with nothing."""
        self.options = options
        self.max_age = max_age
        self.size = 0


class Journal:
    """Events in order; the oldest are forgotten first.

    Attributes:
        pid: The secret of the client that they are for; empty for those that are for many.
        began: The offset of the last event before that client first came.
        entries: Those that are kept.
        returned: When that client last came back; None if it hasn't.
        horizon: What was sent before had reached it when it had left for the last time.
    """

    __slots__ = ("_bounds", "_forgotten", "began", "entries", "horizon", "pid", "returned")

    def __init__(self, bounds: Bounds, pid: str = "", began: int = 0) -> None:
        """Keep events within ``bounds``."""
        self._bounds = bounds
        self.pid = pid
        self.began = began
        self.entries: deque[Entry] = deque()
        self.returned: float | None = None
        self.horizon = float("-inf")
        # Number and time of the last that was.
        self._forgotten: tuple[int, float] | None = None

    def append(self, entry: Entry) -> None:
        """Keep one more."""
        bounds, options = self._bounds, self._bounds.options
        self.forget_before(entry.now - bounds.max_age)
        self.entries.append(entry)
        bounds.size += entry.size
        while self.entries and (len(self.entries) > options.max_events or bounds.size > options.max_bytes):
            self._forget_first()

    def forget_before(self, then: float) -> None:
        """Forget what is older."""
        while self.entries and self.entries[0].now < then:
            self._forget_first()

    def clear(self) -> None:
        """Forget everything."""
        while self.entries:
            self._forget_first()

    def _forget_first(self) -> None:
        entry = self.entries.popleft()
        self._bounds.size -= entry.size
        self._forgotten = entry.offset, entry.now

    def since(self, offset: int, then: float) -> list[Entry]:
        """Return what is behind ``offset`` and not older than ``then``.

        Raises:
            Lost: Some of it is forgotten.
        """
        if self._forgotten is not None:
            last, now = self._forgotten
            if last > offset and now >= then:
                raise Lost("events that were missed aren't kept any more")
        return [entry for entry in self.entries if entry.offset > offset and entry.now >= then]
