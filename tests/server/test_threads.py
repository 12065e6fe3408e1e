"""Pains 2: whatever thread it comes from, it reaches a client that is idle."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from socketio_sync import AckTimeout, Disconnected, NotConnected, Socket
from tests.support.outcomes import in_thread, outcome
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect

# What a caller may be told while clients come and go.
EXPECTED = (AckTimeout, Disconnected, NotConnected)

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])


@BOTH
@pytest.mark.feature(118)
def test_t1_an_emit_from_a_thread_reaches_an_idle_client_within_50_ms(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve()
    client = connect(site, transport)
    socket = site.sockets[0]
    took = []
    for target in (socket, site.io, site.io.to(socket.id)) * 7:
        began = time.monotonic()
        running = in_thread(target.emit, "from a thread", 1)
        assert client.expect("from a thread") == (1,)
        took.append(time.monotonic() - began)
        running.get(timeout=5)
    # The median: the machine may be busy at one moment; who waits for the next heartbeat waits always.
    assert sorted(took)[len(took) // 2] < 0.05, took


@BOTH
def test_t1_a_call_from_a_thread_gets_its_answer(serve: Servers, connect: Connect, transport: str) -> None:
    site = serve()
    client = connect(site, transport)
    socket = site.sockets[0]
    client.answers["question"] = lambda value: [value + 1]
    took, value = in_thread(socket.call, "question", 41).get(timeout=5)
    assert value == 42
    assert took < 2


def test_nothing_from_a_thread_comes_behind_the_disconnect(serve: Servers, connect: Connect) -> None:
    site = serve()
    site.of("/a")
    client = connect(site)
    client.join("/a")
    socket = site.sockets[1]
    # The hub's thread waits for it: the hub has no turn between the two.
    thread = threading.Thread(target=socket.emit, args=("late",))
    thread.start()
    thread.join()
    socket.disconnect()
    client.call("echo")
    assert client.left == ["/a"]
    assert client.events == []


def test_a_call_from_a_thread_ends_when_the_client_leaves(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    socket = site.sockets[0]
    running = in_thread(socket.call, "question")
    client.expect("question")
    client.close()
    took, error = running.get(timeout=5)
    assert isinstance(error, Disconnected)
    assert took < 2
    assert isinstance(in_thread(socket.call, "question").get(timeout=5)[1], NotConnected)
    running = in_thread(lambda: socket.call("question", timeout=0.02))
    assert isinstance(running.get(timeout=5)[1], NotConnected)


def test_a_call_from_a_thread_times_out(serve: Servers, connect: Connect) -> None:
    site = serve()
    connect(site)
    socket = site.sockets[0]
    _, error = in_thread(lambda: socket.call("question", timeout=0.02)).get(timeout=5)
    assert isinstance(error, AckTimeout)


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (0, ValueError), ("5", TypeError), (True, TypeError)]
)
def test_a_call_waits_for_no_time_that_is_none(
    serve: Servers, connect: Connect, wrong: Any, error: type[Exception]
) -> None:
    site = serve()
    connect(site)
    socket = site.sockets[0]
    assert isinstance(outcome(lambda: socket.call("question", timeout=wrong)), error)
    # A native lock takes -1 for ever.
    assert isinstance(in_thread(lambda: socket.call("question", timeout=wrong)).get(timeout=5)[1], error)
    assert not socket._acks


def test_a_call_may_have_all_the_time_in_the_world(serve: Servers, connect: Connect) -> None:
    site = serve()
    connect(site).answers["question"] = lambda: [42]
    ways = (site.sockets[0].timeout(float("inf")).call, lambda event: site.io.timeout(1e300).call(event)[0])
    for call in ways:
        assert call("question") == 42
        assert in_thread(call, "question").get(timeout=5)[1] == 42


def test_rooms_and_disconnect_work_from_threads(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    socket = site.sockets[0]
    in_thread(socket.join, "a", "b").get(timeout=5)
    in_thread(socket.leave, "a").get(timeout=5)
    assert socket.rooms == {socket.id, "b"}
    in_thread(socket.disconnect).get(timeout=5)
    client.wait(lambda: client.left == ["/"])
    site.reached("disconnect", "/", "server namespace disconnect")


def acts(site: Running, socket: Socket, chance: random.Random) -> list[Callable[[], Any]]:
    """What a thread may do to a client at any time."""
    return [
        lambda: socket.join("a", chance.randrange(5)),
        lambda: socket.leave("a"),
        lambda: socket.emit("news", b"binary", ack=lambda *values: None),
        lambda: socket.call("question", timeout=0.01),
        lambda: site.io.to("a", 1, 2).except_(3).emit("room news"),
        lambda: chance.random() < 0.1 and socket.disconnect(close=chance.random() < 0.5),
    ]


def test_threads_and_leaving_clients_end_with_one_disconnect_each_and_nothing_left(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    gone: Counter[str] = Counter()
    errors: list[Any] = []
    site.io.on("disconnect", lambda socket: gone.update([socket.id]))
    over = threading.Event()

    def disturb(seed: int) -> None:
        chance = random.Random(seed)
        while not over.is_set():
            sockets = tuple(site.sockets)
            socket = chance.choice(sockets) if sockets else None
            if socket is not None:
                result = outcome(chance.choice(acts(site, socket, chance)))
                if isinstance(result, Exception) and not isinstance(result, EXPECTED):
                    errors.append(result)
            time.sleep(0.0005)

    threads = [in_thread(disturb, seed) for seed in range(6)]
    chance = random.Random(20261122)
    for _ in range(60):
        client = connect(site, chance.choice(["websocket", "polling"]), join=False)
        client.answers["question"] = lambda: [1]
        client.ask_to_join()
        gevent.sleep(0.005)
        chance.choice([client.close, client.kill, client.disconnect, lambda: None])()
    over.set()
    for running in threads:
        running.get(timeout=5)
    site.io.close()
    eventually(lambda: len(gone) == len(site.sockets))
    eventually(lambda: site.io.engine.runtime.workers.busy == 0)
    assert errors == []
    assert set(gone.values()) == {1}
    assert site.io.rooms() == frozenset()
    assert site.io.sockets == {}
