"""Closed sessions whose clients may still ask why: for how long, how many, and how much."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

import gevent
import pytest

from socketio_sync.engine.lingering import LINGER, MOST_SESSIONS, Lingering
from socketio_sync.transports.timers import Timers
from tests.support.server import eventually


class Session:
    """What is kept, as far as this is concerned."""

    def __init__(self, number: int) -> None:
        self.id = str(number)


@pytest.fixture
def timers() -> Timers:
    return Timers(gevent.get_hub().loop)


def kept(timers: Timers, *sizes: int, most: int = 1_000) -> Lingering:
    """Add sessions of these sizes, numbered from 0."""
    lingering = Lingering(most)
    for number, size in enumerate(sizes):
        lingering.add(cast(Any, Session(number)), size, timers)
    return lingering


def ids(lingering: Lingering, count: int) -> list[int]:
    return [number for number in range(count) if lingering.get(str(number)) is not None]


def test_a_session_is_found_until_its_time_has_passed(timers: Timers) -> None:
    lingering = kept(timers, 10)
    timers.skip(LINGER / 2)
    assert ids(lingering, 1) == [0]
    timers.skip(LINGER)
    eventually(lambda: len(lingering) == 0)
    assert lingering.get("0") is None


def test_the_oldest_make_room_for_those_that_are_too_many(timers: Timers) -> None:
    lingering = kept(timers, *[0] * (MOST_SESSIONS + 2))
    assert len(lingering) == MOST_SESSIONS
    assert ids(lingering, 4) == [2, 3]


def test_the_oldest_make_room_for_what_is_too_much(timers: Timers) -> None:
    assert ids(kept(timers, 400, 400, 400), 3) == [1, 2]
    assert ids(kept(timers, 1_000), 1) == [0]
    # One alone may have more.
    lingering = kept(timers, 10, 5_000)
    assert ids(lingering, 2) == [1]
    lingering.discard("1")
    lingering.add(cast(Any, Session(2)), 1_000, timers)
    assert ids(lingering, 3) == [2]


def test_nothing_holds_what_is_forgotten(timers: Timers) -> None:
    lingering = kept(timers, 10)
    session = weakref.ref(cast(Any, lingering.get("0")))
    lingering.discard("0")
    lingering.discard("0")
    gc.collect()
    assert session() is None
    assert len(lingering) == 0
