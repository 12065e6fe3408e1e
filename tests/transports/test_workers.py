"""Workers run application code by direct switches: in order, isolated, and never in the caller's way."""

from __future__ import annotations

import contextvars
import gc
import io
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.local import local

from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.workers import MAX_IDLE, Backlog, Lane, Workers

DEADLINE = 5.0


@pytest.fixture
def workers() -> Workers:
    return Runtime(gevent.get_hub()).workers


def in_greenlet(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run ``function`` in a greenlet, as readers do: the test's own isn't one of the hub's."""
    return gevent.spawn(function, *arguments).get(timeout=DEADLINE)


def settle(workers: Workers) -> None:
    assert workers.join(DEADLINE)


def test_a_job_that_does_not_block_is_done_when_run_returns(workers: Workers) -> None:
    done: list[int] = []
    in_greenlet(lambda: (workers.run(done.append, 1), done.append(2)))
    assert done == [1, 2]
    assert workers.busy == 0


def test_the_caller_goes_on_when_a_job_blocks(workers: Workers) -> None:
    release, order = Event(), []

    def job() -> None:
        order.append("begins")
        release.wait()
        order.append("ends")

    def caller() -> None:
        workers.run(job)
        order.append("caller")

    in_greenlet(caller)
    assert order == ["begins", "caller"]
    assert workers.busy == 1
    release.set()
    settle(workers)
    assert order == ["begins", "caller", "ends"]


def test_jobs_can_be_run_from_the_hub_itself(workers: Workers) -> None:
    release, order = Event(), []

    def from_hub() -> None:
        workers.run(release.wait)
        workers.run(order.append, 1)

    gevent.get_hub().loop.run_callback(from_hub)
    with gevent.Timeout(DEADLINE):
        while not order:
            gevent.sleep(0)
    release.set()
    settle(workers)


def test_a_lane_keeps_its_order_whatever_blocks(workers: Workers) -> None:
    order: list[int] = []

    def job(number: int) -> None:
        if number % 3 == 0:
            gevent.sleep(0.001)
        order.append(number)

    def caller() -> None:
        lane = Lane(workers, Backlog())
        for number in range(100):
            lane.submit(1, job, number)

    in_greenlet(caller)
    settle(workers)
    assert order == list(range(100))


def test_lanes_do_not_wait_for_each_other(workers: Workers) -> None:
    release, order = Event(), []

    def caller() -> None:
        Lane(workers, Backlog()).submit(0, release.wait, None)
        Lane(workers, Backlog()).submit(0, order.append, "other")

    in_greenlet(caller)
    assert order == ["other"]
    release.set()
    settle(workers)


def test_what_waits_in_the_lanes_of_a_client_is_counted_together(workers: Workers) -> None:
    release, shorter = Event(), []
    backlog = Backlog(lambda: shorter.append(backlog.bytes))
    lane, other = Lane(workers, backlog), Lane(workers, backlog)

    def caller() -> None:
        lane.submit(5, release.wait, None)
        other.submit(5, release.wait, None)
        for size in (10, 20, 30):
            lane.submit(size, int, 0)
        other.submit(1000, int, 0)
        other.clear()

    in_greenlet(caller)
    # Those of all lanes together; what runs, and what was forgotten, doesn't count.
    assert (backlog.jobs, backlog.bytes, shorter) == (3, 60, [60])
    release.set()
    settle(workers)
    assert (backlog.jobs, backlog.bytes, shorter) == (0, 0, [60, 50, 30, 0])


def test_context_variables_and_greenlet_locals_do_not_leak_between_jobs(workers: Workers) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    greenlet_local = local()
    seen: list[tuple[int, bool]] = []

    def job(number: int) -> None:
        seen.append((variable.get(), hasattr(greenlet_local, "value")))
        variable.set(number)
        if number % 2:
            greenlet_local.value = number
        if number % 5 == 0:
            gevent.sleep(0)

    def caller() -> None:
        lane = Lane(workers, Backlog())
        for number in range(1, 40):
            lane.submit(0, job, number)
            workers.run(job, number)

    in_greenlet(caller)
    settle(workers)
    assert len(seen) == 78
    assert set(seen) == {(0, False)}


def test_a_job_that_fails_ends_neither_its_lane_nor_the_caller(
    workers: Workers, nothing_is_raised_on_the_hub: io.StringIO
) -> None:
    order: list[int] = []

    def fail(argument: None) -> None:
        raise LookupError("a defect of our own")

    def caller() -> None:
        lane = Lane(workers, Backlog())
        lane.submit(0, fail, None)
        lane.submit(0, order.append, 1)

    in_greenlet(caller)
    assert order == [1]
    assert workers.busy == 0
    assert "a defect of our own" in nothing_is_raised_on_the_hub.getvalue()
    nothing_is_raised_on_the_hub.truncate(0)


def test_idle_workers_are_kept_up_to_a_bound(workers: Workers) -> None:
    release = Event()

    def caller() -> None:
        for _ in range(MAX_IDLE + 50):
            workers.run(release.wait)

    in_greenlet(caller)
    assert workers.busy == MAX_IDLE + 50
    release.set()
    settle(workers)
    assert len(workers._idle) == MAX_IDLE


def test_idle_workers_keep_nothing_alive(workers: Workers) -> None:
    class Thing:
        def job(self, argument: None) -> None:
            gevent.sleep(0)

    def caller() -> weakref.ref[Thing]:
        thing = Thing()
        lane = Lane(workers, Backlog())
        lane.submit(0, thing.job, None)
        return weakref.ref(thing)

    reference = in_greenlet(caller)
    settle(workers)
    gc.collect()
    assert reference() is None


def test_join_gives_up_at_its_timeout(workers: Workers) -> None:
    release = Event()
    in_greenlet(workers.run, release.wait)
    assert not workers.join(0.02)
    release.set()
    assert workers.join(DEADLINE)
