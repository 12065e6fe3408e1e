"""Flow through a WebSocket: who is slow is pushed back or given up, and nobody else notices."""

from __future__ import annotations

import threading
import time
from typing import Any

import gevent
import pytest

from socketio_sync.protocol.engineio.packet import MESSAGE, Message
from socketio_sync.transports.runtime import RECEIVE_BYTES, Runtime
from tests.support.transport_handler import (
    BINARY,
    CLOSE,
    TEXT,
    TINY,
    Wires,
    eventually,
    seeded,
    tcp_pair,
    turns,
    unix_pair,
)
from tests.support.ws_client import frame

PAIRS = pytest.mark.parametrize("pair", [unix_pair, tcp_pair])
SLOW_CONSUMER = (CLOSE, (1013).to_bytes(2, "big") + b"slow consumer")


def binary(data: bytes) -> Message:
    return Message(data, True)


def compute(seconds: float) -> None:
    """Keep the loop busy."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def push(peer: Any, data: bytes) -> int:
    """Send as much as fits until nothing has fitted for a while; return how much that was."""
    peer.sock.settimeout(0.1)
    view = memoryview(data)
    sent = 0
    try:
        while sent < len(view):
            sent += peer.sock.send(view[sent : sent + 100_000])
    except TimeoutError:
        pass
    peer.sock.settimeout(10)
    return sent


# -- byte for byte ------------------------------------------------------------------------------------


@PAIRS
@pytest.mark.parametrize("size", [TINY, 65536])
def test_messages_from_greenlets_and_threads_arrive_in_order_and_exact(
    wires: Wires, runtime: Runtime, pair, size: int
) -> None:
    random = seeded()
    wire = wires(pair=pair(size))
    emitters, count = 6, 40
    sizes = [0, 1, 122, 123, 124, 5000, 65533, 65534, 150_000]
    contents = [[random.randbytes(random.choice(sizes)) for _ in range(count)] for _ in range(emitters)]

    def message(emitter: int, number: int) -> list[Message]:
        return [binary(bytes([emitter, number]) + contents[emitter][number])]

    def in_greenlet(emitter: int) -> None:
        for number in range(count):
            wire.transport.send(message(emitter, number))
            gevent.sleep(random.choice([0, 0.001]))

    def in_thread(emitter: int) -> None:
        for number in range(count):
            runtime.from_thread(wire.transport.send, message(emitter, number))

    for emitter in range(0, emitters, 2):
        gevent.spawn(in_greenlet, emitter)
    threads = [threading.Thread(target=in_thread, args=(emitter,)) for emitter in range(1, emitters, 2)]
    for thread in threads:
        thread.start()
    got: list[list[bytes]] = [[] for _ in range(emitters)]
    for number in range(emitters * count):
        if number % 20 == 0:
            # The peer pauses; meanwhile it pings, and the answers come between whole frames.
            wire.peer.send(frame(9, b"%d" % number))
            gevent.sleep(0.005)
        opcode, payload = wire.peer.frame()
        while opcode != BINARY:
            opcode, payload = wire.peer.frame()
        assert payload[1] == len(got[payload[0]])
        got[payload[0]].append(payload[2:])
    for thread in threads:
        thread.join()
    assert got == contents


# -- reading stops ------------------------------------------------------------------------------------


@PAIRS
def test_while_paused_tcp_pushes_the_peer_back(wires: Wires, pair) -> None:
    wire = wires(pair=pair(65536), max_http_buffer_size=1_000_000)
    wire.transport.pause()
    assert wire.transport.paused
    turns()
    data = frame(BINARY, bytes(50_000)) * 100
    sent = push(wire.peer, data)
    # What fits into the buffers of the kernel, and no more.
    assert sent < len(data) // 2
    assert wire.handler.packets == []
    wire.transport.resume()
    assert not wire.transport.paused
    gevent.spawn(wire.peer.send, data[sent:])
    eventually(lambda: len(wire.handler.packets) == 100)
    assert wire.handler.packets == [(MESSAGE, bytes(50_000))] * 100


def test_a_pause_within_a_burst_takes_effect_at_once(wires: Wires) -> None:
    wire = wires()
    wire.handler.hook = lambda data: wire.transport.pause()
    wire.peer.send(b"".join(frame(TEXT, b"4%d" % number) for number in range(10)))
    for number in range(10):
        eventually(lambda number=number: len(wire.handler.packets) > number)
        turns()
        assert [data for _, data in wire.handler.packets] == [str(seen) for seen in range(number + 1)]
        wire.transport.resume()


def test_pausing_and_resuming_in_one_event_goes_on(wires: Wires) -> None:
    wire = wires()

    def on_message(data: Any) -> None:
        wire.transport.pause()
        wire.transport.resume()

    wire.handler.hook = on_message
    wire.peer.send(frame(TEXT, b"4x") * 500)
    eventually(lambda: len(wire.handler.packets) == 500)


def test_reading_stops_while_too_much_is_queued(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY), max_outbound_bytes=1_000_000)
    # Every question of 20 bytes is answered with 20,000, and nobody reads the answers.
    wire.handler.hook = lambda data: wire.transport.send([binary(bytes(20_000))])
    gevent.spawn(wire.peer.send, frame(TEXT, b"4" + b"q" * 20) * 5000)
    eventually(lambda: wire.transport.paused)
    turns(20)
    asked = len(wire.handler.packets)
    assert 500_000 < wire.transport.queued_bytes <= 540_000
    assert wire.handler.closes == []
    # Once the peer reads, everything goes on; it doesn't have to read all of it for that.
    for _ in range(5):
        wire.peer.frame()
    eventually(lambda: len(wire.handler.packets) > asked)
    for _ in range(5000 - 5):
        assert wire.peer.frame() == (BINARY, bytes(20_000))
    assert len(wire.handler.packets) == 5000
    assert wire.handler.closes == []


def test_an_answer_that_the_kernel_takes_at_once_doesn_t_stop_reading(wires: Wires) -> None:
    # Longer than what stops the reading, but never a backlog: nobody would report its end.
    wire = wires(max_outbound_bytes=1000)
    wire.handler.hook = lambda data: wire.transport.send([binary(bytes(900))])
    for _ in range(3):
        wire.peer.send(frame(TEXT, b"4q") * 20)
        for _ in range(20):
            assert wire.peer.frame() == (BINARY, bytes(900))


def test_a_close_ends_the_wait_of_a_reader_that_was_held_back(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY), max_outbound_bytes=100_000)
    wire.handler.hook = lambda data: wire.transport.send([binary(bytes(60_000))])
    wire.peer.send(frame(TEXT, b"4q") + frame(TEXT, b"4never taken"))
    eventually(lambda: wire.transport.paused)
    wire.peer.send(frame(CLOSE, b"\x03\xe8"))
    wire.transport.close(1000)
    # The peer hasn't read a byte, but its close counts.
    eventually(lambda: wire.handler.closes)
    assert wire.handler.closes[0][0] == "transport close"
    assert len(wire.handler.packets) == 1


# -- slow consumers -----------------------------------------------------------------------------------


def test_a_peer_that_reads_nothing_is_given_up_at_the_bound(wires: Wires) -> None:
    limit = 300_000
    wire = wires(pair=unix_pair(TINY), max_outbound_bytes=limit)
    healthy = wires()
    sent = 0
    while not wire.handler.closes:
        assert sent < 100, "not given up at the bound"
        for one in (wire, healthy):
            one.transport.send([binary(b"%05d" % sent * 2000)])
        sent += 1
        assert healthy.peer.frame()[0] == BINARY
        turns()
    assert limit <= sent * 10_000 <= limit + 50_000
    assert wire.handler.reasons == ["slow consumer"]
    # What it hadn't begun to read is gone, at once.
    assert wire.transport.queued_bytes < 80_000
    assert healthy.handler.closes == []
    # If it reads on, it learns why, after whole frames.
    got = [wire.peer.frame()]
    while got[-1][0] != CLOSE:
        got.append(wire.peer.frame())
    assert [opcode for opcode, _ in got[:-1]] == [BINARY] * (len(got) - 1)
    assert got[-1] == SLOW_CONSUMER
    wire.peer.send(frame(CLOSE, b"\x03\xf5"))
    eventually(lambda: len(wire.handler.closes) == 2)


def test_a_peer_that_is_given_up_and_reads_nothing_is_dropped(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY), max_outbound_bytes=100_000, close_timeout=0.1)
    began = time.monotonic()
    for _ in range(12):
        wire.transport.send([binary(bytes(10_000))])
    eventually(lambda: wire.handler.closes)
    assert wire.handler.reasons == ["slow consumer"]
    eventually(lambda: len(wire.handler.closes) == 2)
    assert time.monotonic() - began >= 0.1
    assert wire.transport.queued_bytes == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_one_message_may_exceed_an_empty_queue(wires: Wires, parts: int) -> None:
    wire = wires(pair=unix_pair(TINY), max_outbound_bytes=10_000)
    wire.transport.send([binary(bytes(500_000))] * parts)
    turns()
    for _ in range(parts):
        assert wire.peer.frame() == (BINARY, bytes(500_000))
    assert wire.handler.closes == []


def test_a_peer_without_progress_is_dropped_after_write_stall_timeout(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY), write_stall_timeout=0.1)
    began = time.monotonic()
    wire.transport.send([binary(bytes(50_000))])
    eventually(lambda: wire.handler.closes)
    assert wire.handler.closes == [("slow consumer", "nothing was read for 0.1 s")]
    assert time.monotonic() - began >= 0.1
    # What it got is the beginning of the frame, and nothing else.
    assert wire.peer.rest().startswith(b"\x82\x7e")


# -- fairness -----------------------------------------------------------------------------------------


@PAIRS
def test_a_burst_of_one_connection_doesn_t_keep_another_waiting(wires: Wires, pair) -> None:
    flood, other = wires(pair=pair()), wires(pair=pair())
    burst = frame(TEXT, b"4x") * 5000
    assert len(burst) < RECEIVE_BYTES, "it comes in one piece"
    # 0.25 s of work, all of it there before anybody looks.
    flood.handler.hook = lambda data: compute(0.00005)
    handled: list[int] = []
    other.handler.hook = lambda data: handled.append(len(flood.handler.packets))
    turns()
    flood.peer.sock._sock.sendall(burst)
    other.peer.sock._sock.sendall(frame(TEXT, b"4me"))
    eventually(lambda: len(flood.handler.packets) == 5000)
    assert handled
    assert handled[0] < 1000


def test_timers_and_threads_get_their_turn_during_a_burst(wires: Wires, runtime: Runtime) -> None:
    flood = wires()
    flood.handler.hook = lambda data: compute(0.00005)
    seen: list[int] = []
    turns()
    flood.peer.sock._sock.sendall(frame(TEXT, b"4x") * 5000)
    runtime.timers.after(0.02, lambda: seen.append(len(flood.handler.packets)))
    runtime.from_thread(lambda: seen.append(len(flood.handler.packets)))
    eventually(lambda: len(flood.handler.packets) == 5000)
    assert len(seen) == 2
    assert max(seen) < 4000


def test_the_order_of_a_burst_survives_the_slices(wires: Wires) -> None:
    wire = wires()
    wire.handler.hook = lambda data: compute(0.00002)
    wire.peer.send(b"".join(frame(TEXT, b"4%d" % number) for number in range(4000)))
    eventually(lambda: len(wire.handler.packets) == 4000)
    assert [data for _, data in wire.handler.packets] == [str(number) for number in range(4000)]
