"""The flush at the end of each turn."""

from __future__ import annotations

import time

import gevent
import pytest

from socketio_sync.options import EngineOptions
from socketio_sync.transports.outbox import STALE
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.writer import Writer
from tests.support.transport_handler import Peer, Wires, begin_turn, eventually, tcp_pair, turns, unix_pair

HOUR = 3600.0


def compute(seconds: float) -> None:
    """Keep the loop busy."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


class Owner:
    """Nothing that a writer reports matters here."""

    def abort(self, reason: str, description: str) -> None: ...

    def on_written(self) -> None: ...

    def on_backlog(self) -> None: ...

    def on_full(self, description: str) -> None: ...


def writer_to_packets(wires: Wires, runtime: Runtime) -> tuple[Writer, Peer]:
    """On a socket that keeps the borders between system calls: one ``recv`` is one ``send``."""
    stream, peer = wires.stream(unix_pair(kind=gevent.socket.SOCK_SEQPACKET))
    return Writer(runtime, stream, EngineOptions(), Owner()), peer


def test_a_connection_is_written_to_once_in_a_turn(wires: Wires, runtime: Runtime) -> None:
    first, first_peer = writer_to_packets(wires, runtime)
    second, second_peer = writer_to_packets(wires, runtime)
    for _ in range(2):
        begin_turn(runtime)
        for number in range(100):
            first.write(b"%03d" % number)
            second.write(b"%03d" % (number + 100))
        assert first_peer.sock.recv(1000) == b"".join(b"%03d" % number for number in range(100))
        assert second_peer.sock.recv(1000) == b"".join(b"%03d" % number for number in range(100, 200))


def test_output_of_several_greenlets_in_one_turn_goes_out_together(wires: Wires, runtime: Runtime) -> None:
    writer, peer = writer_to_packets(wires, runtime)

    def emit() -> None:
        begin_turn(runtime)
        writer.write(b"x")

    for _ in range(50):
        gevent.spawn(emit)
    assert peer.sock.recv(1000) == b"x" * 50


def test_nothing_waits_for_more_than_one_turn(wires: Wires, runtime: Runtime) -> None:
    writer, peer = writer_to_packets(wires, runtime)
    begin_turn(runtime)
    writer.write(b"now")
    turns()
    peer.sock.settimeout(0)
    assert peer.sock.recv(100) == b"now"


@pytest.mark.parametrize("broadcasts", [False, True])
@pytest.mark.parametrize("pair", [unix_pair, tcp_pair])
def test_the_output_of_a_handler_that_computes_is_not_delayed(
    wires: Wires, runtime: Runtime, pair, broadcasts: bool
) -> None:
    stream, peer = wires.stream(pair())
    writer = Writer(runtime, stream, EngineOptions(), Owner())
    peer.sock.settimeout(0)
    seen = []

    def handler() -> None:
        runtime.outbox.began = time.time()
        for number in range(3):
            compute(STALE * 2)
            held = runtime.outbox.hold() if broadcasts else 0.0
            writer.write(b"%d" % number)
            if broadcasts:
                runtime.outbox.release(held)
            # No turn of the loop has ended, but the peer has it.
            seen.append(peer.sock._sock.recv(100))

    gevent.spawn(handler).get(timeout=5)
    assert seen == [b"0", b"1", b"2"]


def test_a_turn_in_which_many_readers_run_collects_all_the_same(wires: Wires, runtime: Runtime) -> None:
    writer, peer = writer_to_packets(wires, runtime)

    def reader(text: bytes) -> None:
        begin_turn(runtime)
        writer.write(text)
        compute(STALE)

    for number in range(5):
        gevent.spawn(reader, b"%d" % number)
    assert peer.sock.recv(100) == b"01234"


def test_a_long_broadcast_is_collected_with_what_follows(wires: Wires, runtime: Runtime) -> None:
    writer, peer = writer_to_packets(wires, runtime)

    def reader() -> None:
        runtime.outbox.began = time.time()
        for number in range(3):
            held = runtime.outbox.hold()
            compute(STALE * 2)
            writer.write(b"%d" % number)
            runtime.outbox.release(held)

    gevent.spawn(reader)
    assert peer.sock.recv(100) == b"012"


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_of_the_wall_clock_delays_nothing(wires: Wires, runtime: Runtime, jump: float) -> None:
    # The outbox asks the wall clock, because that's what the event loop tells for free. After a jump, the
    # moment at which the reader began lies in the past or in the future.
    writer, peer = writer_to_packets(wires, runtime)
    runtime.outbox.began = time.time() - jump
    writer.write(b"after the jump")
    turns()
    peer.sock.settimeout(0)
    assert peer.sock.recv(100) == b"after the jump"


def test_a_connection_added_during_the_flush_is_flushed_too(runtime: Runtime) -> None:
    order: list[str] = []

    class Second:
        def flush(self) -> None:
            order.append("second")

    class First:
        def flush(self) -> None:
            order.append("first")
            runtime.outbox.add(Second())

    begin_turn(runtime)
    runtime.outbox.add(First())
    eventually(lambda: len(order) == 2)
    assert order == ["first", "second"]
