"""All deadlines on one timer: first with a loop and a clock that stand still, then on the real ones."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from functools import partial

import gevent
import pytest

from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.timers import STALL, SWEEP, TICK, Timers
from tests.support.transport_handler import eventually, seeded


class FakeTimer:
    """The loop's timer, as far as it is used."""

    def __init__(self, loop: FakeLoop, delay: float) -> None:
        self.loop = loop
        self.due = loop.clock + delay
        self.callback: Callable[[], None] | None = None

    def start(self, callback: Callable[[], None], *, update: bool) -> None:
        assert update, "a delay counts from now, not from the start of the turn"
        self.callback = callback
        self.loop.running.append(self)

    def stop(self) -> None:
        if self in self.loop.running:
            self.loop.running.remove(self)

    def close(self) -> None:
        assert self not in self.loop.running


class FakeLoop:
    """A loop whose clock goes on only when told.

    Attributes:
        clock: The time in seconds.
        running: The timers that were started; each is dropped when it fires.
    """

    def __init__(self) -> None:
        self.clock = 1000.0
        self.running: list[FakeTimer] = []

    def timer(self, delay: float, *, ref: bool) -> FakeTimer:
        assert not ref, "a deadline alone doesn't keep a process running"
        return FakeTimer(self, delay)

    def now(self) -> float:
        return self.clock

    def turn(self) -> None:
        """Let fire what is due, once."""
        for timer in [timer for timer in self.running if timer.due <= self.clock]:
            self.running.remove(timer)
            assert timer.callback is not None
            timer.callback()

    def run(self, seconds: float) -> None:
        """Go on; timers fire when they are due."""
        until = self.clock + seconds
        while self.running and min(timer.due for timer in self.running) <= until:
            self.clock = max(self.clock, min(timer.due for timer in self.running))
            self.turn()
        self.clock = until

    def stall(self, seconds: float) -> None:
        """Go on as a loop does that a handler holds up."""
        self.clock += seconds


class Set:
    """Timers on a fake loop, and what they called and when."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.timers = Timers(self.loop, self.loop.now)
        self.began = self.loop.clock
        self.fired: list[tuple[str, float]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fired]

    def note(self, name: str) -> None:
        self.fired.append((name, round(self.loop.clock - self.began, 6)))

    def after(self, seconds: float, name: str = "it") -> None:
        self.timers.after(seconds, partial(self.note, name))


def test_deadlines_fall_due_in_order_and_on_time() -> None:
    those = Set()
    for seconds in (3.0, 1.0, 0.2, 2.5, 0.0):
        those.after(seconds, str(seconds))
    those.loop.run(2.9)
    assert those.fired == [("0.0", 0.0), ("0.2", 0.2), ("1.0", 1.0), ("2.5", 2.5)]
    those.loop.run(0.1)
    assert those.fired[-1] == ("3.0", 3.0)


def test_equal_deadlines_keep_the_order_in_which_they_were_set() -> None:
    those = Set()
    when = those.timers.now() + 1
    for name in "abcdefgh":
        those.timers.at(when, partial(those.note, name))
    those.loop.run(1)
    assert those.names == list("abcdefgh")


def test_a_deadline_in_the_past_falls_due_in_the_next_turn() -> None:
    those = Set()
    those.timers.at(those.timers.now() - 5, partial(those.note, "past"))
    assert those.fired == []
    those.loop.run(0)
    assert those.fired == [("past", 0.0)]


def test_many_deadlines_need_one_timer_of_the_loop() -> None:
    those = Set()
    random = seeded()
    due = [random.uniform(0, 50) for _ in range(2000)]
    for seconds in due:
        those.after(seconds)
        assert len(those.loop.running) == 1
    those.loop.run(50)
    assert [when for _, when in those.fired] == sorted(round(seconds, 6) for seconds in due)


def test_without_deadlines_the_loop_has_no_timer() -> None:
    those = Set()
    assert those.loop.running == []
    those.after(0.1)
    those.loop.run(1)
    assert those.loop.running == []


def test_what_was_cancelled_is_never_called() -> None:
    those = Set()
    first = those.timers.after(1, partial(those.note, "first"))
    second = those.timers.after(2, partial(those.note, "second"))
    those.after(3, "third")
    first.cancel()
    first.cancel()
    those.loop.run(1.5)
    second.cancel()
    those.loop.run(5)
    assert those.names == ["third"]
    assert those.loop.running == []
    # After the fact it changes nothing.
    second.cancel()


def test_cancelled_deadlines_let_go_of_what_they_held() -> None:
    those = Set()
    timer = those.timers.after(3600, partial(those.note, "never"))
    timer.cancel()
    assert timer.callback is None


def test_a_callback_may_set_and_cancel_deadlines() -> None:
    those = Set()
    victim = those.timers.after(1.0, partial(those.note, "victim"))

    def first() -> None:
        those.note("first")
        victim.cancel()
        those.after(0.25, "later")

    those.timers.at(victim.when, partial(those.note, "between"))
    those.timers.after(0.5, first)
    those.loop.run(5)
    assert those.fired == [("first", 0.5), ("later", 0.75), ("between", 1.0)]


def test_a_callback_that_raises_costs_nobody_else_anything(caplog: pytest.LogCaptureFixture) -> None:
    those = Set()

    def fail() -> None:
        raise LookupError("a defect")

    those.timers.after(1, fail)
    those.after(1, "same moment")
    those.after(2, "later")
    those.loop.run(3)
    assert those.names == ["same moment", "later"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


# -- stalls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stall", [STALL * 2, 3.0, 60.0])
def test_a_stall_postpones_deadlines_by_its_length(stall: float) -> None:
    those = Set()
    those.after(5, "before")
    those.after(30, "far")
    # Just when a tick was due: the whole of it is seen.
    those.loop.run(TICK * 2)
    those.loop.stall(TICK + stall)
    those.loop.run(60)
    assert those.fired == [("before", 5 + stall), ("far", 30 + stall)]


def test_a_stall_that_begins_between_two_ticks_counts_from_the_next_one() -> None:
    those = Set()
    those.after(5)
    those.loop.run(TICK * 1.5)
    those.loop.stall(10)
    those.loop.run(60)
    ((_, when),) = those.fired
    assert 15 - TICK <= when <= 15


def test_lateness_of_every_day_postpones_nothing() -> None:
    those = Set()
    those.after(5)
    those.loop.run(TICK)
    those.loop.stall(TICK + STALL * 0.9)
    those.loop.run(10)
    assert those.fired == [("it", 5.0)]


def test_stalls_add_up() -> None:
    those = Set()
    those.after(10)
    for _ in range(3):
        those.loop.stall(TICK + 2)
        those.loop.run(0)
    those.loop.run(60)
    assert those.fired == [("it", 16.0)]


def test_what_fell_due_in_a_stall_waits_until_the_loop_has_read() -> None:
    # The answer that a deadline waits for may lie in the kernel: whoever sent it isn't to blame.
    those = Set()
    those.after(TICK / 2)
    those.loop.stall(5)
    those.loop.turn()
    assert those.fired == []
    those.loop.turn()
    assert those.names == ["it"]


def test_a_loop_that_is_stalled_in_every_turn_keeps_its_deadlines_nevertheless() -> None:
    those = Set()
    those.after(TICK / 2)
    for _ in range(2):
        those.loop.stall(5)
        those.loop.turn()
    assert those.names == ["it"]


def test_what_fell_due_in_the_second_of_two_stalls_waits_as_well() -> None:
    those = Set()
    those.after(TICK * 1.5)
    for _ in range(2):
        assert those.fired == []
        those.loop.stall(TICK + 5)
        those.loop.turn()
    assert those.fired == []
    those.loop.turn()
    assert those.names == ["it"]


def test_a_callback_that_stalls_the_loop_postpones_the_deadlines_behind_it() -> None:
    those = Set()
    those.timers.after(1, lambda: those.loop.stall(4))
    those.after(2)
    those.loop.run(60)
    assert those.fired == [("it", 6.0)]


def test_a_deadline_set_after_a_stall_doesn_t_hide_it() -> None:
    those = Set()
    those.after(5, "old")
    those.loop.run(0.5)
    those.loop.stall(10)
    those.timers.at(those.timers.now() - 11, partial(those.note, "overdue"))
    those.loop.run(60)
    assert those.fired[0][0] == "overdue"
    assert 15 - TICK <= those.fired[1][1] <= 15


def test_the_clock_stands_still_for_a_stall() -> None:
    those = Set()
    those.after(100)
    before = those.timers.now()
    those.loop.stall(TICK + 7)
    those.loop.run(0)
    assert those.timers.now() - before == pytest.approx(TICK)


# -- the real loop ----------------------------------------------------------------------------------


def test_deadlines_on_the_real_loop(runtime: Runtime) -> None:
    order: list[str] = []
    began = time.monotonic()
    runtime.timers.after(0.06, lambda: order.append("third"))
    runtime.timers.after(0.02, lambda: order.append("first"))
    runtime.timers.after(0.04, lambda: order.append("second")).cancel()
    eventually(lambda: len(order) == 2)
    assert order == ["first", "third"]
    assert time.monotonic() - began >= 0.06


def test_a_handler_that_blocks_the_real_loop_postpones_deadlines(runtime: Runtime) -> None:
    fired: list[float] = []
    began = time.monotonic()
    runtime.timers.after(0.1, lambda: None)
    runtime.timers.after(0.4, lambda: fired.append(time.monotonic() - began))
    # The stall is the subject: nothing else runs meanwhile.
    gevent.get_hub().loop.run_callback(time.sleep, 0.8)
    eventually(lambda: fired)
    # Seen from the moment at which the first deadline was due.
    assert fired[0] >= 0.4 + (0.8 - 0.1) - 0.02


def test_a_greenlet_sees_its_answer_before_its_deadline_however_long_the_loop_stalls(
    runtime: Runtime,
) -> None:
    dead: list[str] = []
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        timer = runtime.timers.after(0.1, lambda: dead.append("declared dead"))

        def wait_for_answer() -> None:
            ours.recv(1)
            timer.cancel()

        waiting = gevent.spawn(wait_for_answer)
        gevent.sleep(0)
        # It answers in time, but nobody looks.
        theirs.send(b"x")
        time.sleep(0.5)
        waiting.join(timeout=5)
        later = gevent.event.Event()
        runtime.timers.after(0.1, later.set)
        assert later.wait(timeout=5)
    assert dead == []


def test_the_wall_clock_isn_t_asked() -> None:
    assert inspect.signature(Timers).parameters["clock"].default is time.monotonic


def test_cancelled_deadlines_are_not_kept_until_they_are_due(runtime: Runtime) -> None:
    timers = runtime.timers
    called: list[int] = []
    kept = [timers.after(0.01, partial(called.append, number)) for number in range(10)]
    for _ in range(20 * SWEEP):
        timers.after(3600.0, gevent.sleep).cancel()
    assert len(timers._heap) <= SWEEP
    eventually(lambda: len(called) == len(kept))
    assert called == list(range(10))


def test_no_deadline_is_lost_however_many_there_are() -> None:
    loop = FakeLoop()
    timers = Timers(loop, loop.now)
    called: list[int] = []
    for number in range(3 * SWEEP):
        timers.after(0.1, partial(called.append, number))
        timers.after(3600.0, loop.turn).cancel()
    loop.clock += 0.15
    loop.turn()
    assert called == list(range(3 * SWEEP))


def test_time_is_skipped_up_to_the_next_deadline() -> None:
    given = Set()
    given.after(10, "first")
    given.after(30, "second")
    cancelled = given.timers.after(5, lambda: None)
    cancelled.cancel()
    assert given.timers.skip(4) == 4
    assert given.timers.skip(100) == 6
    assert given.timers.skip(100) == 0
    given.loop.run(0)
    assert given.names == ["first"]
    assert given.timers.skip(100) == 20
    given.loop.run(0)
    assert given.names == ["first", "second"]
    assert given.timers.skip(5) == 5
    given.after(1, "third")
    given.loop.run(1)
    assert given.names[2:] == ["third"]
