"""Rules of the MessagePack codec."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet
from tests.protocol.socketio.test_codec import ALL, arrives, feed, nested, property_test

codec = MsgpackCodec()
pack = msgspec.msgpack.encode

EXT = msgspec.msgpack.Ext
UNDEFINED = EXT(0, b"\0")
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
values = st.recursive(
    scalars | st.text() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def decode(wire: Any) -> Packet | None:
    """Decode one packet, given as what MessagePack says."""
    return codec.decoder(ALL).feed(pack(wire))


def sent(packet: Packet) -> bytes:
    """Return the one message of a packet."""
    text, attachments = codec.encode(packet)
    assert text is None
    (message,) = attachments
    return message


@pytest.mark.parametrize(
    ("hexadecimal", "packet"),
    [
        # As socket.io-msgpack-parser 3.0.2 writes them.
        ("83a47479706500a464617461d40000a36e7370a12f", Packet(CONNECT, "/")),
        ("82a47479706500a36e7370a12f", Packet(CONNECT, "/")),
        ("82a47479706501a36e7370a52f63686174", Packet(DISCONNECT, "/chat")),
        (
            "85a47479706502a46461746192a2657693c4020102d40000d700000000000000007fa2696407"
            "a36e7370a12fa76f7074696f6e7381a8636f6d7072657373c3",
            Packet(
                EVENT,
                "/",
                ["ev", [b"\1\2", None, datetime(1970, 1, 1, 0, 0, 0, 127000, tzinfo=timezone.utc)]],
                7,
            ),
        ),
        # As msgpack libraries with the standard's timestamps write them.
        (
            "83a47479706502a46461746192a26576d6ff6553f100a36e7370a12f",
            Packet(EVENT, "/", ["ev", datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)]),
        ),
    ],
)
def test_messages_of_javascript_are_understood(hexadecimal: str, packet: Packet) -> None:
    assert codec.decoder(ALL).feed(bytes.fromhex(hexadecimal)) == packet


@pytest.mark.parametrize(
    ("packet", "hexadecimal"),
    [
        (Packet(DISCONNECT, "/"), "82a47479706501a36e7370a12f"),
        (Packet(ACK, "/", (b"\1", 1), 7), "84a47479706503a36e7370a12fa2696407a46461746192c4010101"),
        (Packet(CONNECT, "/", {"sid": "x"}), "83a47479706500a36e7370a12fa46461746181a3736964a178"),
    ],
)
def test_packets_are_one_map_without_absent_fields(packet: Packet, hexadecimal: str) -> None:
    assert sent(packet).hex() == hexadecimal


@pytest.mark.parametrize("absent", [None, UNDEFINED])
def test_nil_and_undefined_are_absent(absent: Any) -> None:
    assert decode({"type": 0, "nsp": "/", "data": absent, "id": absent}) == Packet(CONNECT, "/")
    assert decode({"type": 3, "nsp": "/", "data": [absent], "id": absent}) == Packet(ACK, "/", [None])
    assert decode({"type": 3, "nsp": "/", "data": absent, "id": 1}) == Packet(ACK, "/", None, 1)


def test_unknown_fields_are_ignored() -> None:
    wire = {"type": 2, "nsp": "/", "data": ["e"], "options": {"compress": True}, "attachments": 3}
    assert decode(wire) == Packet(EVENT, "/", ["e"])


@pytest.mark.parametrize("type_", [CONNECT, DISCONNECT, CONNECT_ERROR])
def test_only_events_and_acks_have_an_id(type_: int) -> None:
    assert decode({"type": type_, "nsp": "/", "id": 5}) == Packet(type_, "/")


def wires(field: str, refused: list[Any], **others: Any) -> list[dict[str, Any]]:
    """Return packets with one refused field each."""
    return [{"nsp": "/", **others, field: value} for value in refused]


@pytest.mark.parametrize(
    "wire",
    [
        *(None, 1, [], {}, "2", {"type": 2}, {"nsp": "/"}),
        *wires("nsp", [None, b"/", 1], type=1),
        *wires("type", [-1, 5, 6, 7, 2.5, "2", True, None, 2**64 - 1], data=["e"]),
        *wires("data", [[], "x", 1, True, b"{}"], type=0),
        *wires("data", [{}, [], 0], type=1),
        *wires("data", [None, [], {}, ["connect"], [None], [b"e"], [True]], type=2),
        *wires("data", [{}, "x", 1], type=3),
        *wires("data", [["e", {key: 1}] for key in (b"k", None, True, (1,))], type=2),
        *wires(
            "data", [["e", EXT(5, b"x")], ["e", EXT(0, b"\x7f" + b"\xff" * 7)], ["e", EXT(-1, b"x")]], type=2
        ),
        *wires("id", [-1, 10**16, 1.0, "1", True, [], b"1"], type=2, data=["e"]),
    ],
)
def test_malformed_packets_are_refused(wire: Any) -> None:
    with pytest.raises(PacketError):
        decode(wire)


@pytest.mark.parametrize("data", ["", '2["e"]', b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 50_000])
def test_what_is_not_messagepack_is_refused(data: str | bytes) -> None:
    with pytest.raises(PacketError):
        codec.decoder(ALL).feed(data)


def test_limits_of_ids_namespaces_and_names() -> None:
    longest = {"type": 2, "nsp": "/" + "n" * 255, "data": ["x" * 256], "id": 10**16 - 1}
    assert decode(longest)
    for change in ({"nsp": "/" + "n" * 256}, {"data": ["x" * 257]}, {"id": 10**16}):
        with pytest.raises(PacketError):
            decode(longest | change)


def test_the_levels_are_limited() -> None:
    assert decode({"type": 2, "nsp": "/", "data": ["e", nested(127)]})
    for levels in (128, 500):
        with pytest.raises(PacketError):
            decode({"type": 2, "nsp": "/", "data": ["e", nested(levels)]})
    with pytest.raises(PacketError):
        codec.decoder(ALL).feed(bytes.fromhex("83a47479706502a36e7370a12fa464617461") + b"\x91" * 50_000)


def test_datetimes_with_a_zone_arrive_as_dates() -> None:
    moment = datetime(1969, 7, 20, 22, 17, 40, 123000, tzinfo=timezone(timedelta(hours=2)))
    assert arrives(codec, [moment]) == [moment]
    assert bytes.fromhex("d700") in sent(Packet(EVENT, "/", ["e", moment]))


def test_what_messagepack_cannot_say_is_rounded() -> None:
    assert arrives(codec, [2**64, -(2**70), 2**64 - 1]) == [float(2**64), -float(2**70), 2**64 - 1]
    assert arrives(codec, {"\ud800": "a\ud83db😀"}) == {"\ufffd": "a\ufffdb😀"}
    with pytest.raises(ValueError, match="too large"):
        codec.encode(Packet(EVENT, "/", ["e", 10**400]))


def test_numbers_that_are_not_finite_pass() -> None:
    received = arrives(codec, [math.nan, math.inf, -math.inf])
    assert math.isnan(received[0])
    assert received[1:] == [math.inf, -math.inf]


@property_test
@given(st.lists(values, max_size=3), st.none() | st.integers(0, 10**16 - 1))
def test_events_and_acks_arrive_as_they_were_sent(arguments: list[Any], id_: int | None) -> None:
    for packet in (Packet(EVENT, "/n", ["e", *arguments], id_), Packet(ACK, "/", arguments, id_)):
        assert feed(codec.decoder(ALL), codec.encode(packet)) == packet


prefixes = st.sampled_from(
    ["", "83a47479706502a36e7370a12fa464617461", "83a47479706502a36e7370a12fa464617461dc0002a165"]
)


@property_test
@given(prefixes, st.binary(max_size=40))
def test_any_bytes_are_a_packet_or_a_packet_error(prefix: str, rest: bytes) -> None:
    try:
        packet = codec.decoder(ALL).feed(bytes.fromhex(prefix) + rest)
    except PacketError:
        return
    assert packet is not None
