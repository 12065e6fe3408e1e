"""The reader: any pieces of any stream, in range or not."""

from __future__ import annotations

import tracemalloc
from codecs import getincrementaldecoder
from time import perf_counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import OPEN, SERVER, Protocol

from socketio_sync.protocol.websocket.events import Closed, Event, Failed, Ping, Pong
from tests.protocol.websocket.client import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    PONG,
    TEXT,
    big_frame,
    close_frame,
    failure,
    frame,
    header,
    read,
    reader,
    typed,
)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        ("81 85 37fa213d 7f9f4d5158", ["Hello"]),
        ("8a 85 37fa213d 7f9f4d5158", [Pong(b"Hello")]),
        ("89 85 37fa213d 7f9f4d5158", [Ping(b"Hello")]),
        ("01 83 37fa213d 7f9f4d  80 82 37fa213d 5b95", ["Hello"]),
        ("82 fe 0100 00000000" + "00" * 256, [bytes(256)]),
        ("82 ff 0000000000010000 00000000" + "00" * 65536, [bytes(65536)]),
    ],
)
def test_examples_of_section_5_7(data: str, events: list[Event]) -> None:
    assert typed(read(bytes.fromhex(data))) == typed(events)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("limit", [0, 1])
def test_messages_up_to_the_limit_are_taken(length: int, limit: int) -> None:
    data = big_frame(TEXT, b"x" * length) + big_frame(BINARY, b"y" * length)
    assert read(data, max_message=length + limit) == ["x" * length, b"y" * length]


@pytest.mark.parametrize("limit", [0, 1, 124, 125, 126, 65535, 65536])
def test_longer_messages_fail_from_the_header_alone(limit: int) -> None:
    assert failure(header(TEXT, limit + 1), MASK, max_message=limit) == 1009
    assert failure(header(BINARY, limit + 1, fin=False), MASK, max_message=limit) == 1009
    data = frame(TEXT, fin=False) + header(CONT, limit + 1) + MASK
    assert failure(data, max_message=limit) == 1009


def test_a_length_of_2_to_the_64th_fails_at_once() -> None:
    frames = reader()
    assert frames.feed(b"\x82\xff" + b"\xff" * 8) == [Failed(1009, "message too big")]
    assert frames.buffered == 0


def test_the_sum_of_fragments_fails_as_soon_as_it_passes_the_limit() -> None:
    start = frame(TEXT, b"x" * 60, fin=False) + frame(CONT, b"x" * 40, fin=False)
    assert read(start, frame(CONT), max_message=100) == ["x" * 100]
    assert failure(start, header(CONT, 1), MASK, max_message=100) == 1009


def test_control_frames_do_not_count_as_part_of_a_message() -> None:
    data = frame(TEXT, b"x", fin=False) + frame(PING, bytes(125)) + frame(CONT, b"y") + frame(PING, b"zzz")
    assert typed(read(data, max_message=2)) == typed([Ping(bytes(125)), "xy", Ping(b"zzz")])


def test_fragments_are_limited_in_number() -> None:
    start = frame(TEXT, fin=False) + frame(CONT, fin=False) * 8
    assert read(start + frame(CONT), max_fragments=10) == [""]
    assert read(start + frame(CONT, fin=False), max_fragments=10) == []
    assert failure(start + frame(CONT, fin=False), frame(CONT), max_fragments=10) == 1008


def test_a_message_of_one_frame_is_one_fragment() -> None:
    assert read(frame(TEXT, b"x"), max_fragments=1) == ["x"]
    assert failure(frame(TEXT, fin=False), frame(CONT), max_fragments=1) == 1008


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(header(TEXT, 0, masked=False), id="unmasked"),
        pytest.param(header(PING, 0, masked=False), id="unmasked ping"),
        pytest.param(header(CONT, 0, masked=False), id="unmasked continuation"),
        *(pytest.param(header(TEXT, 5, rsv=rsv), id=f"rsv {rsv}") for rsv in range(1, 8)),
        *(
            pytest.param(header(opcode, 5), id=f"opcode {opcode}")
            for opcode in [3, 4, 5, 6, 7, *range(11, 16)]
        ),
        *(pytest.param(header(opcode, 0, fin=False), id=f"fragment of {opcode}") for opcode in (8, 9, 10)),
        *(pytest.param(header(opcode, 126)[:2], id=f"long {opcode}") for opcode in (8, 9, 10)),
        pytest.param(header(CONT, 5), id="nothing to continue"),
        pytest.param(header(CONT, 5, fin=False), id="nothing to continue, more to come"),
        pytest.param(frame(TEXT, fin=False) + header(TEXT, 5), id="text within a message"),
        pytest.param(frame(TEXT, fin=False) + header(BINARY, 5), id="binary within a message"),
        pytest.param(frame(CLOSE, b"\x03"), id="half a close code"),
        pytest.param(close_frame(1005), id="close code"),
    ],
)
def test_framing_errors_fail_with_1002_without_waiting_for_more(data: bytes) -> None:
    assert failure(data) == 1002
    assert failure(*(data[i : i + 1] for i in range(len(data)))) == 1002


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\xe2\x82"])
def test_invalid_utf_8_fails_with_1007(text: bytes) -> None:
    assert failure(frame(TEXT, text)) == 1007
    assert failure(frame(TEXT, b"x" * 200 + text)) == 1007
    assert failure(frame(TEXT, text[:1], fin=False), frame(CONT, text[1:])) == 1007
    assert failure(close_frame(1000, text)) == 1007


def test_a_character_cut_by_fragments_is_whole() -> None:
    data = "\N{BEETLE}".encode()
    assert read(frame(TEXT, data[:2], fin=False), frame(CONT, data[2:])) == ["\N{BEETLE}"]


@pytest.mark.parametrize("last", [close_frame(1000), frame(TEXT, rsv=1), frame(TEXT, b"\xff")])
def test_the_messages_before_the_end_are_delivered_and_none_behind_it(last: bytes) -> None:
    frames = reader()
    events = frames.feed(frame(TEXT, b"a") + frame(BINARY, b"b") + last + frame(TEXT, b"c") + b"\x81")
    assert events[:2] == ["a", b"b"]
    assert isinstance(events[2], Closed | Failed)
    assert len(events) == 3
    assert frames.feed(frame(TEXT, b"d")) == frames.feed(b"") == []
    assert frames.buffered == 0


def test_an_empty_close_frame_has_the_code_1005() -> None:
    assert typed(read(frame(CLOSE))) == typed([Closed(1005, "")])
    assert typed(read(close_frame(4000, b"bye"))) == typed([Closed(4000, "bye")])


def test_plain_frames_are_taken_again_after_a_fragmented_message() -> None:
    data = frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(TEXT, b"c")
    data += frame(PONG) + frame(BINARY, b"d")
    assert typed(read(data)) == typed(["ab", "c", Pong(b""), b"d"])


def test_buffered_counts_what_is_held() -> None:
    frames = reader()
    assert frames.buffered == 0
    frames.feed(frame(TEXT, b"x" * 50))
    assert frames.buffered == 0
    frames.feed(frame(TEXT, b"x" * 50, fin=False))
    assert frames.buffered == 50
    frames.feed(frame(CONT, b"x" * 50)[:10])
    assert frames.buffered == 60
    frames.feed(frame(CONT, b"x" * 50)[10:])
    assert frames.buffered == 0


@pytest.mark.parametrize("size", [16, 65536])
def test_a_long_message_costs_no_more_in_small_pieces(size: int) -> None:
    data = big_frame(TEXT, "\N{GREEK SMALL LETTER MU}".encode() * 500_000)
    frames = reader(1_000_000)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    began = perf_counter()
    events = [event for piece in pieces for event in frames.feed(piece)]
    # Some 20 ms; copying what is held for each piece of 16 bytes would take 31 GB of copying.
    assert perf_counter() - began < 1
    assert len(events) == 1
    assert len(events[0]) == 500_000


def test_a_flood_of_empty_fragments_is_ended_without_holding_much() -> None:
    data = frame(BINARY, fin=False) + frame(CONT, fin=False) * 20_000
    tracemalloc.start()
    try:
        frames = reader(1_000_000, 16_384)
        events = frames.feed(data[:65536]) + frames.feed(data[65536:])
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert events == [Failed(1008, "too many fragments")]
    assert held < 1_500_000


# -- any stream, in any pieces ---------------------------------------------------------------------


class Stream(NamedTuple):
    data: bytes
    events: list[Event]


MASKS = st.binary(min_size=4, max_size=4)
SIZES = st.integers(0, 200) | st.sampled_from([125, 126, 127, 65535, 65536])
CONTROL = st.builds(
    lambda kind, payload, mask: Stream(
        frame(PING if kind is Ping else PONG, payload, mask=mask), [kind(payload)]
    ),
    st.sampled_from([Ping, Pong]),
    st.binary(max_size=125),
    MASKS,
)
CLOSES = st.builds(
    lambda code, reason: Stream(close_frame(code, reason.encode()), [Closed(code, reason)]),
    st.sampled_from([1000, 1001, 1011, 3000, 4999]),
    st.text(max_size=30),
)


@st.composite
def messages(draw: st.DrawFn) -> Stream:
    """A message in one frame or several, with control frames between these."""
    message: str | bytes = draw(st.text(max_size=60) | st.binary(max_size=60))
    if draw(st.integers(0, 9)) == 0:
        message = message[:1] * draw(SIZES)
    payload = message.encode() if isinstance(message, str) else message
    opcode = TEXT if isinstance(message, str) else BINARY
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    data = b""
    events: list[Event] = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(payload)], strict=True)):
        # Masking a long payload in Python would take most of the test's time.
        mask = draw(MASKS) if len(payload) < 200 else bytes(4)
        data += frame(CONT if number else opcode, payload[start:stop], fin=number == len(cuts), mask=mask)
        if number < len(cuts) and draw(st.booleans()):
            control = draw(CONTROL)
            data += control.data
            events += control.events
    return Stream(data, [*events, message])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[start:stop] for start, stop in zip([0, *ends], [*ends, len(data)], strict=True)]


CUTS = st.lists(st.integers(0, 2**20), max_size=12)


@given(st.lists(messages() | CONTROL, max_size=6), CLOSES | st.just(Stream(b"", [])), CUTS)
def test_any_split_of_any_stream_gives_its_events(parts: list[Stream], last: Stream, cuts: list[int]) -> None:
    parts.append(last)
    data = b"".join(part.data for part in parts)
    expected = [event for part in parts for event in part.events]
    assert typed(read(*pieces(data, cuts), max_message=300_000)) == typed(expected)


@given(st.lists(messages() | CONTROL, max_size=3))
def test_single_bytes_give_the_events_of_the_stream(parts: list[Stream]) -> None:
    data = b"".join(part.data for part in parts)[:3000]
    whole = read(data, max_message=300_000)
    assert typed(read(*(data[i : i + 1] for i in range(len(data))), max_message=300_000)) == typed(whole)


ODD_FRAMES = st.builds(
    lambda head, payload: bytes([head]) + frame(0, payload)[1:],
    st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]) | st.integers(0, 255),
    st.binary(max_size=20) | st.just(b"\x03\xe8") | st.binary(min_size=120, max_size=130),
)
GARBAGE = st.lists(ODD_FRAMES | st.binary(max_size=20), max_size=10).map(b"".join)


@given(GARBAGE, CUTS)
def test_garbage_never_raises_and_ends_once(data: bytes, cuts: list[int]) -> None:
    whole = read(data, max_message=150, max_fragments=3)
    assert not any(isinstance(event, Closed | Failed) for event in whole[:-1])
    assert typed(read(*pieces(data, cuts), max_message=150, max_fragments=3)) == typed(whole)


@given(st.binary(max_size=100), CUTS)
def test_any_bytes_behind_a_valid_start_never_raise(data: bytes, cuts: list[int]) -> None:
    events = read(*pieces(frame(TEXT, b"first") + data, cuts))
    assert events[0] == "first"


def judged_by_websockets(data: bytes) -> list[Event]:
    """The same stream through the protocol object of ``websockets`` alone."""
    protocol = Protocol(SERVER, max_size=None)
    protocol.receive_data(data)
    events: list[Event] = []
    payload: list[bytes] = []
    decoder = None
    for received in protocol.events_received():
        opcode, part = int(received.opcode), bytes(received.data)  # type: ignore[union-attr]
        if opcode in (PING, PONG):
            events.append(Ping(part) if opcode == PING else Pong(part))
            continue
        if opcode == CLOSE:
            break
        if opcode != CONT:
            payload = []
            decoder = getincrementaldecoder("utf-8")() if opcode == TEXT else None
        fin = received.fin  # type: ignore[union-attr]
        try:
            payload.append(decoder.decode(part, fin).encode() if decoder is not None else part)
        except UnicodeDecodeError:
            return [*events, Failed(1007, "")]
        if fin:
            message = b"".join(payload)
            events.append(message.decode() if decoder is not None else message)
    if protocol.close_rcvd is not None:
        events.append(Closed(protocol.close_rcvd.code, protocol.close_rcvd.reason))
    elif protocol.state is not OPEN:
        assert protocol.close_sent is not None
        events.append(Failed(protocol.close_sent.code, ""))
    return events


@given(st.lists(ODD_FRAMES, max_size=10).map(b"".join), CUTS)
def test_whole_frames_are_judged_as_websockets_does(data: bytes, cuts: list[int]) -> None:
    events = read(*pieces(data, cuts))
    if events and isinstance(events[-1], Failed):
        events[-1] = Failed(events[-1].code, "")
    assert typed(events) == typed(judged_by_websockets(data))
