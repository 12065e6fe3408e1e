"""What a server that closes leaves in a directory, so that its clients are recovered by the next process.

There is a file for each client, whose name can't be guessed without its secret, and one for each namespace
with the events for many, which grows until the last client has left. Whoever takes a client's file removes
it: of several processes only one gets it. Times are written as those of the wall clock, as each process
counts its own.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import MsgspecError, Struct, msgpack

from socketio_sync.engine.server import new_id
from socketio_sync.logs import Throttle
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.journal import Bounds, Entry, Journal, Lost, Session, Timeline

logger = logging.getLogger(__name__)
problems = Throttle(logger)

# How the files of clients and of events end; those of clients begin with so many characters.
_CLIENT, _EVENTS = ".client", ".events"
_HASH = 64
# Before each record of the events, how long it is.
_LENGTH_BYTES = 4


class _Note(Struct, array_like=True):
    """An event; see :class:`~socketio_sync.server.journal.Entry`."""

    offset: int
    text: bytes | None
    attachments: list[bytes]
    rooms: list[str]
    except_: list[str]
    when: float
    id: str


class _Head(Struct, array_like=True):
    """What stands before the events for many: how their offsets begin, and what is forgotten of them."""

    mark: str
    forgotten: tuple[int, float] | None


class _Left(Struct, array_like=True):
    """A client; see :class:`~socketio_sync.server.journal.Session`."""

    events: str
    sid: str
    rooms: list[str]
    data: dict[str, Any]
    closed: float
    horizon: float
    began: int
    start: int
    forgotten: tuple[int, float] | None
    notes: list[_Note]


_notes = msgpack.Decoder(_Note)
_heads = msgpack.Decoder(_Head)
_clients = msgpack.Decoder(_Left)


class Shelf:
    """The directory, as one namespace uses it. For the hub's thread only; its files are small and local."""

    def __init__(self, directory: str | os.PathLike[str], namespace: str, max_age: float) -> None:
        """Use a directory, which is made when it is needed; what is there is forgotten after ``max_age``."""
        self._directory = Path(directory)
        self._namespace = namespace
        self._max_age = max_age
        self._is_usable: bool | None = None
        # Where our events are; None if they aren't.
        self._events: Path | None = None
        self._end = float("inf")
        # What earlier processes have kept for many, by the names of the files.
        self._past: dict[str, _Past] = {}

    # -- leaving ------------------------------------------------------------------------------------

    def begin(self, timeline: Timeline, now: float) -> None:
        """Leave the events for many that are kept."""
        path = self._directory / f"{new_id()}{_EVENTS}"
        wall = time.time() - now
        head = _Head(timeline.mark, _moved(timeline.shared.forgotten, wall))
        records = [head, *(_note_of(entry, wall) for entry in timeline.shared.entries)]
        if self._ready() and _write(path, b"".join(map(_record, records))):
            self._events = path
            self._end = now + self._max_age

    def append(self, entry: Entry, now: float) -> None:
        """Leave one more event; ignored when nobody can come back any more."""
        if self._events is None or now > self._end:
            return
        if not _write(self._events, _record(_note_of(entry, time.time() - now))):
            # Nobody may come back and miss it.
            _remove(self._events)
            self._events = None

    def put(self, session: Session, now: float) -> None:
        """Leave a client that has gone. Its data must be of what MessagePack can say."""
        if self._events is None:
            return
        journal = session.journal
        wall = time.time() - now
        left = _Left(
            self._events.name,
            session.sid,
            sorted(session.rooms),
            session.data,
            session.closed + wall,
            session.horizon + wall,
            journal.began,
            journal.start,
            _moved(journal.forgotten, wall),
            [_note_of(entry, wall) for entry in journal.entries],
        )
        try:
            content = msgpack.encode(left)
            if _clients.decode(content).data != session.data:
                raise TypeError("it has values that come back as others, such as sets or tuples")
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problems.warning(
                "SIO702",
                "SIO702 socket %s: not left for the next process: socket.data has something that MessagePack "
                "can't say (%s); keep numbers, strings, bytes, lists and dicts there",
                session.sid,
                error,
            )
            return
        path = self._path(journal.pid)
        new = path.with_suffix(f".{new_id()}")
        if _write(new, content):
            with suppress(OSError):
                new.replace(path)

    # -- finding ------------------------------------------------------------------------------------

    def take(self, pid: str, offset: Any, timeline: Timeline, bounds: Bounds, now: float) -> Session | None:
        """Return what an earlier process has left of a client, with what it has missed; nobody else gets it.

        Args:
            pid: The client's secret.
            offset: The last offset that it has seen, as it says.
            timeline: The events of this process, before which those of the other one stand.
            bounds: Those of this process.
            now: The time.

        Raises:
            Lost: Not all that it has missed is kept.
        """
        if not self._ready():
            return None
        left = self._claim(self._path(pid))
        if left is None:
            return None
        wall = time.time() - now
        closed = left.closed - wall
        if closed < now - bounds.options.max_disconnection_duration:
            return None
        past = self._timeline(left.events, bounds, now)
        theirs = Journal(past.bounds, pid, left.began)
        theirs.start = left.start
        theirs.forgotten = _moved(left.forgotten, -wall)
        for note in left.notes:
            theirs.append(_entry_of(note, wall))
        session = Session(left.sid, frozenset(left.rooms), left.data, theirs, closed, left.horizon - wall)
        missed = past.missed(session, past.number_of(offset, theirs))
        journal = Journal(bounds, pid, timeline.before(closed))
        # Numbers below all of ours, in their order.
        journal.start = -len(missed) - 1
        for number, entry in enumerate(missed, -len(missed)):
            journal.append(entry._replace(offset=number, id=entry.id or past.text(entry.offset)))
        return session._replace(journal=journal)

    def sweep(self, now: float) -> bool:
        """Forget what is too old; tell whether anything is left."""
        self._past = {name: past for name, past in self._past.items() if past.end >= now}
        return bool(self._past)

    def _claim(self, path: Path) -> _Left | None:
        mine = path.with_suffix(f".{new_id()}")
        try:
            path.rename(mine)
            content = mine.read_bytes()
            mine.unlink()
            return _clients.decode(content)
        except FileNotFoundError:
            return None
        except (OSError, MsgspecError) as error:
            _complain(path, error)
            return None

    def _timeline(self, name: str, bounds: Bounds, now: float) -> Timeline:
        """Return the events that an earlier process had kept for many, read again if there are more now.

        Raises:
            Lost: They aren't there.
        """
        past = self._past.get(name)
        if past is None:
            # The name comes from a file of our own, but must lead nowhere else.
            path = self._directory / Path(name).name
            past = self._past[name] = _Past(path, Bounds(bounds.options, bounds.max_age), now + self._max_age)
        try:
            return past.read(time.time() - now)
        except (OSError, MsgspecError) as error:
            raise Lost("the events that an earlier process has kept are gone") from error

    # -- the directory ------------------------------------------------------------------------------

    def _path(self, pid: str) -> Path:
        return self._directory / f"{sha256(f'{self._namespace} {pid}'.encode()).hexdigest()}{_CLIENT}"

    def _ready(self) -> bool:
        """Tell whether the directory can be used; at the first time it is made, and what is old removed."""
        if self._is_usable is None:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self._directory.stat().st_mode & stat.S_IWOTH:
                    raise PermissionError("everybody may write there")
                self._clean()
                self._is_usable = True
            except OSError as error:
                self._is_usable = False
                _complain(self._directory, error)
        return self._is_usable

    def _clean(self) -> None:
        oldest = time.time() - self._max_age
        for path in self._directory.iterdir():
            ours = path.suffix == _EVENTS or len(path.stem) == _HASH
            if ours and path.stat().st_mtime < oldest:
                _remove(path)


class _Past:
    """The events of a process that has ended, or is about to.

    Attributes:
        end: Until when they may be needed.
    """

    def __init__(self, path: Path, bounds: Bounds, end: float) -> None:
        self._path = path
        self._bounds = bounds
        self._timeline: Timeline | None = None
        self._position = 0
        self.end = end

    def read(self, wall: float) -> Timeline:
        """Return them, with those that have come since the last call.

        Raises:
            OSError: They can't be read.
            MsgspecError: They are no events.
        """
        with self._path.open("rb") as file:
            file.seek(self._position)
            for record in _records(file.read()):
                self._position += _LENGTH_BYTES + len(record)
                if self._timeline is None:
                    head = _heads.decode(record)
                    self._timeline = Timeline(self._bounds, head.mark)
                    self._timeline.shared.forgotten = _moved(head.forgotten, -wall)
                else:
                    self._timeline.add(_entry_of(_notes.decode(record), wall))
        if self._timeline is None:
            raise OSError("there is nothing yet")
        return self._timeline


def _complain(path: Path, error: Exception) -> None:
    problems.warning(
        "SIO703",
        "SIO703 %s: can't be used to carry clients over to the next process (%s): the option "
        "connection_state_recovery names a directory that this process may write, and not everybody",
        path,
        error,
    )


def _write(path: Path, content: bytes) -> bool:
    """Append to a file that only we may read; tell whether all of it was written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb", buffering=0) as file:
            if file.write(content) != len(content):
                raise OSError("it isn't written as a whole")
    except OSError as error:
        _complain(path, error)
        return False
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _record(value: Struct) -> bytes:
    content = msgpack.encode(value)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def _records(content: bytes) -> Iterator[bytes]:
    """Give what is there as a whole: the last one may be being written."""
    begin = 0
    while begin + _LENGTH_BYTES <= len(content):
        end = begin + _LENGTH_BYTES + int.from_bytes(content[begin : begin + _LENGTH_BYTES], "big")
        if end > len(content):
            return
        yield content[begin + _LENGTH_BYTES : end]
        begin = end


def _note_of(entry: Entry, wall: float) -> _Note:
    text, attachments = entry.encoded
    rooms, except_ = sorted(entry.rooms), sorted(entry.except_)
    return _Note(entry.offset, text, list(attachments), rooms, except_, entry.now + wall, entry.id)


def _entry_of(note: _Note, wall: float) -> Entry:
    encoded = Encoded(note.text, tuple(note.attachments))
    rooms, except_ = frozenset(note.rooms), frozenset(note.except_)
    return Entry(note.offset, encoded, rooms, except_, note.when - wall, note.id)


def _moved(forgotten: tuple[int, float] | None, seconds: float) -> tuple[int, float] | None:
    return None if forgotten is None else (forgotten[0], forgotten[1] + seconds)
