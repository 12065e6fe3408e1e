"""The flush at the end of each turn."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gevent
import pytest

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import Batch, Message
from socketio_sync.transports.outbox import COLLECTED_BYTES, STALE
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


def batch(number: int) -> Batch:
    return Batch([Message(b"%d" % number, False)])


def write(recipients: Sequence[Writer], batch: Batch) -> None:
    for writer in recipients:
        writer.write(batch.rendered(lambda data, binary: data))


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
            if broadcasts:
                runtime.outbox.deliver((writer,), batch(number), write)
            else:
                writer.write(b"%d" % number)
            # No turn of the loop has ended, but the peer has it.
            seen.append(peer.sock._sock.recv(100))

    gevent.spawn(handler).get(timeout=5)
    assert seen == [b"0", b"1", b"2"]


def test_what_a_handler_emits_behind_a_late_broadcast_is_not_delayed_either(
    wires: Wires, runtime: Runtime
) -> None:
    writer, peer = writer_to_packets(wires, runtime)
    peer.sock.settimeout(0)
    seen = []

    def handler() -> None:
        runtime.outbox.began = time.time()
        compute(STALE * 2)
        for number in range(0, 4, 2):
            runtime.outbox.deliver((writer,), batch(number), write)
            seen.append(peer.sock._sock.recv(100))
            writer.write(b"%d" % (number + 1))
            seen.append(peer.sock._sock.recv(100))

    gevent.spawn(handler).get(timeout=5)
    assert seen == [b"0", b"1", b"2", b"3"]


def test_what_is_flushed_at_once_is_not_listed_for_the_end_of_the_turn(runtime: Runtime) -> None:
    flushed = []

    class Connection:
        def flush(self) -> None:
            flushed.append(self)

    def handler() -> None:
        runtime.outbox.began = time.time()
        compute(STALE * 2)
        for _ in range(3):
            runtime.outbox.add(Connection())

    gevent.spawn(handler).get(timeout=5)
    turns()
    assert len(flushed) == 3


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

    def slowly(recipients: Sequence[Writer], batch: Batch) -> None:
        compute(STALE * 2)
        write(recipients, batch)

    def reader() -> None:
        runtime.outbox.began = time.time()
        for number in range(3):
            runtime.outbox.deliver((writer,), batch(number), slowly)
            runtime.outbox.settle()

    gevent.spawn(reader)
    assert peer.sock.recv(100) == b"012"


def test_broadcasts_to_the_same_recipients_are_one(wires: Wires, runtime: Runtime) -> None:
    writer, peer = writer_to_packets(wires, runtime)
    everyone, calls = (writer,), []

    def counted(recipients: Sequence[Writer], batch: Batch) -> None:
        calls.append([bytes(message.data) for part in batch.parts for message in part])
        write(recipients, batch)

    begin_turn(runtime)
    for number in range(3):
        runtime.outbox.deliver(everyone, batch(number), counted)
    assert runtime.outbox.recipients is everyone
    # Equal, but others may come and go in one of them.
    runtime.outbox.deliver(list(everyone), batch(3), counted)
    assert peer.sock.recv(100) == b"0123"
    assert calls == [[b"0", b"1", b"2"], [b"3"]]
    assert runtime.outbox.recipients is None


def test_no_more_is_collected_than_is_cheap_to_copy(wires: Wires, runtime: Runtime) -> None:
    writer, _ = writer_to_packets(wires, runtime)
    everyone, sizes = (writer,), []
    half = Batch([Message(bytes(COLLECTED_BYTES // 2), True)])
    huge = Batch([Message(bytes(COLLECTED_BYTES * 2), True)])
    begin_turn(runtime)
    for each in (half, half, half, huge, half):
        runtime.outbox.deliver(everyone, each, lambda recipients, batch: sizes.append(batch.size))
    eventually(lambda: runtime.outbox.recipients is None)
    assert sizes == [2 * half.size, half.size, huge.size, half.size]


def test_a_broadcast_that_fails_keeps_no_output_back(
    wires: Wires, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, peer = writer_to_packets(wires, runtime)
    reported: list[object] = []
    monkeypatch.setattr(runtime.hub, "handle_error", lambda *what: reported.append(what[1]))

    def fail(recipients: Sequence[Writer], batch: Batch) -> None:
        raise LookupError("a defect")

    begin_turn(runtime)
    writer.write(b"before")
    runtime.outbox.deliver((writer,), batch(1), fail)
    assert peer.sock.recv(100) == b"before"
    writer.write(b"after")
    assert peer.sock.recv(100) == b"after"
    assert reported == [LookupError]


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
