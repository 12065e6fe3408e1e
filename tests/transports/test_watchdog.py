"""A hub that serves nobody is reported while it doesn't; one that has nothing to do never is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any

import gevent
import pytest
from gevent import monkey

from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.watchdog import Watchdog
from tests.support.transport_handler import eventually

LIMIT = 0.05
# Longer than the machine keeps anybody from running.
CALM = 0.3
DEADLINE = 5.0

native_sleep = monkey.get_original("time", "sleep")


class Stalls:
    """What a watchdog has reported: seconds, index of the limit, and the innermost functions."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int, list[str]]] = []

    def __call__(self, seconds: float, index: int, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        self.seen.append((seconds, index, names))

    def indexes(self) -> list[int]:
        return [index for _, index, _ in self.seen]


def watching() -> list[str]:
    """Return the watchdogs' threads: what each one's outermost function is."""
    found = []
    for frame in sys._current_frames().values():
        while frame.f_back is not None:
            frame = frame.f_back
        if frame.f_code is Watchdog._watch.__code__:
            found.append(frame.f_code.co_name)
    return found


def block(condition: Callable[[], Any]) -> None:
    """Keep the hub's thread until a condition holds, letting other threads run."""
    until = monotonic() + DEADLINE
    while not condition() and monotonic() < until:
        native_sleep(0.001)


@contextmanager
def watched(runtime: Runtime, *limits: float) -> Iterator[Stalls]:
    """Watch the hub of the test."""
    seen = Stalls()
    watchdog = Watchdog(runtime, limits, seen)
    try:
        yield seen
    finally:
        watchdog.stop()
        eventually(lambda: not watching())


@pytest.fixture
def stalls(runtime: Runtime) -> Iterator[Stalls]:
    with watched(runtime, LIMIT, 5 * LIMIT) as seen:
        yield seen


@pytest.fixture
def none_at_all(runtime: Runtime) -> Iterator[None]:
    """Nothing may be reported during the test."""
    with watched(runtime, CALM) as seen:
        yield
        assert seen.seen == []


def test_a_stall_is_reported_with_its_stack_and_once_for_each_limit(stalls: Stalls) -> None:
    gevent.sleep(0)
    began = monotonic()
    block(lambda: len(stalls.seen) == 2)
    # Nothing comes beyond the last limit.
    until = monotonic() + 3 * LIMIT
    block(lambda: monotonic() > until)
    took = monotonic() - began
    assert stalls.indexes() == [0, 1]
    for (seconds, _, names), limit in zip(stalls.seen, (LIMIT, 5 * LIMIT), strict=True):
        assert limit <= seconds < took + LIMIT
        assert "block" in names[:3]


def test_each_stall_is_reported(stalls: Stalls) -> None:
    for count in (1, 2, 3):
        block(lambda count=count: len(stalls.seen) == count)
        gevent.sleep(LIMIT)
    assert stalls.indexes() == [0, 0, 0]


def test_a_callback_of_the_loop_is_no_less_watched(runtime: Runtime, stalls: Stalls) -> None:
    def blocked() -> None:
        block(lambda: stalls.seen)

    for register in (runtime.soon, runtime.after_poll, runtime.from_thread):
        stalls.seen.clear()
        register(blocked)
        eventually(lambda: stalls.seen)
        assert "blocked" in stalls.seen[0][2]


@pytest.mark.usefixtures("none_at_all")
def test_a_hub_that_waits_is_never_reported() -> None:
    # With nothing to do at all, and with a little.
    gevent.sleep(2 * CALM)
    for _ in range(8):
        gevent.sleep(CALM / 4)


def test_a_hub_that_is_always_busy_begins_anew_with_each_turn(runtime: Runtime) -> None:
    # Not by the clock: a busy process may be kept from running for as long as any limit.
    watchdog = Watchdog(runtime, (60.0,), Stalls())
    began: set[float | None] = set()

    def is_new() -> bool:
        gevent.sleep(0)
        began.add(watchdog._awake_since)
        return len(began) > 5

    assert any(is_new() for _ in range(100_000))
    watchdog.stop()
    assert None not in began


def test_a_report_that_fails_ends_nothing(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    failed = 0

    def fail(*arguments: Any) -> None:
        nonlocal failed
        failed += 1
        raise LookupError

    watchdog = Watchdog(runtime, (LIMIT,), fail)
    for count in (1, 2):
        block(lambda count=count: failed == count)
        gevent.sleep(LIMIT)
    watchdog.stop()
    assert failed == 2
    assert "couldn't be reported" in caplog.text


def test_stop_ends_the_thread_and_may_be_called_again(runtime: Runtime) -> None:
    watchdog = Watchdog(runtime, (60.0,), Stalls())
    eventually(watching)
    watchdog.stop()
    watchdog.stop()
    assert watchdog.stopped
    # At once, not after the time for which it waits.
    eventually(lambda: not watching())
