"""Rules that hold for every codec."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.codec import Codec, Decoder, Encoded
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    NotJoined,
    Packet,
)

# A busy machine is no reason to fail.
property_test = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CODECS: list[Codec] = [JSONCodec(), MsgpackCodec()]
codecs = pytest.mark.parametrize("codec", CODECS, ids=["json", "msgpack"])


@dataclass
class Point:
    """A value of an application."""

    x: int
    picture: bytes = b""


class Colour(Enum):
    """An enumeration of an application."""

    RED = "red"


class Level(IntEnum):
    """One whose members are integers."""

    LOW = 1


class Markup(str):
    """A string of a subclass, as template engines make them."""

    __slots__ = ()


class Metres(float):
    """A float of a subclass, as numeric libraries make them."""


class All:
    """The namespaces of a peer that has joined all there are."""

    def __contains__(self, namespace: object) -> bool:
        return True


ALL = All()


def messages(encoded: Encoded) -> list[str | bytes]:
    """List what goes over the wire, in order."""
    text = [] if encoded.text is None else [encoded.text.decode()]
    return [*text, *encoded.attachments]


def feed(decoder: Decoder, encoded: Encoded) -> Packet:
    """Give a decoder all messages of a packet; only the last one may complete it."""
    *first, last = messages(encoded)
    for message in first:
        assert decoder.feed(message) is None
        assert decoder.pending
    packet = decoder.feed(last)
    assert not decoder.pending
    assert packet is not None
    return packet


def arrives(codec: Codec, value: Any) -> Any:
    """Tell what the other side gets for an argument."""
    return feed(codec.decoder(ALL), codec.encode(Packet(EVENT, "/", ["e", value]))).data[1]


def nested(levels: int) -> Any:
    """Return lists nested ``levels`` deep."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@codecs
@pytest.mark.parametrize(
    "packet",
    [
        Packet(CONNECT, "/"),
        Packet(CONNECT, "/chat", {"sid": "abc"}),
        Packet(CONNECT, "/chat?token=1"),
        Packet(DISCONNECT, "/"),
        Packet(DISCONNECT, "/chat"),
        Packet(EVENT, "/", ["e"]),
        Packet(EVENT, "/", ["e", 1, {"a": [None, True, 1.5, "ü✓\u2028\0"]}], 0),
        Packet(EVENT, "/chat", [1, b"\0\xff", {"b": [b""]}], 9_999_999_999_999_999),
        Packet(ACK, "/", [], 7),
        Packet(ACK, "/chat", [{"x": b"1"}], 7),
        Packet(CONNECT_ERROR, "/chat", {"message": "no", "data": [1]}),
        Packet(CONNECT_ERROR, "/chat", "no"),
    ],
)
def test_packets_arrive_as_they_were_sent(codec: Codec, packet: Packet) -> None:
    assert feed(codec.decoder(ALL), codec.encode(packet)) == packet


@pytest.mark.feature(95)
@pytest.mark.feature(101)
@codecs
@pytest.mark.parametrize(
    ("value", "received"),
    [
        ((1, (2, b"3")), [1, [2, b"3"]]),
        ([bytearray(b"a"), memoryview(b"abcd")[::2]], [b"a", b"ac"]),
        (Point(1, b"p"), {"x": 1, "picture": b"p"}),
        ({"in": [Point(1)]}, {"in": [{"x": 1, "picture": b""}]}),
        ([Colour.RED, Level.LOW], ["red", 1]),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
        ({1}, [1]),
        ([Markup("<b>"), Metres(1.5)], ["<b>", 1.5]),
    ],
)
def test_values_beyond_json_arrive_as_their_plain_form(codec: Codec, value: Any, received: Any) -> None:
    assert arrives(codec, value) == received


@codecs
def test_the_arguments_are_left_untouched(codec: Codec) -> None:
    arguments = ["e", {"a": [b"1", (2,)]}, Point(1)]
    codec.encode(Packet(EVENT, "/", arguments))
    assert arguments == ["e", {"a": [b"1", (2,)]}, Point(1)]


@codecs
@pytest.mark.parametrize("value", [object(), [print], {"a": 1j}])
def test_values_without_a_plain_form_are_refused(codec: Codec, value: Any) -> None:
    with pytest.raises(TypeError):
        codec.encode(Packet(EVENT, "/", ["e", value]))


@codecs
@pytest.mark.parametrize("leaf", [1, b"1", Decimal(1), "\ud800"], ids=["plain", "binary", "object", "odd"])
def test_the_depth_of_what_is_sent_is_limited(codec: Codec, leaf: Any) -> None:
    deepest = [nested(126), leaf]
    codec.encode(Packet(EVENT, "/", ["e", deepest]))
    codec.encode(Packet(EVENT, "/", ["e", {"a": deepest[0]}, leaf]))
    with pytest.raises(ValueError, match="deep"):
        codec.encode(Packet(EVENT, "/", ["e", [nested(127), leaf]]))
    with pytest.raises(ValueError, match="deep"):
        codec.encode(Packet(CONNECT_ERROR, "/", {"message": "", "data": [nested(127), leaf]}))


@codecs
@pytest.mark.parametrize("leaf", [1, b"1", Decimal(1), "\ud800"], ids=["plain", "binary", "object", "odd"])
def test_endless_depth_is_a_value_error(codec: Codec, leaf: Any) -> None:
    ring: list[Any] = [leaf]
    ring.append(ring)
    for value in (ring, nested(100_000)):
        with pytest.raises(ValueError, match="deep"):
            codec.encode(Packet(EVENT, "/", [leaf, value]))


@codecs
def test_a_namespace_that_was_not_joined_is_refused_before_the_payload_is_parsed(codec: Codec) -> None:
    for type_ in (EVENT, ACK):
        first, *_ = messages(codec.encode(Packet(type_, "/n", ["e", b"1"])))
        # The last byte is part of the payload, which isn't whole without it.
        broken = first[:-1] if isinstance(first, str) else first.replace(b"\xa1e", b"\xa1\xff")
        with pytest.raises(NotJoined, match="/n"):
            codec.decoder({"/"}).feed(broken)
        with pytest.raises(PacketError) as caught:
            codec.decoder({"/n"}).feed(broken)
        assert not isinstance(caught.value, NotJoined)


@codecs
def test_connect_is_for_namespaces_that_were_not_joined(codec: Codec) -> None:
    packet = Packet(CONNECT, "/n", {"token": "1"})
    assert feed(codec.decoder(()), codec.encode(packet)) == packet


@codecs
def test_a_decoder_takes_packet_after_packet(codec: Codec) -> None:
    decoder = codec.decoder(ALL)
    for number in range(5):
        packet = Packet(EVENT, "/", [number, b"x" * number], number)
        assert feed(decoder, codec.encode(packet)) == packet
