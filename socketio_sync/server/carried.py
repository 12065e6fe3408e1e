"""What a server that closes leaves in a directory, so that its clients are recovered by the next process.

There is a file for each client, whose name can't be guessed without its secret, and one for each namespace
with the events for many, which grows for as long as somebody may come back. Whoever takes a client's file
removes it: of several processes only one gets it.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import MsgspecError, msgpack

from socketio_sync.engine.server import new_id
from socketio_sync.logs import Throttle
from socketio_sync.server import records
from socketio_sync.server.journal import Bounds, Earlier, Entry, Journal, Lost, Session, Timeline

if TYPE_CHECKING:
    from socketio_sync.options import RecoveryOptions

logger = logging.getLogger(__name__)
problems = Throttle(logger)

# How the files of clients and of events end; and how long what stands before that is.
_CLIENT, _EVENTS = ".client", ".events"
_CLIENT_HASH, _NAMESPACE_HASH = 64, 16
# When what is old was removed last, by the directory.
_cleaned: dict[Path, float] = {}


class Shelf:
    """The directory, as one namespace uses it. For the hub's thread only; its files are small and local."""

    def __init__(self, options: RecoveryOptions, namespace: str, max_age: float) -> None:
        """Use the directory of the options; what is there isn't wanted any more after ``max_age``."""
        assert options.directory is not None
        self._directory = Path(options.directory).absolute()
        self._namespace = namespace
        self._max_age = max_age
        self._is_usable = False
        # Where our events are, None if they aren't; how many bytes more they may be, and until when.
        self._events: Path | None = None
        self._room = 2 * options.max_bytes
        self._end = 0.0
        # What earlier processes have kept for many, by the names of the files; all of it within one bound.
        self._past: dict[str, _Past] = {}
        self._bounds = Bounds(options, max_age)

    # -- leaving ------------------------------------------------------------------------------------

    def begin(self, timeline: Timeline, now: float) -> None:
        """Leave the events for many that are kept."""
        if not self.is_ready():
            return
        wall = time.time() - now
        head = records.Head(timeline.mark, time.time(), records.moved(timeline.shared.forgotten, wall))
        content = [records.record(head)]
        content += [records.record(records.note_of(entry, wall)) for entry in timeline.shared.entries]
        path = self._directory / f"{self._prefix()}-{new_id()}{_EVENTS}"
        try:
            records.write(path, b"".join(content), new=True)
        except OSError as error:
            _complain(path, error)
        else:
            self._events = path
            self._end = now + self._max_age

    def append(self, entry: Entry, now: float) -> None:
        """Leave one more event; ignored when nobody can come back any more."""
        if self._events is None or now > self._end:
            return
        content = records.record(records.note_of(entry, time.time() - now))
        self._room -= len(content)
        try:
            if self._room < 0:
                raise OSError("max_bytes are left already")
            records.write(self._events, content, new=False)
        except OSError as error:
            _complain(self._events, error)
            # Nobody may come back and miss it.
            records.remove(self._events)
            self._events = None

    def put(self, session: Session, timeline: Timeline, now: float) -> None:
        """Leave a client that has gone. Its data must be of what MessagePack can say."""
        if self._events is None:
            return
        wall = time.time() - now
        try:
            left = self._left(session, timeline, wall)
            content = msgpack.encode(left)
            if not records.is_same(records.clients.decode(content).data, session.data):
                raise TypeError("it has values that come back as others, such as sets or tuples")
        except Lost:
            # It would be told so.
            return
        except Exception as error:
            problems.warning(
                "SIO702",
                "SIO702 socket %s: not left for the next process: MessagePack can't say all of socket.data "
                "(%s); keep numbers, texts, bytes, lists and dicts there",
                session.sid,
                error,
            )
            return
        path = self._path(session.journal.pid)
        new = path.with_suffix(f".{new_id()}")
        try:
            records.write(new, content, new=True)
            new.replace(path)
        except OSError as error:
            _complain(path, error)
            records.remove(new)

    def _left(self, session: Session, timeline: Timeline, wall: float) -> records.Left:
        assert self._events is not None
        journal = session.journal
        entries, start = list(journal.entries), journal.start
        if journal.earlier is not None:
            # Before its own, with numbers below all of them.
            earlier = journal.earlier.missed(0, journal.earlier.session.journal.start, session.horizon)
            start = min(start, 0) - len(earlier) - 1
            entries[:0] = [entry._replace(offset=n) for n, entry in enumerate(earlier, start + 1)]
        return records.Left(
            self._events.name,
            timeline.last,
            session.sid,
            records.as_bytes(session.rooms),
            session.data,
            session.closed + wall,
            session.horizon + wall,
            journal.began,
            start,
            records.moved(journal.forgotten, wall),
            [records.note_of(entry, wall) for entry in entries],
        )

    def withdraw(self, pid: str) -> None:
        """Leave a client no more: it is here again."""
        records.remove(self._path(pid))

    # -- finding ------------------------------------------------------------------------------------

    def take(self, pid: str, timeline: Timeline, bounds: Bounds, now: float) -> Session | None:
        """Return what an earlier process has left of a client; nobody else gets it.

        Args:
            pid: The client's secret.
            timeline: The events of this process.
            bounds: Those of this process.
            now: The time.

        Raises:
            Lost: What it may have missed isn't there.
        """
        if not self.is_ready():
            return None
        left = self._claim(self._path(pid))
        if left is None:
            return None
        wall = time.time() - now
        closed = left.closed - wall
        if closed < now - bounds.options.max_disconnection_duration:
            return None
        theirs = Journal(bounds, pid, left.began)
        theirs.start = left.start
        theirs.forgotten = records.moved(left.forgotten, -wall)
        for note in left.notes:
            theirs.append(records.entry_of(note, wall))
        rooms = records.as_texts(left.rooms)
        session = Session(left.sid, rooms, left.data, theirs, closed, left.horizon - wall)
        first = self._read(left.events, wall, now)
        first.last = max(first.last, left.last)
        journal = Journal(bounds, pid, timeline.before(closed))
        chapters = (first, *self._between(left, timeline, wall, now))
        journal.earlier = Earlier(session, chapters, now + self._max_age)
        return session._replace(journal=journal)

    def sweep(self, now: float) -> bool:
        """Forget what is too old; tell whether anything is left."""
        for name, past in list(self._past.items()):
            if past.end < now:
                self._past.pop(name).forget()
        if self._is_usable:
            self._clean()
        return bool(self._past)

    def _claim(self, path: Path) -> records.Left | None:
        mine = path.with_suffix(f".{new_id()}")
        try:
            path.rename(mine)
            try:
                return records.clients.decode(mine.read_bytes())
            finally:
                records.remove(mine)
        except FileNotFoundError:
            return None
        except (OSError, MsgspecError, UnicodeError) as error:
            _complain(path, error)
            return None

    def _read(self, name: str, wall: float, now: float) -> Timeline:
        """Return the events that an earlier process had kept for many, with those that have come since.

        Raises:
            Lost: They aren't there.
        """
        past = self._past.get(name)
        if past is None:
            # The name comes from a file of our own, but must lead nowhere else.
            past = _Past(self._directory / Path(name).name, self._bounds)
            self._past[name] = past
        past.end = now + self._max_age
        try:
            return past.read(wall)
        except (OSError, MsgspecError, UnicodeError) as error:
            raise Lost("the events that an earlier process has kept are gone") from error

    def _between(self, left: records.Left, timeline: Timeline, wall: float, now: float) -> list[Timeline]:
        """Return what those have kept who have closed since a client left, and before this process began.

        Raises:
            Lost: Some of it isn't there.
        """
        found = []
        for path in self._directory.glob(f"{self._prefix()}-*{_EVENTS}"):
            if path.name != left.events and path != self._events:
                events = self._read(path.name, wall, now)
                closed = self._past[path.name].closed
                if left.closed < closed < timeline.began:
                    found.append((closed, path.name, events))
        return [events for _, _, events in sorted(found, key=lambda each: each[:2])]

    # -- the directory ------------------------------------------------------------------------------

    def _path(self, pid: str) -> Path:
        return self._directory / f"{_hash(f'{self._namespace} {pid}')}{_CLIENT}"

    def _prefix(self) -> str:
        return _hash(self._namespace)[:_NAMESPACE_HASH]

    def is_ready(self) -> bool:
        """Tell whether the directory can be used, which is made if it isn't there."""
        if not self._is_usable:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = self._directory.stat()
                if found.st_uid not in (0, os.geteuid()):
                    raise PermissionError("it belongs to another user")
                if found.st_mode & stat.S_IWOTH:
                    raise PermissionError("everybody may write there")
                if not os.access(self._directory, os.R_OK | os.W_OK | os.X_OK):
                    raise PermissionError("this user may not write there")
                self._is_usable = True
            except OSError as error:
                _complain(self._directory, error)
                return False
            self._clean()
        return True

    def _clean(self) -> None:
        """Remove what nobody may want any more; once in a while for all namespaces."""
        now = time.time()
        if now < _cleaned.get(self._directory, 0.0) + self._max_age:
            return
        _cleaned[self._directory] = now
        with suppress(OSError):
            for path in self._directory.iterdir():
                ours = path.suffix == _EVENTS or len(path.stem) == _CLIENT_HASH
                # Another process may remove it, too.
                with suppress(OSError):
                    if ours and path.stat().st_mtime < now - self._max_age:
                        path.unlink()


class _Past:
    """The events of a process that has ended, or is about to.

    Attributes:
        closed: When that began to close, as the wall clock says.
        end: Until when they may be needed.
    """

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._timeline: Timeline | None = None
        self._position = 0
        self.closed = 0.0
        self.end = 0.0

    def read(self, wall: float) -> Timeline:
        """Return them, with those that have come since the last call.

        Raises:
            OSError: They can't be read.
            MsgspecError: They are no events.
            UnicodeError: The same.
        """
        with self._path.open("rb") as file:
            file.seek(self._position)
            begin = self._position
            for content, end in records.records(file.read()):
                if self._timeline is None:
                    head = records.heads.decode(content)
                    self.closed = head.closed
                    self._timeline = Timeline(self._bounds, head.mark)
                    self._timeline.shared.forgotten = records.moved(head.forgotten, -wall)
                else:
                    self._timeline.add(records.entry_of(records.notes.decode(content), wall))
                self._position = begin + end
        if self._timeline is None:
            raise OSError("there is nothing yet")
        return self._timeline

    def forget(self) -> None:
        """Count no more."""
        if self._timeline is not None:
            self._timeline.shared.clear()


def _hash(text: str) -> str:
    # A client may say what UTF-8 can't.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _complain(path: Path, error: Exception) -> None:
    problems.warning(
        "SIO703",
        "SIO703 %s: can't carry clients over to the next process (%s): have connection_state_recovery name a "
        "directory that this process's user may write, and not everybody",
        path,
        getattr(error, "strerror", None) or error,
    )
