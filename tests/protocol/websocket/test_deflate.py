"""Compression of messages: what is agreed on, and that it comes out as it went in."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.websocket.deflate import Agreement, Inflater, deflate, negotiate
from socketio_sync.protocol.websocket.events import Failed, Ping, Violation
from socketio_sync.protocol.websocket.reader import FrameReader
from tests.support.ws_client import BINARY, CONT, PING, TEXT, frame

RSV1 = 0x40
SERVER = "permessage-deflate; server_no_context_takeover"
CLIENT = f"{SERVER}; client_no_context_takeover"
MAX = 100_000


def agree(offers: str, **options: Any) -> tuple[str, Agreement] | None:
    return negotiate(offers, **{"keeps_context": True, "client_bits": 15, "server_bits": 15, **options})


@pytest.mark.parametrize(
    ("offers", "options", "answer", "agreement"),
    [
        ("permessage-deflate", {}, SERVER, (True, 15, 15)),
        ("permessage-deflate", {"keeps_context": False}, CLIENT, (False, 15, 15)),
        ("permessage-deflate; client_no_context_takeover", {}, CLIENT, (False, 15, 15)),
        ("permessage-deflate; server_no_context_takeover", {}, SERVER, (True, 15, 15)),
        ("permessage-deflate; client_max_window_bits", {}, SERVER, (True, 15, 15)),
        (
            "permessage-deflate; client_max_window_bits",
            {"client_bits": 10},
            f"{SERVER}; client_max_window_bits=10",
            (True, 10, 15),
        ),
        # A client that doesn't say that it can be told isn't told.
        ("permessage-deflate", {"client_bits": 10}, SERVER, (True, 15, 15)),
        (
            'permessage-deflate; client_max_window_bits="9"; server_max_window_bits=12',
            {"client_bits": 10, "server_bits": 14},
            f"{SERVER}; server_max_window_bits=12; client_max_window_bits=9",
            (True, 9, 12),
        ),
        (
            "permessage-deflate",
            {"server_bits": 11},
            f"{SERVER}; server_max_window_bits=11",
            (True, 15, 11),
        ),
        ("x-other, permessage-deflate; unknown, permessage-deflate", {}, SERVER, (True, 15, 15)),
        # zlib can't compress with so small a window.
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", {}, SERVER, (True, 15, 15)),
    ],
)
def test_the_first_offer_that_will_do_is_taken(
    offers: str, options: Any, answer: str, agreement: Any
) -> None:
    assert agree(offers, **options) == (answer, Agreement(*agreement))


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; ; ",
        "permessage-deflate=5",
        "\x00",
        '"permessage-deflate"',
        "permessage-deflate; client_max_window_bits=" + "1" * 1000,
    ],
)
def test_an_offer_that_will_not_do_is_declined(offers: str) -> None:
    assert agree(offers) is None


@given(st.text(max_size=60))
def test_no_offer_raises(text: str) -> None:
    agree(text)
    agree(f"permessage-deflate; {text}")


# -- the client's messages -------------------------------------------------------------------------


class Client:
    """Compresses as a client does, with or without its context."""

    def __init__(self, *, keeps_context: bool, bits: int = 15) -> None:
        self._bits = bits
        self._keeps_context = keeps_context
        self._compressor: Any = None

    def compress(self, data: bytes) -> bytes:
        compressor = self._compressor or zlib.compressobj(6, zlib.DEFLATED, -self._bits)
        self._compressor = compressor if self._keeps_context else None
        return bytes((compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4])


def reader(*, keeps_context: bool = True, max_message: int = MAX) -> FrameReader:
    inflater = Inflater(Agreement(keeps_context, 15, 15), max_message)
    return FrameReader(max_message=max_message, max_fragments=100, inflater=inflater)


def fragments(opcode: int, payload: bytes, cuts: Sequence[int], pings: bool) -> bytes:
    """Write a compressed message in pieces, with pings between them."""
    places = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    frames = b""
    for number, (start, stop) in enumerate(pairwise(places)):
        head = CONT if number else opcode | RSV1
        frames += frame(head, payload[start:stop], fin=number == len(places) - 2)
        if pings and number < len(places) - 2:
            frames += frame(PING, b"between")
    return frames


MESSAGES = st.lists(
    st.tuples(
        st.one_of(st.text(max_size=300), st.binary(max_size=300), st.text("ab", max_size=2000)),
        st.booleans(),
        st.lists(st.integers(0, 5000), max_size=3),
        st.booleans(),
    ),
    max_size=6,
)


@given(MESSAGES, st.booleans(), st.lists(st.integers(0, 100_000), max_size=8))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(
    messages: Any, keeps_context: bool, cuts: list[int]
) -> None:
    client, ours = Client(keeps_context=keeps_context), reader(keeps_context=keeps_context)
    wire = b""
    for message, is_compressed, pieces, pings in messages:
        opcode = TEXT if isinstance(message, str) else BINARY
        data = message.encode() if isinstance(message, str) else message
        wire += (
            fragments(opcode, client.compress(data), pieces, pings) if is_compressed else frame(opcode, data)
        )
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    events = [event for start, stop in pairwise(places) for event in ours.feed(wire[start:stop])]
    assert [event for event in events if not isinstance(event, Ping)] == [message for message, *_ in messages]


@pytest.mark.parametrize("fin", [True, False])
def test_a_bomb_is_refused_without_being_expanded(fin: bool) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(compressor.compress(bytes(2**20)) for _ in range(256)) + compressor.flush(
        zlib.Z_SYNC_FLUSH
    )
    ours = reader(max_message=1_000_000)
    wire = fragments(TEXT, bomb[:-4], [] if fin else [100, 1000], False)
    tracemalloc.start()
    events = ours.feed(wire)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert events == [Failed(1009, "message too big")]
    assert peak < 4_000_000


@pytest.mark.parametrize("size", [MAX - 1, MAX, MAX + 1])
@pytest.mark.parametrize("random", [True, False])
@pytest.mark.parametrize("cuts", [[], [500]])
def test_the_limit_is_that_of_the_expanded_message(size: int, random: bool, cuts: list[int]) -> None:
    # What can't be compressed is longer on the wire than it is.
    data = (
        b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big") for n in range(size // 4 + 1))
        if random
        else bytes(size)
    )
    wire = fragments(BINARY, Client(keeps_context=False).compress(data[:size]), cuts, False)
    expected = [data[:size]] if size <= MAX else [Failed(1009, "message too big")]
    assert reader().feed(wire) == expected


@pytest.mark.parametrize("size", [MAX + MAX // 1000 + 65, 10**9])
def test_no_more_is_held_than_a_message_within_the_limit_can_need(size: int) -> None:
    head = bytes((0x80 | RSV1 | TEXT, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4)
    assert reader().feed(head) == [Failed(1009, "message too big")]


@pytest.mark.parametrize("cuts", [[], [2]])
@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x07garbage", b"\x06\x00\xff"])
def test_what_is_no_compressed_data_is_refused(garbage: bytes, cuts: list[int]) -> None:
    assert reader().feed(fragments(BINARY, garbage, cuts, False)) == [Failed(1007, "invalid compressed data")]


def test_compressed_text_must_be_text() -> None:
    wire = fragments(TEXT, Client(keeps_context=False).compress(b"\xff\xfe"), [], False)
    assert reader().feed(wire) == [Failed(1007, "invalid UTF-8")]
    wire = fragments(TEXT, Client(keeps_context=False).compress(b"\xff\xfe"), [1], False)
    assert reader().feed(wire) == [Failed(1007, "invalid UTF-8")]


@pytest.mark.parametrize(
    "wire",
    [
        frame(PING | RSV1, b"x"),
        frame(TEXT | RSV1, b"x", fin=False) + frame(CONT | RSV1, b"x"),
        frame(TEXT | 0x20, b"x"),
        frame(TEXT | RSV1 | 0x10, b"x"),
        frame(TEXT, b"x", fin=False) + frame(TEXT | RSV1, b"x"),
        frame(3 | RSV1, b"x"),
    ],
)
def test_a_reserved_bit_where_none_belongs_is_refused(wire: bytes) -> None:
    events = reader().feed(wire)
    assert isinstance(events[-1], Failed)
    assert events[-1].code == 1002


def test_without_an_agreement_no_compressed_message_is_taken() -> None:
    plain = FrameReader(max_message=MAX, max_fragments=100)
    events = plain.feed(fragments(TEXT, Client(keeps_context=False).compress(b"text"), [], False))
    assert events == [Failed(1002, "reserved bits must be 0")]


def test_a_last_block_ends_the_context() -> None:
    # Section 7.2.3.4: a block with BFINAL, and nothing behind it.
    inflater = Inflater(Agreement(True, 15, 15), MAX)
    for _ in range(2):
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        assert inflater.inflate([compressor.compress(b"text") + compressor.flush(zlib.Z_FINISH)]) == b"text"


def test_an_empty_message_is_one_byte() -> None:
    assert Inflater(Agreement(True, 15, 15), MAX).inflate([b"\x00"]) == b""


# -- ours ------------------------------------------------------------------------------------------


@given(st.binary(max_size=5000), st.integers(9, 15), st.integers(1, 9), st.integers(1, 9))
def test_what_we_compress_comes_out_by_itself(data: bytes, bits: int, level: int, memory: int) -> None:
    for _ in range(2):
        compressed = deflate(data, bits=bits, level=level, memory=memory)
        assert Inflater(Agreement(False, bits, 15), MAX).inflate([compressed]) == data


def test_one_byte_over_the_limit_is_a_violation() -> None:
    inflater = Inflater(Agreement(True, 15, 15), 10)
    assert inflater.inflate([deflate(b"x" * 10, bits=15, level=1, memory=8)]) == b"x" * 10
    with pytest.raises(Violation):
        inflater.inflate([deflate(b"x" * 11, bits=15, level=1, memory=8)])
