"""The files in which a server that closes leaves its clients: what stands in them, and how they are written.

Times are written as those of the wall clock, as each process counts its own. Names of rooms may be any text
that JSON can say, lone surrogates among them, and are written as bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, msgpack

from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.journal import Entry

# Before each record of the events, how long it is.
_LENGTH_BYTES = 4
_PLAIN = (str, bytes, int, float, bool, type(None), datetime)


class Note(Struct, array_like=True):
    """An event; see :class:`~socketio_sync.server.journal.Entry`."""

    offset: int
    text: bytes | None
    attachments: list[bytes]
    rooms: list[bytes]
    except_: list[bytes]
    when: float
    id: str


class Head(Struct, array_like=True):
    """What stands before the events for many.

    Attributes:
        mark: How their offsets begin.
        closed: When the process began to close.
        forgotten: Number and time of the last that isn't kept any more.
    """

    mark: str
    closed: float
    forgotten: tuple[int, float] | None


class Left(Struct, array_like=True):
    """A client; see :class:`~socketio_sync.server.journal.Session` and ``Journal``.

    Attributes:
        events: The name of the file with the events for many.
        last: The number of the last event that there was.
    """

    events: str
    last: int
    sid: str
    rooms: list[bytes]
    data: dict[str, Any]
    closed: float
    horizon: float
    began: int
    start: int
    forgotten: tuple[int, float] | None
    notes: list[Note]


notes = msgpack.Decoder(Note)
heads = msgpack.Decoder(Head)
clients = msgpack.Decoder(Left)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether a value was read as it was written; runs no code of the application's."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) in _PLAIN and bool(one == other or one != one)


def note_of(entry: Entry, wall: float) -> Note:
    """Return an event as it is written; ``wall`` is how much the wall clock is ahead of our own."""
    text, attachments = entry.encoded
    rooms, except_ = as_bytes(entry.rooms), as_bytes(entry.except_)
    return Note(entry.offset, text, list(attachments), rooms, except_, entry.now + wall, entry.id)


def entry_of(note: Note, wall: float) -> Entry:
    """Return an event as it is kept."""
    encoded = Encoded(note.text, tuple(note.attachments))
    return Entry(
        note.offset, encoded, as_texts(note.rooms), as_texts(note.except_), note.when - wall, note.id
    )


def as_bytes(rooms: frozenset[str]) -> list[bytes]:
    """Return the names of rooms as they are written."""
    return sorted(room.encode("utf-8", "surrogatepass") for room in rooms)


def as_texts(rooms: list[bytes]) -> frozenset[str]:
    """Return the names of rooms as they are."""
    return frozenset(room.decode("utf-8", "surrogatepass") for room in rooms)


def moved(forgotten: tuple[int, float] | None, seconds: float) -> tuple[int, float] | None:
    """Return the number and the time of an event by another clock."""
    return None if forgotten is None else (forgotten[0], forgotten[1] + seconds)


def record(value: Struct) -> bytes:
    """Return a record of a file of events."""
    content = msgpack.encode(value)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def records(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Give each record that is there as a whole, the last one may be being written; and where it ends."""
    begin = 0
    while begin + _LENGTH_BYTES <= len(content):
        end = begin + _LENGTH_BYTES + int.from_bytes(content[begin : begin + _LENGTH_BYTES], "big")
        if end > len(content):
            return
        yield content[begin + _LENGTH_BYTES : end], end
        begin = end


def write(path: Path, content: bytes, *, new: bool) -> None:
    """Write a file that only we may read: a new one, or behind what is there.

    Raises:
        OSError: That can't be done, or only in part; there is no such file then.
    """
    flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if new else os.O_APPEND)
    descriptor = os.open(path, flags, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            if file.write(content) != len(content):
                raise OSError("there is no room for all of it")
    except OSError:
        remove(path)
        raise


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with suppress(OSError):
        path.unlink()
