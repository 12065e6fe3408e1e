"""The files in which clients are left."""

from __future__ import annotations

import math
import resource
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.journal import Entry
from socketio_sync.server.records import entry_of, is_same, note_of, notes, record, records, write

ROOMS = st.frozensets(st.text())


@given(st.binary(), st.lists(st.binary()), ROOMS, ROOMS)
def test_an_event_is_read_as_it_was(
    text: bytes, attachments: list[bytes], rooms: frozenset[str], except_: frozenset[str]
) -> None:
    entry = Entry(-5, Encoded(text, tuple(attachments)), rooms, except_, 64.0, "mark.5")
    content = record(note_of(entry, 1024.0))
    ((inner, end),) = records(content)
    assert end == len(content)
    assert entry_of(notes.decode(inner), 1024.0) == entry


@given(st.lists(st.binary(min_size=1)), st.integers(0, 20))
def test_records_are_read_as_far_as_they_are_written(texts: list[bytes], cut: int) -> None:
    written = [record(note_of(Entry(0, Encoded(each), frozenset(), frozenset(), 0.0), 0.0)) for each in texts]
    content = b"".join(written)
    content = content[: max(len(content) - cut, 0)]
    found = list(records(content))
    whole = 0
    while whole < len(written) and sum(map(len, written[: whole + 1])) <= len(content):
        whole += 1
    assert len(found) == whole
    assert [notes.decode(each).text for each, _ in found] == texts[:whole]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": [1, None, b"x", "y", 1.5]}, {"a": [1, None, b"x", "y", 1.5]}, True),
        (math.nan, math.nan, True),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 1, tzinfo=timezone.utc), True),
        (1, True, False),
        (1, 1.0, False),
        ([1], (1,), False),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 2], False),
        (object(), object(), False),
    ],
)
def test_what_is_read_as_something_else_is_not_the_same(one: Any, other: Any, same: bool) -> None:
    assert is_same(one, other) is same


def test_a_file_that_cannot_be_written_as_a_whole_is_not_there(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=r"room|large"):
            write(tmp_path / "file", b"x" * 1_000, new=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_new_file_is_never_one_that_is_there(tmp_path: Path) -> None:
    write(tmp_path / "file", b"x", new=True)
    with pytest.raises(FileExistsError):
        write(tmp_path / "file", b"y", new=True)
