"""The writing side of a connection: nothing is lost, doubled, reordered or interleaved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import pytest

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.websocket.frames import encode_close, encode_frame
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.writer import BATCH_BYTES, Writer
from tests.support.transport_handler import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TINY,
    Peer,
    Wires,
    begin_turn,
    eventually,
    frames,
    seeded,
    tcp_pair,
    turns,
    unix_pair,
)

PAIRS = pytest.mark.parametrize("pair", [unix_pair, tcp_pair])
Pair = Callable[..., tuple[int, Peer]]


class Owner:
    """Remembers what a writer reports."""

    writer: Writer

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []
        self.written: list[bool] = []
        self.full: list[str] = []
        self.backlogs: list[int] = []

    def abort(self, reason: str, description: str) -> None:
        self.failures.append((reason, description))

    def on_written(self) -> None:
        self.written.append(self.writer.idle)

    def on_backlog(self) -> None:
        self.backlogs.append(self.writer.queued_bytes)

    def on_full(self, description: str) -> None:
        self.full.append(description)


class Line(NamedTuple):
    """A writer, the peer that it writes to, and what it reported."""

    writer: Writer
    peer: Peer
    stream: Any
    failures: list[tuple[str, str]]
    written: list[bool]
    full: list[str]
    owner: Owner


Lines = Callable[..., Line]


@pytest.fixture
def line(wires: Wires, runtime: Runtime) -> Lines:
    """Make a writer on our end of a pair; the options are the engine's."""

    def make(pair: tuple[int, Peer] | None = None, **options: Any) -> Line:
        stream, peer = wires.stream(pair or unix_pair(TINY))
        owner = Owner()
        owner.writer = Writer(runtime, stream, EngineOptions(**options), owner)
        return Line(owner.writer, peer, stream, owner.failures, owner.written, owner.full, owner)

    return make


def blocked(line: Line) -> int:
    """Fill the way to the peer until the kernel takes no more; return how many bytes are queued."""
    line.writer.write(encode_frame(BINARY, bytes(50_000)))
    turns()
    assert not line.writer.idle
    return line.writer.queued_bytes


def received(line: Line) -> list[tuple[int, bytes]]:
    """Let the peer read everything there is; return the frames."""
    reading = gevent.spawn(line.peer.rest)
    eventually(lambda: not line.writer.queued_bytes)
    line.stream.close()
    return list(frames(reading.get(timeout=5)))


# -- order and bytes ------------------------------------------------------------------------------


def read_with_pauses(peer: Peer, random: Any, enough: Callable[[int], bool]) -> bytes:
    """Read pieces of any size, now and then after a pause."""
    data = bytearray()
    while not enough(len(data)):
        data += peer.sock.recv(random.choice([1, 100, 5000, 65536]))
        if random.random() < 0.05:
            gevent.sleep(random.uniform(0, 0.01))
    return bytes(data)


@PAIRS
@pytest.mark.parametrize("size", [TINY, 65536])
def test_every_frame_arrives_whole_and_in_order(line: Lines, runtime: Runtime, pair: Pair, size: int) -> None:
    random = seeded()
    wire = line(pair(size))
    emitters, count = 6, 60
    contents = {
        (emitter, number): random.randbytes(random.choice([0, 1, 119, 120, 3000, 70_000]))
        for emitter in range(emitters)
        for number in range(count)
    }
    total = 0

    def write(emitter: int, number: int) -> None:
        nonlocal total
        frame = encode_frame(BINARY, bytes([emitter, number]) + contents[emitter, number])
        total += len(frame)
        wire.writer.write(frame)

    def control(emitter: int, number: int) -> None:
        nonlocal total
        frame = encode_frame(PING, bytes([emitter, number]))
        total += len(frame)
        wire.writer.write_first(frame)

    def in_greenlet(emitter: int, pauses: list[float]) -> None:
        for number in range(count):
            write(emitter, number)
            if number % 10 == 0:
                control(emitter, number)
            gevent.sleep(pauses[number])

    def in_thread(emitter: int, pauses: list[float]) -> None:
        for number in range(count):
            runtime.from_thread(write, emitter, number)
            time.sleep(pauses[number])

    running: list[Any] = []
    for emitter in range(emitters):
        pauses = [random.choice([0, 0, random.uniform(0, 0.002)]) for _ in range(count)]
        if emitter % 2:
            running.append(gevent.spawn(in_greenlet, emitter, pauses))
        else:
            running.append(threading.Thread(target=in_thread, args=(emitter, pauses)))
            running[-1].start()

    def done() -> bool:
        return not any(one.is_alive() if hasattr(one, "is_alive") else not one.dead for one in running)

    reading = gevent.spawn(read_with_pauses, wire.peer, random, lambda size: done() and size >= total)
    eventually(lambda: done() and not wire.writer.queued_bytes)
    got = list(frames(reading.get(timeout=20)))
    for emitter in range(emitters):
        mine = [payload for opcode, payload in got if opcode == BINARY and payload[0] == emitter]
        assert [payload[1] for payload in mine] == list(range(count))
        assert all(payload[2:] == contents[emitter, payload[1]] for payload in mine)
        controls = [payload[1] for opcode, payload in got if opcode == PING and payload[0] == emitter]
        assert controls == ([*range(0, count, 10)] if emitter % 2 else [])
    assert wire.failures == []


@PAIRS
@pytest.mark.parametrize("size", [BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, 3_000_000])
def test_a_long_frame_arrives_whole(line: Lines, pair: Pair, size: int) -> None:
    wire = line(pair())
    payload = seeded().randbytes(size)
    wire.writer.write(encode_frame(BINARY, payload))
    wire.writer.write(encode_frame(BINARY, b"behind it"))
    assert received(wire) == [(BINARY, payload), (BINARY, b"behind it")]


def test_much_output_doesn_t_wait_for_the_end_of_the_turn(line: Lines, runtime: Runtime) -> None:
    wire = line(unix_pair(1_000_000))
    begin_turn(runtime)
    wire.peer.sock.settimeout(0)
    wire.writer.write(bytes(BATCH_BYTES))
    with pytest.raises(BlockingIOError):
        wire.peer.sock.recv(10)
    wire.writer.write(b"x")
    assert wire.peer.sock.recv(10)


# -- what goes first ------------------------------------------------------------------------------


def test_a_control_frame_goes_ahead_of_the_backlog_and_never_into_a_frame(line: Lines) -> None:
    wire = line()
    blocked(wire)
    for number in range(100):
        wire.writer.write(encode_frame(BINARY, b"%03d" % number * 1000))
    wire.writer.write_first(encode_frame(PING, b"heartbeat"))
    got = received(wire)
    assert [opcode for opcode, _ in got[:2]] == [BINARY, PING]
    assert [payload[:3] for _, payload in got[2:]] == [b"%03d" % number for number in range(100)]


def test_control_frames_keep_their_order(line: Lines) -> None:
    wire = line()
    blocked(wire)
    wire.writer.write(encode_frame(BINARY, b"data"))
    for number in range(3):
        wire.writer.write_first(encode_frame(PING, b"%d" % number))
    assert received(wire)[1:] == [(PING, b"0"), (PING, b"1"), (PING, b"2"), (BINARY, b"data")]


def test_each_kind_keeps_its_order_and_control_frames_go_first(line: Lines, runtime: Runtime) -> None:
    wire = line()
    begin_turn(runtime)
    wire.writer.write(encode_frame(BINARY, b"first"))
    wire.writer.write_first(encode_frame(PING, b"second"))
    wire.writer.write_pong(encode_frame(PONG, b"third"))
    wire.writer.write(encode_frame(BINARY, b"fourth"))
    assert [payload for _, payload in received(wire)] == [b"second", b"third", b"first", b"fourth"]


def test_a_peer_that_reads_gets_every_pong(line: Lines, runtime: Runtime) -> None:
    wire = line()
    begin_turn(runtime)
    for number in range(50):
        wire.writer.write_pong(encode_frame(PONG, b"%d" % number))
    assert received(wire) == [(PONG, b"%d" % number) for number in range(50)]


def test_pongs_coalesce_while_the_peer_reads_nothing(line: Lines) -> None:
    wire = line()
    before = blocked(wire)
    for number in range(1000):
        wire.writer.write_pong(encode_frame(PONG, b"%d" % number))
        if number % 100 == 0:
            # Other control frames in between don't let the old ones live.
            wire.writer.write_first(encode_frame(PING, b""))
    assert wire.writer.queued_bytes == before + len(encode_frame(PONG, b"999")) + 10 * len(
        encode_frame(PING, b"")
    )
    got = received(wire)
    assert [payload for opcode, payload in got if opcode == PONG] == [b"999"]
    assert len(got) == 12


def test_pongs_go_on_after_the_backlog(line: Lines) -> None:
    wire = line()
    for number in (b"one", b"two"):
        blocked(wire)
        wire.writer.write_pong(encode_frame(PONG, number))
        wire.peer.exactly(len(encode_frame(BINARY, bytes(50_000))))
        assert wire.peer.frame() == (PONG, number)
    assert received(wire) == []


# -- bounds ---------------------------------------------------------------------------------------


def test_the_queue_is_bounded_in_bytes(line: Lines) -> None:
    limit = 100_000
    wire = line(max_outbound_bytes=limit)
    wire.writer.write(bytes(limit - blocked(wire)))
    assert wire.writer.queued_bytes == limit
    assert wire.full == []
    wire.writer.write(b"x")
    assert wire.full == [f"{limit + 1} bytes are queued and not read"]


@pytest.mark.parametrize("parts", [1, 4])
def test_one_message_may_exceed_an_empty_queue(line: Lines, parts: int) -> None:
    wire = line(max_outbound_bytes=1000)
    message = [encode_frame(BINARY, bytes(300_000)) for _ in range(parts)]
    if parts == 1:
        wire.writer.write(message[0])
    else:
        wire.writer.write_all(message)
    assert received(wire) == [(BINARY, bytes(300_000))] * parts
    assert wire.full == []


def test_no_message_may_exceed_a_queue_that_isn_t_empty(line: Lines) -> None:
    wire = line(max_outbound_bytes=60_000)
    blocked(wire)
    wire.writer.write(bytes(300_000))
    assert len(wire.full) == 1


def test_a_peer_that_takes_nothing_for_too_long_is_a_slow_consumer(line: Lines) -> None:
    wire = line(write_stall_timeout=0.1)
    began = time.monotonic()
    blocked(wire)
    eventually(lambda: wire.failures)
    assert time.monotonic() - began >= 0.1
    assert wire.failures == [("slow consumer", "nothing was read for 0.1 s")]
    assert wire.writer.queued_bytes == 0


def test_a_peer_that_takes_a_little_all_the_time_is_none(line: Lines) -> None:
    wire = line(write_stall_timeout=0.4)
    wire.writer.write(bytes(3_000_000))
    began = time.monotonic()
    left = 3_000_000
    while time.monotonic() - began < 1.0:
        # Room for a part of it, much less than half a timeout apart.
        left -= len(wire.peer.sock.recv(20_000))
        gevent.sleep(0.02)
    assert wire.failures == []
    assert not wire.writer.idle
    wire.peer.exactly(left)


def test_a_peer_that_has_gone_is_a_transport_error(line: Lines) -> None:
    wire = line()
    wire.peer.close()
    wire.writer.write(b"x")
    turns()
    assert [reason for reason, _ in wire.failures] == ["transport error"]


def test_a_peer_that_goes_while_we_wait_is_a_transport_error(line: Lines) -> None:
    wire = line()
    blocked(wire)
    wire.peer.close()
    eventually(lambda: wire.failures)
    assert [reason for reason, _ in wire.failures] == ["transport error"]


# -- reports and the end --------------------------------------------------------------------------


def test_it_tells_when_a_backlog_is_shorter_and_when_it_is_gone(line: Lines) -> None:
    wire = line()
    wire.writer.write(b"taken at once")
    turns()
    assert wire.written == []
    blocked(wire)
    wire.writer.write(b"more")
    wire.peer.exactly(len(b"taken at once") + len(encode_frame(BINARY, bytes(50_000))) + len(b"more"))
    eventually(lambda: wire.writer.idle)
    assert wire.written[-1]
    assert wire.written.count(True) == 1
    assert len(wire.written) > 1


def test_the_end_of_the_stream_follows_what_is_queued(line: Lines) -> None:
    wire = line()
    blocked(wire)
    wire.writer.write_last(encode_close(1002))
    wire.writer.finish()
    assert [opcode for opcode, _ in frames(wire.peer.rest())] == [BINARY, CLOSE]
    # Only our direction has ended.
    wire.peer.send(b"heard")
    assert wire.stream.recv(10) == b"heard"


@pytest.mark.parametrize("size", [0, 50_000])
def test_nothing_follows_the_last_frame(line: Lines, size: int) -> None:
    wire = line()
    wire.writer.write(encode_frame(BINARY, bytes(size)))
    turns()
    assert wire.writer.idle == (size == 0)
    wire.writer.write_last(encode_close(1000))
    for write in (wire.writer.write, wire.writer.write_first, wire.writer.write_pong):
        write(encode_frame(PONG, b"after"))
    wire.writer.write_all([encode_frame(PONG, b"after")] * 2)
    assert [opcode for opcode, _ in received(wire)] == [BINARY, CLOSE]


def test_what_waits_can_be_given_up_for_a_last_frame(line: Lines) -> None:
    wire = line()
    begun = blocked(wire)
    wire.writer.write(encode_frame(BINARY, bytes(1_000_000)))
    wire.writer.replace(encode_close(1013))
    assert wire.writer.queued_bytes == begun + len(encode_close(1013))
    # The frame that the peer has a part of is completed.
    assert [opcode for opcode, _ in received(wire)] == [BINARY, CLOSE]


@pytest.mark.parametrize("size", [0, 50_000])
def test_a_stopped_writer_forgets_everything(line: Lines, runtime: Runtime, size: int) -> None:
    wire = line()
    wire.writer.write(bytes(size))
    turns()
    begin_turn(runtime)
    wire.writer.write(b"forgotten")
    wire.writer.write_pong(b"forgotten")
    wire.writer.stop()
    wire.writer.stop()
    wire.writer.write(b"forgotten")
    wire.writer.write_pong(b"forgotten")
    assert (wire.writer.queued_bytes, wire.writer.idle) == (0, False)
    turns()
    wire.stream.close()
    assert b"forgotten" not in wire.peer.rest()
    assert wire.failures == wire.written == []


def test_a_stopped_writer_leaves_no_deadline(line: Lines, runtime: Runtime) -> None:
    wire = line(write_stall_timeout=0.05)
    blocked(wire)
    wire.writer.stop()
    over: list[bool] = []
    runtime.timers.after(0.1, lambda: over.append(True))
    eventually(lambda: over)
    assert wire.failures == []
