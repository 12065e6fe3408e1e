"""What is shared by the connections of one hub."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import gevent
import pytest
from gevent.threadpool import ThreadPool

from socketio_sync.transports.runtime import BATCH, Runtime
from tests.support.transport_handler import eventually, turns


def in_threads(count: int, function) -> None:
    """Run ``function(number)`` in that many OS threads, while the hub runs."""
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    eventually(lambda: not any(thread.is_alive() for thread in threads))


def test_a_call_from_the_hubs_thread_comes_in_the_next_turn(runtime: Runtime) -> None:
    called: list[int] = []
    runtime.soon(called.append, 1)
    runtime.soon(called.append, 2)
    assert called == []
    turns()
    assert called == [1, 2]


def test_calls_from_a_thread_come_in_order_and_none_is_lost(runtime: Runtime) -> None:
    called: list[tuple[int, int]] = []

    def call(thread: int) -> None:
        for number in range(500):
            runtime.from_thread(called.append, (thread, number))

    in_threads(4, call)
    eventually(lambda: len(called) == 2000)
    for thread in range(4):
        assert [number for owner, number in called if owner == thread] == list(range(500))


def test_calls_from_threads_run_on_the_hub(runtime: Runtime) -> None:
    greenlets: list[object] = []
    in_threads(1, lambda number: runtime.from_thread(lambda: greenlets.append(gevent.getcurrent())))
    eventually(lambda: greenlets)
    assert greenlets == [runtime.hub]


def test_a_call_from_a_thread_wakes_a_loop_that_has_nothing_to_do(runtime: Runtime) -> None:
    woken = gevent.event.Event()
    began = time.monotonic()
    thread = threading.Timer(0.05, runtime.from_thread, [woken.set])
    thread.start()
    # Nothing else would end this wait before its timeout.
    assert woken.wait(timeout=20)
    assert time.monotonic() - began < 10
    thread.join()


def test_a_call_that_makes_calls_doesn_t_lose_them(runtime: Runtime) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")
        runtime.from_thread(order.append, "second")

    runtime.from_thread(first)
    eventually(lambda: len(order) == 2)
    assert order == ["first", "second"]


def test_a_call_that_fails_costs_the_others_nothing(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []
    runtime.from_thread(called.append, 1)
    runtime.from_thread(called.append)
    runtime.from_thread(called.append, 2)
    eventually(lambda: len(called) == 2)
    assert [record.getMessage() for record in caplog.records] == [
        "what a thread wanted done on the hub failed"
    ]


def test_a_thread_that_never_stops_calling_doesn_t_keep_the_loop(runtime: Runtime) -> None:
    called: list[int] = []
    over = threading.Event()

    def call(number: int) -> None:
        while not over.is_set():
            runtime.from_thread(called.append, number)

    runtime.timers.after(0.05, over.set)
    try:
        in_threads(2, call)
    finally:
        over.set()
    assert called


def test_what_threads_have_called_for_is_done_in_batches(runtime: Runtime) -> None:
    # Threads that call faster than the loop works would otherwise make each turn longer than the last,
    # until none ends.
    called: list[int] = []
    turn: list[int] = []
    for number in range(2 * BATCH + 1):
        runtime.from_thread(called.append, number)
    runtime.timers.after(0.0, lambda: turn.append(len(called)))
    eventually(lambda: len(called) == 2 * BATCH + 1)
    assert turn[0] <= BATCH
    assert called == list(range(2 * BATCH + 1))


def test_calls_from_threads_don_t_confuse_the_loop() -> None:
    # gevent's own way from thread to hub loses count of what the loop has to do: sooner or later the
    # hub ends with LoopExit, and with it the process. The loop's own timers are the other party.
    result = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("0\n", "")


CALLS = """
import threading
import gevent
from socketio_sync.transports.runtime import Runtime

hub = gevent.get_hub()
runtime = Runtime(hub)
over = threading.Event()

def call():
    while not over.is_set():
        runtime.from_thread(int)

def tick():
    while not over.is_set():
        gevent.sleep(0.0001)

threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads:
    thread.start()
gevent.spawn_later(1.5, over.set)
gevent.joinall([gevent.spawn(tick) for _ in range(5)])
for thread in threads:
    thread.join()
print(hub.loop.activecnt)
"""


def test_it_knows_the_hubs_thread(runtime: Runtime) -> None:
    assert runtime.is_current()
    assert gevent.spawn(runtime.is_current).get()
    pool = ThreadPool(1)
    assert not pool.apply(runtime.is_current)
    pool.kill()


def test_it_tells_threads_apart_in_a_patched_process() -> None:
    code = """
from gevent import monkey; monkey.patch_all()
import gevent
from gevent.threadpool import ThreadPool
from socketio_sync.transports.runtime import Runtime
runtime = Runtime(gevent.get_hub())
print(gevent.spawn(runtime.is_current).get(), ThreadPool(1).apply(runtime.is_current))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (result.stdout, result.stderr) == ("True False\n", "")
