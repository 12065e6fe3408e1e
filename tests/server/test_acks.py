from __future__ import annotations

import time
from typing import Any

import gevent
import pytest

from socketio_sync import AckTimeout, Disconnected
from socketio_sync.server.acks import Call, CallbackAck, TimedAck, value_of
from socketio_sync.transports.runtime import Runtime
from tests.support.outcomes import in_thread, outcome
from tests.support.server import eventually


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(gevent.get_hub())


@pytest.mark.parametrize(("values", "value"), [([], None), ([5], 5), ([None], None), ([1, [2]], (1, [2]))])
def test_an_acknowledgement_in_pythons_terms(values: Any, value: Any) -> None:
    assert value_of(values) == value


def test_a_callback_gets_the_values_and_hears_of_no_failure() -> None:
    got: list[Any] = []
    CallbackAck(got.append).resolve([1, 2])
    CallbackAck(got.append).fail(Disconnected("transport close"))
    assert got == [[1, 2]]


def test_a_callback_with_a_time_gets_the_error_or_none_and_then_the_values(runtime: Runtime) -> None:
    got: list[Any] = []
    TimedAck(got.append, 5).resolve([1, 2])
    error = Disconnected("transport close")
    TimedAck(got.append, 5).fail(error)
    assert got == [(None, 1, 2), (error,)]
    late = TimedAck(got.append, 0.001)
    late.begin(runtime.timers, late.fail)
    eventually(lambda: len(got) == 3)
    assert isinstance(got[2][0], AckTimeout)


def test_an_answer_in_time_ends_the_waiting(runtime: Runtime) -> None:
    expired: list[Any] = []
    acks = [TimedAck(lambda values: None, 0.005) for _ in range(2)]
    for ack in acks:
        ack.begin(runtime.timers, expired.append)
    acks[0].resolve([])
    eventually(lambda: expired)
    assert len(expired) == 1


def test_a_call_is_settled_before_or_while_it_is_waited_for(runtime: Runtime) -> None:
    call = Call(runtime)
    call.resolve([1])
    assert call.wait(0) == 1
    call = Call(runtime)
    waiting = gevent.spawn(call.wait, 5)
    # A turn, after which it waits.
    gevent.sleep(0)
    call.resolve([1, 2])
    assert waiting.get(timeout=1) == (1, 2)


def test_a_call_fails_with_the_reason(runtime: Runtime) -> None:
    call = Call(runtime)
    waiting = gevent.spawn(outcome, call.wait, 5)
    # A turn, after which it waits.
    gevent.sleep(0)
    call.fail(Disconnected("ping timeout"))
    error = waiting.get(timeout=1)
    assert isinstance(error, Disconnected)
    assert error.reason == "ping timeout"


def test_a_call_times_out(runtime: Runtime) -> None:
    with pytest.raises(AckTimeout, match=r"0\.01 s"):
        Call(runtime).wait(0.01)


def test_a_timeout_of_the_callers_own_passes_through(runtime: Runtime) -> None:
    own = gevent.Timeout(0.01)
    with pytest.raises(gevent.Timeout) as raised, own:
        Call(runtime).wait(5)
    assert raised.value is own


@pytest.mark.parametrize("settle", ["resolve", "fail"])
def test_a_call_from_a_thread_blocks_that_thread_only(runtime: Runtime, settle: str) -> None:
    made: list[Call] = []

    def ask() -> Any:
        made.append(Call(runtime))
        return made[0].wait(5)

    running = in_thread(ask)
    eventually(lambda: made)
    if settle == "resolve":
        made[0].resolve(["answer"])
        assert running.get(timeout=5)[1] == "answer"
    else:
        made[0].fail(Disconnected("transport close"))
        assert isinstance(running.get(timeout=5)[1], Disconnected)


def test_a_call_from_a_thread_times_out(runtime: Runtime) -> None:
    began = time.monotonic()
    assert isinstance(in_thread(lambda: Call(runtime).wait(0.01)).get(timeout=5)[1], AckTimeout)
    assert time.monotonic() - began < 5
