"""One waits in any greenlet or thread for what happens on the hub's thread."""

from __future__ import annotations

import gevent
import pytest

from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.waiter import Waiter
from tests.support.outcomes import in_thread


def test_a_greenlet_waits_until_it_is_settled(runtime: Runtime) -> None:
    waiter = Waiter(runtime)
    assert not waiter.wait(0)
    gevent.spawn(waiter.settle)
    assert waiter.wait(5)
    assert waiter.wait()


def test_a_thread_waits_until_it_is_settled(runtime: Runtime) -> None:
    made: list[Waiter] = []

    def wait() -> list[bool]:
        waiter = Waiter(runtime)
        early = waiter.wait(0.01)
        made.append(waiter)
        return [early, waiter.wait()]

    waiting = in_thread(wait)
    with gevent.Timeout(5):
        while not made:
            gevent.sleep(0.001)
    made[0].settle()
    assert waiting.get(timeout=5)[1] == [False, True]


def test_the_timeout_of_the_caller_is_left_alone(runtime: Runtime) -> None:
    waiter = Waiter(runtime)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        waiter.wait(5)
