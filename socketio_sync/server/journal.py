"""Events that may have to be sent again: in order, bounded, and never missed in silence.

Offsets are numbers, counted up for a whole namespace in the order in which events are queued: all that a
client has to get again is what is behind its last one.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

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
        began: The offset of the last event before that client came to this process.
        start: Before what is kept for it alone; lower where that was carried here.
        earlier: What it may have missed before that, in earlier ones; None if it is new.
        entries: Those that are kept.
        forgotten: Number and time of the last that isn't any more; None if all are.
        returned: When that client last came back; None if it hasn't.
        horizon: What was sent before had reached it when it had left for the last time.
    """

    __slots__ = ("_bounds", "began", "earlier", "entries", "forgotten", "horizon", "pid", "returned", "start")

    def __init__(self, bounds: Bounds, pid: str = "", began: int = 0) -> None:
        """Keep events within ``bounds``."""
        self._bounds = bounds
        self.pid = pid
        self.began = self.start = began
        self.earlier: Earlier | None = None
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
        if self.earlier is not None:
            self.earlier.session.journal.clear()
            self.earlier = None

    def forget_earlier(self, now: float) -> None:
        """Forget what earlier processes have left when nobody can want it any more."""
        if self.earlier is not None and self.earlier.end < now:
            last = self.earlier.last_missed()
            if last is not None and self.forgotten is None:
                self.forgotten = self.began + 1, last
            self.earlier.session.journal.clear()
            self.earlier = None

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


class Seen(NamedTuple):
    """How far a client has come.

    Attributes:
        number: Of the last event of this process; that before its first one if it has seen none.
        chapter: Which of the earlier timelines it had come to; None if it has seen some of this one.
        earlier: The number in that.
    """

    number: int
    chapter: int | None = None
    earlier: int = 0


class Timeline:
    """The events of one namespace in one process. In a forked one there are others.

    Attributes:
        bounds: How many may be kept.
        last: The number of the last one.
        shared: Those for many.
        mark: How offsets begin: those of another process must not pass for ours.
        began: When the process began, as the wall clock says.
    """

    __slots__ = ("__weakref__", "began", "bounds", "last", "mark", "shared")

    def __init__(self, bounds: Bounds, mark: str = "") -> None:
        """Begin with nothing; with the ``mark`` of an earlier process, its events are meant."""
        self.bounds = bounds
        self.last = 0
        self.shared = Journal(bounds)
        self.mark = mark
        self.began = 0.0
        if not mark:
            self.begin()
            _ours.add(self)

    def begin(self) -> None:
        """Begin in this process."""
        self.mark = f"{new_id()[:6]}."
        self.began = time.time()

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
        self.last = max(self.last, entry.offset)
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

    def number_of(self, offset: Any, journal: Journal) -> int | None:
        """Return the number of the last event that the client of ``journal`` has seen, as it says.

        None means that it has seen none, or one of another server that ran here before: clients forget no
        offset.
        """
        mark = self.mark
        if not isinstance(offset, str) or not offset:
            return None
        if offset.startswith(mark) and len(offset) <= len(mark) + 16:
            digits = offset[len(mark) :]
            number = int(digits, 16) if digits and not set(digits) - _HEX else -1
            return number if journal.began <= number <= self.last else None
        for entry in journal.entries:
            if entry.id == offset:
                return entry.offset
        return None

    def seen(self, offset: Any, journal: Journal) -> Seen:
        """Return how far the client of ``journal`` has come, as it says."""
        number = self.number_of(offset, journal)
        if number is not None or journal.earlier is None:
            return Seen(journal.start if number is None else number)
        return Seen(journal.start, *journal.earlier.seen(offset))

    def missed(self, session: Session, seen: Seen) -> list[Entry]:
        """Return what a session has missed, in order.

        Raises:
            Lost: Not all of it is kept.
        """
        journal = session.journal
        entries: list[Entry] = []
        if seen.chapter is not None and journal.earlier is not None:
            entries += journal.earlier.missed(seen.chapter, seen.earlier, session.horizon)
        shared = self.shared.since(max(seen.number, journal.began), session.horizon)
        own = journal.since(seen.number, session.horizon)
        return entries + sorted((*own, *_meant(shared, session)), key=_offset_of)


class Earlier(NamedTuple):
    """What a client may have missed in earlier processes.

    Attributes:
        session: What the one that it was connected to has kept of it.
        chapters: The events for many: of that process, then of those that have begun and ended since.
        end: When nobody can want it any more.
    """

    session: Session
    chapters: Sequence[Timeline]
    end: float

    def seen(self, offset: Any) -> tuple[int, int]:
        """Return to which chapter the client has come, and to which number in that."""
        journal = self.session.journal
        for index in range(len(self.chapters) - 1, 0, -1):
            chapter = self.chapters[index]
            number = chapter.number_of(offset, chapter.shared)
            if number is not None:
                return index, number
        number = self.chapters[0].number_of(offset, journal)
        return 0, journal.start if number is None else number

    def missed(self, chapter: int, number: int, horizon: float) -> list[Entry]:
        """Return what is behind a number in a chapter, in order.

        Raises:
            Lost: Not all of it is kept.
        """
        session = self.session._replace(horizon=horizon)
        entries: list[Entry] = []
        for index in range(chapter, len(self.chapters)):
            timeline = self.chapters[index]
            since = number if index == chapter else 0
            if index == 0:
                found = timeline.missed(session, Seen(since))
            else:
                # It wasn't there: of interest is what was sent when it had left.
                found = _meant(timeline.shared.since(since, max(horizon, session.closed)), session)
            entries += [each if each.id else each._replace(id=timeline.text(each.offset)) for each in found]
        return entries

    def last_missed(self) -> float | None:
        """Return when the last event was sent that the client may have missed; None if there is none."""
        try:
            entries = self.missed(0, self.session.journal.start, self.session.horizon)
        except Lost:
            return self.session.closed
        return entries[-1].now if entries else None


def _meant(entries: Iterable[Entry], session: Session) -> list[Entry]:
    rooms = session.rooms | {session.sid}
    return [entry for entry in entries if entry.is_for(rooms)]


def _offset_of(entry: Entry) -> int:
    return entry.offset


_ours: WeakSet[Timeline] = WeakSet()


def _begin_all() -> None:
    for timeline in tuple(_ours):
        timeline.begin()


os.register_at_fork(after_in_child=_begin_all)
