"""A WebSocket on a real connection: packets, closing, and what a broken connection does."""

from __future__ import annotations

import time
from base64 import b64encode

import gevent
import pytest
from gevent.select import select

from socketio_sync.protocol.engineio.packet import MESSAGE, NOOP, PING, PONG, Message
from socketio_sync.protocol.websocket.frames import encode_close
from socketio_sync.transports.runtime import Runtime
from tests.support import transport_handler as wire_level
from tests.support.transport_handler import (
    BINARY,
    CLOSE,
    TEXT,
    TINY,
    Wire,
    Wires,
    eventually,
    seeded,
    tcp_pair,
    turns,
    unix_pair,
)
from tests.support.ws_client import CONT, frame

PAIRS = pytest.mark.parametrize("pair", [unix_pair, tcp_pair])


def text(data: str) -> Message:
    return Message(data.encode(), False)


def binary(data: bytes) -> Message:
    return Message(data, True)


def packets(wire: Wire, count: int) -> list[tuple[int, str | bytes]]:
    """Wait for so many packets."""
    eventually(lambda: len(wire.handler.packets) >= count)
    return wire.handler.packets


def ended(wire: Wire) -> tuple[str, str]:
    """Wait for the end; return what the session hears first."""
    eventually(lambda: wire.handler.closes)
    return wire.handler.closes[0]


# -- packets ----------------------------------------------------------------------------------------


def test_packets_come_in_as_the_client_sent_them(wires: Wires) -> None:
    wire = wires()
    wire.peer.send(frame(TEXT, b"4hello") + frame(BINARY, b"\x00\xff") + frame(TEXT, b"3probe"))
    wire.peer.send(frame(TEXT, "4ü€😀".encode()))
    assert packets(wire, 4) == [
        (MESSAGE, "hello"),
        (MESSAGE, b"\x00\xff"),
        (PONG, "probe"),
        (MESSAGE, "ü€😀"),
    ]


def test_packets_of_revision_3(wires: Wires) -> None:
    wire = wires(revision=3)
    wire.peer.send(
        frame(BINARY, b"\x04\x00\xff") + frame(TEXT, b"b4" + b64encode(b"xyz")) + frame(TEXT, b"2")
    )
    assert packets(wire, 3) == [(MESSAGE, b"\x00\xff"), (MESSAGE, b"xyz"), (PING, "")]


def test_the_messages_of_one_call_stay_together(wires: Wires) -> None:
    wire = wires()
    wire.transport.send([text("head"), binary(b"one"), binary(b"two")])
    wire.transport.send([text("next")])
    wire.transport.send_parts(b"parts", [b"three", b"four"])
    wire.transport.send_text(b"last")
    received = [wire.peer.frame()[1] for _ in range(8)]
    assert received == [b"4head", b"one", b"two", b"4next", b"4parts", b"three", b"four", b"4last"]


def test_what_came_with_the_request_is_read_first(wires: Wires) -> None:
    wire = wires(start=False)
    wire.peer.send(frame(TEXT, b"4third"))
    wire.transport.start(frame(TEXT, b"4first") + frame(TEXT, b"4second")[:-1])
    assert packets(wire, 1) == [(MESSAGE, "first")]
    wire.peer.close()
    ended(wire)


def test_bytes_may_come_one_by_one(wires: Wires) -> None:
    wire = wires()
    for byte in frame(TEXT, b"4slow") + frame(BINARY, b"ly"):
        wire.peer.send(bytes([byte]))
        turns(1)
    assert packets(wire, 2) == [(MESSAGE, "slow"), (MESSAGE, b"ly")]


def test_a_message_longer_than_the_buffer_comes_whole(wires: Wires, runtime: Runtime) -> None:
    wire = wires(max_http_buffer_size=1_000_000)
    content = seeded().randbytes(999_999)
    gevent.spawn(wire.peer.send, frame(BINARY, content))
    assert packets(wire, 1) == [(MESSAGE, content)]


def test_wake_ups_without_a_reason_change_nothing(wires: Wires) -> None:
    wire = wires()
    turns()
    for _ in range(20):
        wire.transport._wake()
        turns(1)
    whole = frame(TEXT, b"4still here")
    wire.peer.send(whole[:5])
    wire.transport._wake()
    turns()
    wire.peer.send(whole[5:])
    assert packets(wire, 1) == [(MESSAGE, "still here")]
    wire.transport.pause()
    wire.peer.send(frame(TEXT, b"4later"))
    for _ in range(5):
        wire.transport._wake()
        turns(1)
    assert len(wire.handler.packets) == 1
    wire.transport.resume()
    assert packets(wire, 2)[1] == (MESSAGE, "later")
    assert wire.handler.closes == []


@pytest.mark.parametrize(
    "bad", [frame(TEXT, b""), frame(TEXT, b"x"), frame(TEXT, b"9"), frame(TEXT, b"b!")], ids=repr
)
def test_a_malformed_packet_closes_with_1008_at_once(wires: Wires, bad: bytes) -> None:
    wire = wires()
    wire.peer.send(frame(TEXT, b"4before") + bad + frame(TEXT, b"4after"))
    reason, _ = ended(wire)
    assert reason == "parse error"
    assert wire.handler.packets == [(MESSAGE, "before")]
    opcode, payload = wire.peer.frame()
    assert (opcode, payload[:2]) == (CLOSE, (1008).to_bytes(2, "big"))


# -- control frames -----------------------------------------------------------------------------------


def test_pings_are_answered(wires: Wires) -> None:
    wire = wires()
    for content in (b"", b"x" * 125):
        wire.peer.send(frame(wire_level.PING, content))
        assert wire.peer.frame() == (wire_level.PONG, content)
    assert wire.handler.packets == []


def test_pongs_that_nobody_reads_cost_nothing(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY))
    wire.transport.send([binary(bytes(100_000))])
    turns()
    before = wire.transport.queued_bytes
    for _ in range(100):
        wire.peer.send(frame(wire_level.PING, b"p" * 100) * 20)
    wire.peer.send(frame(TEXT, b"4done"))
    packets(wire, 1)
    assert wire.transport.queued_bytes <= before + 102


def test_control_packets_go_ahead_of_a_backlog(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY))
    wire.transport.send([binary(bytes(50_000))])
    turns()
    for _ in range(20):
        wire.transport.send([binary(b"d" * 5000)])
    wire.transport.send_control(PING)
    wire.transport.send_control(NOOP)
    got = [wire.peer.frame() for _ in range(23)]
    assert got[1:3] == [(TEXT, b"2"), (TEXT, b"6")]
    assert got[3:] == [(BINARY, b"d" * 5000)] * 20


def test_the_handler_hears_when_everything_has_left(wires: Wires) -> None:
    wire = wires(pair=unix_pair(TINY))
    wire.transport.send([binary(bytes(50_000))])
    turns()
    assert not wire.transport.writable
    assert wire.handler.drains == 0
    wire.peer.frame()
    eventually(lambda: wire.transport.writable)
    assert wire.handler.drains == 1
    assert wire.transport.queued_bytes == 0


# -- the close ----------------------------------------------------------------------------------------


@PAIRS
@pytest.mark.parametrize(("code", "echo"), [(1000, encode_close(1000)), (None, encode_close())])
def test_the_peers_close_is_answered_and_then_the_connection_ends(
    wires: Wires, pair, code: int | None, echo: bytes
) -> None:
    wire = wires(pair=pair())
    wire.transport.send([text("last")])
    wire.peer.send(frame(TEXT, b"4bye") + frame(CLOSE, code.to_bytes(2, "big") + b"why" if code else b""))
    assert wire.peer.rest() == b"\x81\x054last" + echo
    assert ended(wire)[0] == "transport close"
    assert wire.handler.packets == [(MESSAGE, "bye")]


def test_nothing_is_sent_behind_the_answer_to_a_close(wires: Wires) -> None:
    wire = wires()
    wire.handler.hook = lambda data: wires.runtime.soon(wire.transport.send, [text("too late")])
    wire.peer.send(frame(TEXT, b"4x") + frame(CLOSE, b"\x03\xe8"))
    assert wire.peer.rest() == encode_close(1000)


@PAIRS
def test_our_close_waits_for_the_peers(wires: Wires, pair) -> None:
    wire = wires(pair=pair())
    wire.transport.send([text("last")])
    wire.transport.close(1001, "over")
    wire.transport.close(1000, "a second close does nothing")
    assert wire.peer.frame() == (TEXT, b"4last")
    assert wire.peer.frame() == (CLOSE, b"\x03\xe9over")
    turns(10)
    assert wire.handler.closes == []
    # What is still under way is of no use to anybody.
    wire.peer.send(frame(TEXT, b"4late") + frame(wire_level.PING, b"late") + frame(CLOSE, b"\x03\xe9"))
    assert ended(wire)[0] == "transport close"
    assert wire.peer.rest() == b""
    assert wire.handler.packets == []


def test_messages_after_our_close_are_dropped(wires: Wires) -> None:
    wire = wires()
    wire.transport.close(1000)
    wire.transport.send([text("a")])
    wire.transport.send([text("b"), binary(b"c")])
    wire.transport.send_control(PING)
    assert wire.peer.frame() == (CLOSE, b"\x03\xe8")
    wire.peer.send(frame(CLOSE, b"\x03\xe8"))
    assert wire.peer.rest() == b""


@pytest.mark.parametrize("backlog", [0, 200_000])
def test_a_close_that_isn_t_answered_ends_after_close_timeout(wires: Wires, backlog: int) -> None:
    wire = wires(pair=unix_pair(TINY), close_timeout=0.1)
    wire.transport.send([binary(bytes(backlog))])
    turns()
    began = time.monotonic()
    wire.transport.close(1000)
    assert ended(wire) == ("transport close", "")
    assert time.monotonic() - began >= 0.1


def test_a_transport_closed_before_its_reader_runs_says_so(wires: Wires) -> None:
    wire = wires(close_timeout=0.05)
    wire.transport.close(1008, "no")
    assert wire.peer.frame() == (CLOSE, b"\x03\xf0no")
    assert wire.peer.rest() == b""
    ended(wire)


def test_a_paused_transport_still_closes(wires: Wires) -> None:
    wire = wires()
    wire.transport.pause()
    wire.peer.send(frame(TEXT, b"4ignored"))
    turns()
    wire.transport.close(1000)
    assert wire.peer.frame()[0] == CLOSE
    wire.peer.send(frame(CLOSE, b"\x03\xe8"))
    assert ended(wire)[0] == "transport close"
    assert wire.handler.packets == []


def test_after_a_failure_only_our_direction_ends_so_that_the_peer_can_read_why(wires: Wires) -> None:
    wire = wires(pair=tcp_pair(), max_http_buffer_size=1000)
    head = frame(BINARY, bytes(1001))[:4]
    wire.peer.send(frame(TEXT, b"4fine") + head)
    code, why = 1009, b"message too big"
    opcode, payload = wire.peer.frame()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, code)
    assert why in payload
    # TCP's FIN comes without waiting for our answer; what we still send meets no reset.
    assert wire.peer.rest() == b""
    for _ in range(50):
        wire.peer.send(bytes(10_000))
    assert wire.handler.packets == [(MESSAGE, "fine")]
    assert wire.handler.closes[0][0] == "transport error"
    wire.peer.close()
    eventually(lambda: len(wire.handler.closes) == 2)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x81\x02hi", 1002),
        (frame(3, b"x"), 1002),
        (frame(TEXT, b"4\xff"), 1007),
        (frame(BINARY, bytes(1001)), 1009),
        (frame(BINARY, bytes(600), fin=False) + frame(CONT, bytes(600)), 1009),
    ],
    ids=["unmasked", "reserved opcode", "invalid UTF-8", "too big", "too big in two"],
)
def test_what_breaks_the_rules_closes_with_a_code(wires: Wires, bad: bytes, code: int) -> None:
    wire = wires(max_http_buffer_size=1000, close_timeout=0.05)
    wire.peer.send(bad)
    assert ended(wire)[0] == "transport error"
    opcode, payload = wire.peer.frame()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, code)


@PAIRS
def test_a_message_of_exactly_the_limit_is_taken(wires: Wires, pair) -> None:
    wire = wires(pair=pair(), max_http_buffer_size=1000)
    wire.peer.send(frame(BINARY, bytes(1000)))
    assert packets(wire, 1) == [(MESSAGE, bytes(1000))]


def test_a_peer_that_drops_the_connection_is_noticed(wires: Wires) -> None:
    wire = wires()
    turns()
    wire.peer.close()
    assert ended(wire) == ("transport close", "")
    assert len(wire.handler.closes) == 1


def test_a_peer_that_resets_the_connection_is_noticed(wires: Wires) -> None:
    wire = wires(pair=tcp_pair())
    wire.transport.send([text("unread")])
    turns()
    # A socket closed with unread data resets the connection.
    eventually(lambda: select([wire.peer.sock], [], [], 0)[0])
    wire.peer.close()
    assert ended(wire)[0] in ("transport error", "transport close")


@pytest.mark.parametrize(
    "error", [LookupError("a defect"), OSError("a defect"), BlockingIOError("a defect"), gevent.Timeout(1)]
)
def test_a_handler_that_raises_ends_its_connection_only(
    wires: Wires, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    wire, other = wires(), wires()

    def fail(data: object) -> None:
        raise error

    wire.handler.hook = fail
    wire.peer.send(frame(TEXT, b"4x"))
    other.peer.send(frame(TEXT, b"4y"))
    assert ended(wire) == ("transport error", repr(error))
    assert packets(other, 1) == [(MESSAGE, "y")]
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_system_exit_ends_the_connection_and_is_reported(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, other = wires(), wires()
    workers, reported = wires.runtime.workers, []
    monkeypatch.setattr(wires.runtime.hub, "handle_error", lambda *what: reported.append(what[1]))
    wire.handler.hook = lambda data: exit(3)
    wire.peer.send(frame(TEXT, b"4x"))
    assert ended(wire) == ("transport error", "SystemExit(3)")
    eventually(lambda: reported == [SystemExit])
    # What comes from elsewhere must not take that greenlet for one that serves.
    assert workers.serving is None
    other.peer.send(frame(TEXT, b"4y"))
    assert packets(other, 1) == [(MESSAGE, "y")]


def test_a_killed_reader_lets_everything_go(wires: Wires) -> None:
    wire = wires(start=False)
    reader = gevent.spawn(wire.transport.run)
    turns()
    reader.kill()
    assert wire.handler.closes == [("transport close", "")]
    assert wire.peer.rest() == b""
