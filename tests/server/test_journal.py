"""What is kept of events, by itself; with clients: test_recovery.py."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from socketio_sync.options import RecoveryOptions
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.journal import Bounds, Entry, Journal, Lost


def bounds(**options: Any) -> Bounds:
    return Bounds(RecoveryOptions(**options), max_age=100.0)


def entry(number: int, now: float = 0.0, size: int = 10, **rooms: set[str]) -> Entry:
    of = {name: frozenset(rooms.get(name, ())) for name in ("rooms", "except_")}
    return Entry(number, Encoded(b"x" * size), now=now, **of)


@pytest.mark.feature(122)
def test_bytes_and_events_are_bounded_and_counted_exactly() -> None:
    within = bounds(max_events=100, max_bytes=10_000)
    journals = [Journal(within) for _ in range(3)]
    for number in range(1000):
        journals[number % 3].append(entry(number, size=number % 500))
        assert within.size <= 10_000
        assert within.size == sum(each.size for journal in journals for each in journal.entries)
    for journal in journals:
        journal.clear()
    assert within.size == 0


@pytest.mark.parametrize(("option", "most"), [("max_events", 3), ("max_bytes", 3 * entry(1).size)])
def test_at_a_bound_the_oldest_is_forgotten_and_who_needs_it_is_told(option: str, most: int) -> None:
    journal = Journal(bounds(**{option: most}))
    numbers = count(1)
    for _ in range(3):
        journal.append(entry(next(numbers)))
    assert [each.offset for each in journal.since(0, 0.0)] == [1, 2, 3]
    journal.append(entry(next(numbers)))
    with pytest.raises(Lost):
        journal.since(0, 0.0)
    assert [each.offset for each in journal.since(1, 0.0)] == [2, 3, 4]


def test_an_event_that_is_too_old_is_forgotten_and_who_needs_it_is_told() -> None:
    # It has waited for a client that takes what is sent very slowly, but answers heartbeats.
    journal = Journal(bounds())
    journal.append(entry(1, 0.0))
    journal.append(entry(2, 100.0))
    assert len(journal.entries) == 2
    journal.append(entry(3, 101.0))
    with pytest.raises(Lost):
        journal.since(0, float("-inf"))
    assert len(journal.since(1, float("-inf"))) == 2
    # Who has heard a heartbeat since then has it.
    assert len(journal.since(0, 50.0)) == 2


def test_an_event_is_for_who_was_meant() -> None:
    inside, outside = frozenset({"id", "a"}), frozenset({"id"})
    assert entry(1).is_for(inside)
    assert entry(1, rooms={"a", "b"}).is_for(inside)
    assert not entry(1, rooms={"a", "b"}).is_for(outside)
    assert not entry(1, except_={"a"}).is_for(inside)
    assert entry(1, except_={"a"}).is_for(outside)
    assert not entry(1, rooms={"id"}, except_={"a"}).is_for(inside)
