"""Events that may have to be sent again: in order, bounded, and never missed in silence.

Offsets are numbers, counted up for a whole namespace in the order in which events are queued: all that a
client has to get again is what is behind its last one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from socketio_sync.engine.server import new_id
from socketio_sync.protocol.socketio.codec import Encoded

if TYPE_CHECKING:
    from socketio_sync.options import RecoveryOptions

# What an entry takes beside the bytes of its packet.
_ENTRY_BYTES = 200
_HEX = frozenset("0123456789abcdef")


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
        id: How the offset is written, where an earlier process has numbered it; else empty.
    """

    offset: int
    encoded: Encoded
    rooms: frozenset[str]
    except_: frozenset[str]
    now: float
    id: str = ""

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
        began: The offset of the last event for many before that client first came.
        start: The offset before the first event for it alone.
        entries: Those that are kept.
        forgotten: Number and time of the last that isn't any more; None if all are.
        returned: When that client last came back; None if it hasn't.
        horizon: What was sent before had reached it when it had left for the last time.
    """

    __slots__ = ("_bounds", "began", "entries", "forgotten", "horizon", "pid", "returned", "start")

    def __init__(self, bounds: Bounds, pid: str = "", began: int = 0) -> None:
        """Keep events within ``bounds``."""
        self._bounds = bounds
        self.pid = pid
        self.began = self.start = began
        self.entries: deque[Entry] = deque()
        self.forgotten: tuple[int, float] | None = None
        self.returned: float | None = None
        self.horizon = float("-inf")

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
        self.forgotten = entry.offset, entry.now

    def since(self, offset: int, then: float) -> list[Entry]:
        """Return what is behind ``offset`` and not older than ``then``.

        Raises:
            Lost: Some of it is forgotten.
        """
        if self.forgotten is not None:
            last, now = self.forgotten
            if last > offset and now >= then:
                raise Lost("events that were missed aren't kept any more")
        return [entry for entry in self.entries if entry.offset > offset and entry.now >= then]


class Session(NamedTuple):
    """What is kept of a socket.

    Attributes:
        sid: Its id.
        rooms: The rooms that it was in.
        data: The application's own.
        journal: What was sent to it alone.
        closed: When it left.
        horizon: What was sent before has reached the client: it has answered a heartbeat since.
    """

    sid: str
    rooms: frozenset[str]
    data: dict[str, Any]
    journal: Journal
    closed: float
    horizon: float


class Timeline:
    """The events of one namespace.

    Attributes:
        bounds: How many may be kept.
        last: The number of the last one.
        shared: Those for many.
        mark: How offsets begin: those of another process must not pass for ours.
    """

    __slots__ = ("bounds", "last", "mark", "shared")

    def __init__(self, bounds: Bounds, mark: str | None = None) -> None:
        """Begin with nothing; with the ``mark`` of an earlier process, its events are meant."""
        self.bounds = bounds
        self.last = 0
        self.shared = Journal(bounds)
        self.mark = f"{new_id()[:4]}." if mark is None else mark

    def next_offset(self) -> tuple[int, str]:
        """Return the number of the next event, and how it is written behind its arguments."""
        self.last += 1
        return self.last, self.text(self.last)

    def marked(self, event: Sequence[Any]) -> Sequence[Any]:
        """Return an event that isn't kept, so that no client takes its last argument for an offset."""
        return (*event, self.text(self.last)) if isinstance(event[-1], str) else event

    def text(self, number: int) -> str:
        """Return how an offset is written."""
        return f"{self.mark}{number:x}"

    def add(self, entry: Entry) -> None:
        """Keep an event for many that has its number already."""
        self.last = entry.offset
        self.shared.append(entry)

    def before(self, now: float) -> int:
        """Return the number of the last event for many that was sent until then."""
        first = self.last
        for entry in reversed(self.shared.entries):
            if entry.now <= now:
                return entry.offset
            first = entry.offset - 1
        forgotten = self.shared.forgotten
        return forgotten[0] - 1 if forgotten is not None and forgotten[1] > now else first

    def number_of(self, offset: Any, journal: Journal) -> int:
        """Return the number of the last event that the client of ``journal`` has seen, as it says."""
        if isinstance(offset, str):
            if offset.startswith(self.mark) and len(offset) <= len(self.mark) + 16:
                digits = offset[len(self.mark) :]
                number = int(digits, 16) if digits and not set(digits) - _HEX else journal.start
                return number if journal.began <= number <= self.last else journal.start
            for entry in journal.entries:
                if entry.id == offset:
                    return entry.offset
        # It has seen none, or one of another server that ran here before: clients forget no offset.
        return journal.start

    def missed(self, session: Session, since: int) -> list[Entry]:
        """Return what a session has missed, in order.

        Raises:
            Lost: Not all of it is kept.
        """
        journal, rooms = session.journal, session.rooms
        shared = self.shared.since(max(since, journal.began), session.horizon)
        own = journal.since(since, session.horizon)
        return sorted((*own, *(entry for entry in shared if entry.is_for(rooms))), key=_offset_of)


def _offset_of(entry: Entry) -> int:
    return entry.offset
