"""A worker reads a connection and runs what it reads; where a job blocks it, another one reads on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.local import local

from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.workers import SLICE_SECONDS, TURN_SECONDS, Backlog, Lane, Worker
from tests.support.transport_handler import TEXT, Wire, Wires, eventually, tcp_pair, unix_pair
from tests.support.ws_client import frame

PAIRS = pytest.mark.parametrize("pair", [unix_pair, tcp_pair])
Job = Callable[[str], object]


def serve(wires: Wires, job: Job, pair: Any = unix_pair) -> Wire:
    wire = wires(pair=pair())
    lane = Lane(wires.runtime.workers, Backlog())
    wire.handler.hook = lambda data: lane.submit(len(data), job, data)
    return wire


def texts(*messages: object) -> bytes:
    return b"".join(frame(TEXT, b"4%b" % str(message).encode()) for message in messages)


@PAIRS
def test_jobs_that_do_not_block_run_in_the_greenlet_that_reads(wires: Wires, pair) -> None:
    greenlets: list[Any] = []
    wire = serve(wires, lambda data: greenlets.append(gevent.getcurrent()), pair)
    for number in range(3):
        wire.peer.send(texts(number, number))
        eventually(lambda number=number: len(greenlets) == 2 * (number + 1))
    assert len(set(greenlets)) == 1
    assert type(greenlets[0]) is Worker
    assert wires.runtime.workers.busy == 0


@PAIRS
def test_a_job_that_blocks_keeps_its_lane_and_nothing_else(wires: Wires, pair) -> None:
    release, begun, done = Event(), [], []

    def job(data: str) -> None:
        begun.append(data)
        if data == "blocks":
            release.wait()
        done.append(data)

    wire = serve(wires, job, pair)
    wire.peer.send(texts(1, "blocks", 2, 3))
    # The rest of the burst, and what comes later, is read and waits in the lane.
    eventually(lambda: len(wire.handler.packets) == 4)
    wire.peer.send(texts(4))
    eventually(lambda: len(wire.handler.packets) == 5)
    assert begun == ["1", "blocks"]
    assert wires.runtime.workers.busy == 1
    release.set()
    eventually(lambda: done == ["1", "blocks", "2", "3", "4"])
    assert wires.runtime.workers.busy == 0


def test_the_end_of_the_connection_is_noticed_while_a_job_blocks(wires: Wires) -> None:
    release, done = Event(), []

    def job(data: str) -> None:
        release.wait()
        done.append(data)

    wire = serve(wires, job)
    wire.peer.send(texts("x"))
    eventually(lambda: wires.runtime.workers.busy)
    wire.peer.close()
    eventually(lambda: wire.handler.reasons == ["transport close"])
    release.set()
    eventually(lambda: done == ["x"] and not wires.runtime.workers.busy)


@PAIRS
def test_what_arrives_during_a_slice_wakes_no_job_that_waits(wires: Wires, pair) -> None:
    outcomes: list[Any] = []

    def job(data: str) -> None:
        if data == "blocks":
            try:
                gevent.sleep(0.01)
            except BaseException as error:
                outcomes.append(error)
                raise
            outcomes.append("slept")
        elif data == "computes":
            # For longer than a slice, and there is more to read when the loop looks.
            wire.peer.sock._sock.sendall(texts("more"))
            until = time.monotonic() + 0.01
            while time.monotonic() < until:
                pass

    wire = serve(wires, job, pair)
    for number in range(10):
        wire.peer.send(texts("computes", "blocks", "follows"))
        eventually(lambda number=number: len(wire.handler.packets) == 4 * (number + 1))
        eventually(lambda: not wires.runtime.workers.busy)
    assert outcomes == ["slept"] * 10


def test_what_makes_a_worker_wait_outside_a_job_lends_it_to_nobody(wires: Wires) -> None:
    release, greenlets = Event(), []
    # A log handler, say, that connects to its server.
    slow, other = wires(), wires()
    slow.handler.hook = lambda data: release.wait()
    lane = Lane(wires.runtime.workers, Backlog())
    slow.peer.send(texts("waits"))
    eventually(lambda: slow.handler.packets)
    workers = wires.runtime.workers
    assert workers.serving is None
    # As the request of a polling client does.
    lane.submit(0, lambda data: greenlets.append(gevent.getcurrent()), "x")
    assert greenlets[0] is not gevent.getcurrent()
    assert type(greenlets[0]) is Worker
    other.peer.send(texts("y"))
    eventually(lambda: other.handler.packets)
    release.set()
    eventually(lambda: not workers.busy)
    slow.peer.send(texts("z"))
    eventually(lambda: len(slow.handler.packets) == 2)


def test_a_job_that_blocks_and_goes_on_in_the_same_turn_keeps_reading(wires: Wires) -> None:
    greenlets: list[Any] = []

    def job(data: str) -> None:
        greenlets.append(gevent.getcurrent())
        gevent.sleep(0)

    wire = serve(wires, job)
    for number in range(20):
        wire.peer.send(texts(number))
        eventually(lambda number=number: len(greenlets) > number)
    eventually(lambda: not wires.runtime.workers.busy)
    assert [data for _, data in wire.handler.packets] == [str(number) for number in range(20)]


@PAIRS
def test_no_wake_up_of_the_connection_reaches_a_job_that_waits(wires: Wires, pair) -> None:
    release, outcomes = Event(), []

    def job(data: str) -> None:
        # A spurious switch would end the wait early, or raise.
        outcomes.append(release.wait(timeout=10))

    wire = serve(wires, job, pair)
    wire.transport.pause()
    wire.transport.resume()
    wire.peer.send(texts("x"))
    eventually(lambda: wire.handler.packets)
    for _ in range(5):
        wire.transport.pause()
        wire.transport.resume()
        wire.peer.send(texts("y"))
        gevent.sleep(0)
    wire.transport.abort()
    eventually(lambda: wire.handler.closes)
    assert outcomes == []
    release.set()
    eventually(lambda: outcomes and not wires.runtime.workers.busy)
    assert set(outcomes) == {True}


def test_a_loop_with_more_callbacks_than_time_does_not_wake_a_job(wires: Wires, runtime: Runtime) -> None:
    release, outcomes = Event(), []

    def busy() -> None:
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass

    def job(data: str) -> None:
        # The loop breaks off after some milliseconds of these, and looks at descriptors before the rest.
        if data == "x":
            for _ in range(300):
                runtime.soon(busy)
            wire.peer.send(texts("more"))
        outcomes.append(release.wait(timeout=10))

    wire = serve(wires, job)
    wire.peer.send(texts("x"))
    eventually(lambda: len(wire.handler.packets) == 2)
    assert outcomes == []
    release.set()
    eventually(lambda: outcomes)
    assert set(outcomes) == {True}


def test_many_readers_that_block_in_one_turn_are_all_relieved(wires: Wires) -> None:
    release, done = Event(), []

    def job(data: str) -> None:
        release.wait()
        done.append(data)

    served = [serve(wires, job) for _ in range(20)]
    for wire in served:
        wire.peer.send(texts("a", "b"))
    eventually(lambda: all(len(wire.handler.packets) == 2 for wire in served))
    assert wires.runtime.workers.busy == 20
    release.set()
    eventually(lambda: len(done) == 40 and not wires.runtime.workers.busy)


def test_context_variables_and_greenlet_locals_end_with_their_job(wires: Wires) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    greenlet_local = local()
    seen: list[tuple[str, bool]] = []

    def job(data: str) -> None:
        seen.append((variable.get(), hasattr(greenlet_local, "value")))
        variable.set(data)
        if int(data) % 3 == 0:
            greenlet_local.value = data
        if int(data) % 4 == 0:
            gevent.sleep(0)

    wire = serve(wires, job)
    wire.peer.send(texts(*range(20)))
    eventually(lambda: len(seen) == 20)
    wire.peer.send(texts(*range(20)))
    eventually(lambda: len(seen) == 40)
    assert set(seen) == {("", False)}


def test_a_timeout_that_a_job_left_behind_ends_no_connection(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    timeouts: list[gevent.Timeout] = []
    wire = serve(wires, lambda data: timeouts.append(gevent.Timeout.start_new(0.01)))
    wire.peer.send(texts("x"))
    eventually(lambda: "hasn't cancelled its timeout" in caplog.text)
    wire.peer.send(texts("y"))
    eventually(lambda: len(wire.handler.packets) == 2)
    timeouts[-1].close()
    assert wire.handler.closes == []


def test_a_job_run_from_within_another_may_block_without_its_connection(wires: Wires) -> None:
    release, order = Event(), []

    def job(data: str) -> None:
        wires.runtime.workers.run(release.wait)
        order.append(data)

    wire = serve(wires, job)
    wire.peer.send(texts(1, 2, 3))
    eventually(lambda: order == ["1", "2", "3"])
    assert wires.runtime.workers.busy == 3
    release.set()
    eventually(lambda: not wires.runtime.workers.busy)


@PAIRS
def test_who_was_made_to_wait_while_taking_in_may_be_blocked_afterwards(wires: Wires, pair) -> None:
    workers = wires.runtime.workers
    release, done = Event(), []
    lane = Lane(workers, Backlog())

    def job(data: str) -> None:
        release.wait()
        done.append(data)

    def take(data: str) -> None:
        if data == "first":
            # Not a job of its lane: the greenlet that takes in comes back in the next turn.
            workers.run(release.wait)
        lane.submit(len(data), job, data)

    wire = wires(pair=pair())
    wire.handler.hook = take
    other = serve(wires, done.append, pair)
    wire.peer.send(texts("first", "second"))
    other.peer.send(texts("other"))
    eventually(lambda: done == ["other"] and len(wire.handler.packets) == 2)
    wire.peer.send(texts("third"))
    eventually(lambda: len(wire.handler.packets) == 3)
    release.set()
    eventually(lambda: done == ["other", "first", "second", "third"] and not workers.busy)


def test_all_that_are_readable_are_served_by_one_greenlet(wires: Wires) -> None:
    greenlets: list[Any] = []
    served = [serve(wires, lambda data: greenlets.append(gevent.getcurrent())) for _ in range(20)]
    for wire in served:
        wire.peer.sock._sock.sendall(texts("x"))
    eventually(lambda: len(greenlets) == 20)
    assert len(set(greenlets)) == 1


def test_who_always_has_more_gets_one_slice_a_turn_however_many_there_are(wires: Wires) -> None:
    # In the kernel, behind what is being taken in, there is always more: it is readable all the time.
    order: list[str] = []

    def flood(data: str) -> None:
        order.append("flood")
        until = time.monotonic() + SLICE_SECONDS
        while time.monotonic() < until:
            pass

    def answer(data: str) -> None:
        order.append("polite")
        if order.count("polite") < 10:
            polite.peer.send(texts("again"))

    flooder, polite = serve(wires, flood), serve(wires, answer)
    for _ in range(2):
        flooder.peer.send(texts(*(f"{number:03}{'x' * 500}" for number in range(150))))
    polite.peer.send(texts("first"))
    eventually(lambda: order.count("polite") == 10)
    runs = "".join(each[0] for each in order).split("p")
    assert max(map(len, runs)) <= 2, order


def test_many_that_are_ready_share_the_time_of_a_turn(wires: Wires) -> None:
    slices = []

    def job(data: str) -> None:
        slices.append(wires.runtime.workers.slice)

    several = [serve(wires, job) for _ in range(20)]
    for wire in several[:1]:
        wire.peer.send(texts("alone"))
    eventually(lambda: slices == [SLICE_SECONDS])
    for wire in several:
        wire.peer.send(texts("together"))
    eventually(lambda: slices[1:] == [TURN_SECONDS / 20] * 20)
