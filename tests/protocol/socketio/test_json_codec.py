"""Rules of the default codec."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import PacketError, PayloadTooLarge
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.packet import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    RESERVED_EVENTS,
    Packet,
)
from tests.protocol.socketio.test_codec import ALL, feed, property_test

codec = JSONCodec()

scalars = st.none() | st.booleans() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False)
leaves = scalars.filter(lambda x: x not in (float("inf"), float("-inf"))) | st.text() | st.binary(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
).filter(lambda value: "_placeholder" not in str(value))
names = st.text(max_size=256).filter(lambda name: name not in RESERVED_EVENTS)
ids = st.none() | st.integers(0, 10**16 - 1)
namespaces = st.sampled_from(["/", "/chat", "/a b?c[ü]", "/1-2"])


def decode(*messages: str | bytes, codec: JSONCodec = codec) -> Packet | None:
    """Return what the last message gives."""
    decoder = codec.decoder(ALL)
    for message in messages[:-1]:
        assert decoder.feed(message) is None
    return decoder.feed(messages[-1])


# socket.io-protocol, "Packet encoding", "Sample session", and the heads that clients have been seen to send.
SPECIFIED = [
    ("0", Packet(CONNECT, "/")),
    ('0{"token":"123"}', Packet(CONNECT, "/", {"token": "123"})),
    ("0/", Packet(CONNECT, "/")),
    ("0/,", Packet(CONNECT, "/")),
    ("0/admin", Packet(CONNECT, "/admin")),
    ("0/admin,", Packet(CONNECT, "/admin")),
    ('0/admin,{"token":"123"}', Packet(CONNECT, "/admin", {"token": "123"})),
    ("0/chat?token=1&b=2", Packet(CONNECT, "/chat?token=1&b=2")),
    ("0/chat?token=1,", Packet(CONNECT, "/chat?token=1")),
    ("012", Packet(CONNECT, "/")),
    ("1", Packet(DISCONNECT, "/")),
    ("1/admin,", Packet(DISCONNECT, "/admin")),
    ('2["foo"]', Packet(EVENT, "/", ["foo"])),
    ('2["hello",1]', Packet(EVENT, "/", ["hello", 1])),
    ('2/admin,["bar"]', Packet(EVENT, "/admin", ["bar"])),
    ('212["foo"]', Packet(EVENT, "/", ["foo"], 12)),
    ('2/admin,456["project:delete",123]', Packet(EVENT, "/admin", ["project:delete", 123], 456)),
    ('20["e"]', Packet(EVENT, "/", ["e"], 0)),
    ('2007["e"]', Packet(EVENT, "/", ["e"], 7)),
    ('2/,007["e"]', Packet(EVENT, "/", ["e"], 7)),
    ('2["e",{"_placeholder":true,"num":0}]', Packet(EVENT, "/", ["e", {"_placeholder": True, "num": 0}])),
    ("2[1]", Packet(EVENT, "/", [1])),
    ('2 ["e"]', Packet(EVENT, "/", ["e"])),
    ("312[]", Packet(ACK, "/", [], 12)),
    ('3/admin,456["x"]', Packet(ACK, "/admin", ["x"], 456)),
    ('3["x"]', Packet(ACK, "/", ["x"])),
    ("312", Packet(ACK, "/", None, 12)),
    ("3", Packet(ACK, "/")),
    ('4/admin,{"message":"no"}', Packet(CONNECT_ERROR, "/admin", {"message": "no"})),
    ('4/admin,"no"', Packet(CONNECT_ERROR, "/admin", "no")),
    ("4", Packet(CONNECT_ERROR, "/")),
]


@pytest.mark.parametrize(("text", "packet"), SPECIFIED, ids=[text for text, _ in SPECIFIED])
def test_texts_that_are_packets(text: str, packet: Packet) -> None:
    assert decode(text) == packet


P0, P1 = '{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}'


@pytest.mark.parametrize(
    ("messages", "packet"),
    [
        ([f'51-["e",{P0}]', b"\1"], Packet(EVENT, "/", ["e", b"\1"])),
        ([f'51-/admin,456["e",{P0}]', b"\1"], Packet(EVENT, "/admin", ["e", b"\1"], 456)),
        ([f'52-["e",{P1},{{"a":[{P0}]}}]', b"0", b"1"], Packet(EVENT, "/", ["e", b"1", {"a": [b"0"]}])),
        ([f"61-/admin,456[{P0}]", b""], Packet(ACK, "/admin", [b""], 456)),
        ([f"61-[{P0}]", b"1"], Packet(ACK, "/", [b"1"])),
        (['51-["e"]', b"unused"], Packet(EVENT, "/", ["e"])),
        ([f'501-["e",{P0}]', b"1"], Packet(EVENT, "/", ["e", b"1"])),
    ],
)
def test_binary_packets_come_out_with_their_attachments(messages: list[str | bytes], packet: Packet) -> None:
    assert decode(*messages) == packet


MALFORMED = [
    *(
        "",
        "7",
        "a",
        "-1",
        " 2",
        "٢",
        "\0",
        "b",
        '2"e"',
        "21",
        "20",
        "2" + "1" * 30,
        "2[",
        "2[,]",
        '2["e"',
        "2e",
    ),
    *("2", "2[]", "2{}", "2[null]", "2[true]", "2[[]]", "2null", '2["e"]x', '2/n["e"]', "2/n,", "2\x001"),
    *('2-1["e"]', '2+1["e"]', '2٣["e"]', '2²["e"]', '2/n,٣["e"]', '2 1["e"]', '21.0["e"]'),
    *("0[]", '0"x"', "0null", "01null", "0{", "0true", "1{}", "1null", "1[]", "1/n,{}", "3{}", "3null", "3x"),
    *(f'2["{name}"]' for name in RESERVED_EVENTS),
    *(f'2/n,1["{name}"]' for name in RESERVED_EVENTS),
    *('50-["e"]', '5-["e"]', '5["e"]', '51["e"]', '51.0-["e"]', '5-1-["e"]', '5٣-["e"]', '511-["e"]', "6"),
    *(
        "5" + "0" * 20 + '1-["e"]',
        "5" + "9" * 400 + '-["e"]',
        "51-",
        "61-",
        "61-5",
        "51-null",
        "51-[]",
        "61-{}",
    ),
    *(
        f'51-["e",{{"_placeholder":true,"num":{number}}}]'
        for number in ("1", "-1", "0.0", '"0"', "true", "null")
    ),
    *('51-["e",{"_placeholder":true}]', f'51-["e",{P0},{P0}]', f"51-[{P0}]", "4x", "4{", '2["e",NaN]'),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_texts_are_refused(text: str) -> None:
    with pytest.raises(PacketError):
        decode(text)


@pytest.mark.parametrize("head", ["2", "2/n,", "3", "3/n,", "0", "51-", "61-/n,"])
def test_ids_are_limited(head: str) -> None:
    payload = "{}" if head == "0" else '["e"]'
    for digits in ("9" * 16, "0" * 15 + "1"):
        messages: list[str | bytes] = [f"{head}{digits}{payload}", *([b""] if "-" in head else [])]
        packet = decode(*messages)
        assert packet is not None
        assert packet.id == (None if head == "0" else int(digits))
    for digits in ("9" * 17, "0" * 17, "1" + "0" * 400):
        with pytest.raises(PacketError):
            decode(f"{head}{digits}{payload}")


@pytest.mark.parametrize("head", ["0", "1", "2", "3", "51-"])
def test_namespaces_are_limited(head: str) -> None:
    payload = '["e"]' if head in ("2", "3", "51-") else ""
    joined = {"/" + "n" * 255, "/" + "n" * 256}
    JSONCodec().decoder(joined).feed(f"{head}/{'n' * 255},{payload}")
    with pytest.raises(PacketError, match="256 are allowed"):
        JSONCodec().decoder(joined).feed(f"{head}/{'n' * 256},{payload}")


def test_event_names_are_limited() -> None:
    assert decode(f'2["{"x" * 256}"]')
    with pytest.raises(PacketError):
        decode(f'2["{"x" * 257}"]')


def test_attachments_are_limited() -> None:
    tight = JSONCodec(max_attachments=3)
    assert decode('53-["e"]', b"", b"", b"", codec=tight) == Packet(EVENT, "/", ["e"])
    with pytest.raises(PacketError):
        decode('54-["e"]', codec=tight)


def test_the_bytes_of_attachments_are_limited_together() -> None:
    tight = JSONCodec(max_binary_bytes=10)
    assert decode(f'52-["e",{P0}]', b"12345", b"67890", codec=tight) == Packet(EVENT, "/", ["e", b"12345"])
    with pytest.raises(PayloadTooLarge):
        decode('52-["e"]', b"12345", b"678901", codec=tight)


def test_depth_and_digits_are_limited() -> None:
    tight = JSONCodec(max_depth=3, max_integer_digits=5)
    assert decode('2["e",[[12345]]]', codec=tight) == Packet(EVENT, "/", ["e", [[12345]]])
    for text in ('2["e",[[[]]]]', '2["e",[[123456]]]', '2/n,["e",[[[]]]]', "3[[[[]]]]"):
        with pytest.raises(PacketError):
            decode(text, codec=tight)
    tight.encode(Packet(EVENT, "/", ["e", [[123456]]]))
    with pytest.raises(ValueError, match="deep"):
        tight.encode(Packet(EVENT, "/", ["e", [[[]]]]))


@pytest.mark.parametrize("message", ["", '2["e"]', "1", "x"])
def test_text_while_attachments_are_due_is_refused(message: str) -> None:
    decoder = codec.decoder(ALL)
    assert not decoder.pending
    decoder.feed('52-["e"]')
    decoder.feed(b"1")
    assert decoder.pending
    with pytest.raises(PacketError):
        decoder.feed(message)


def test_binary_while_nothing_is_due_is_refused() -> None:
    decoder = codec.decoder(ALL)
    with pytest.raises(PacketError):
        decoder.feed(b"")
    decoder.feed('51-["e"]')
    decoder.feed(b"1")
    with pytest.raises(PacketError):
        decoder.feed(b"2")


@pytest.mark.parametrize(
    ("packet", "text", "attachments"),
    [
        (Packet(CONNECT, "/"), "0", []),
        (Packet(CONNECT, "/chat", {"sid": "x"}), '0/chat,{"sid":"x"}', []),
        (Packet(CONNECT, "/chat"), "0/chat,", []),
        (Packet(DISCONNECT, "/chat"), "1/chat,", []),
        (Packet(EVENT, "/", ("e", 1)), '2["e",1]', []),
        (Packet(EVENT, "/chat", ["e", (1,)], 12), '2/chat,12["e",[1]]', []),
        (Packet(EVENT, "/", ["e", float("nan")], 0), '20["e",null]', []),
        (Packet(EVENT, "/ü", ["\ud83d"]), '2/ü,["\\ud83d"]', []),
        (Packet(ACK, "/", [], 12), "312[]", []),
        (Packet(CONNECT_ERROR, "/n", {"message": "no"}), '4/n,{"message":"no"}', []),
        (Packet(CONNECT_ERROR, "/n", "no"), '4/n,"no"', []),
        (Packet(EVENT, "/", ["e", b"0", [bytearray(b"1")]]), f'52-["e",{P0},[{P1}]]', [b"0", b"1"]),
        (Packet(EVENT, "/", ["\ud83d", b"0"]), f'51-["\\ud83d",{P0}]', [b"0"]),
        (Packet(ACK, "/n", (b"",), 3), f"61-/n,3[{P0}]", [b""]),
    ],
)
def test_packets_are_written_as_specified(packet: Packet, text: str, attachments: list[bytes]) -> None:
    encoded = codec.encode(packet)
    assert encoded.text is not None
    assert encoded.text.decode() == text
    assert list(encoded.attachments) == attachments


def test_only_events_and_acks_can_carry_binary() -> None:
    for type_ in (CONNECT, CONNECT_ERROR):
        with pytest.raises(ValueError, match="binary"):
            codec.encode(Packet(type_, "/", {"a": b"1"}))


@property_test
@given(names, st.lists(values, max_size=3), namespaces, ids)
def test_events_arrive_as_they_were_sent(
    name: str, arguments: list[Any], namespace: str, id_: int | None
) -> None:
    roomy = JSONCodec(max_attachments=100)
    packet = Packet(EVENT, namespace, [name, *arguments], id_)
    assert feed(roomy.decoder(ALL), roomy.encode(packet)) == packet


@property_test
@given(st.lists(values, max_size=3), namespaces, ids)
def test_acks_arrive_as_they_were_sent(arguments: list[Any], namespace: str, id_: int | None) -> None:
    roomy = JSONCodec(max_attachments=100)
    packet = Packet(ACK, namespace, arguments, id_)
    assert feed(roomy.decoder(ALL), roomy.encode(packet)) == packet


@property_test
@given(st.lists(st.none() | st.booleans() | st.text() | st.binary(), max_size=12), namespaces, ids)
def test_arguments_without_containers_are_written_as_those_with_them(
    arguments: list[Any], namespace: str, id_: int | None
) -> None:
    short, long = (codec.encode(Packet(ACK, namespace, kind(arguments), id_)) for kind in (tuple, list))
    assert (short.text, list(short.attachments)) == (long.text, list(long.attachments))


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ('{"_placeholder":true,"num":0}', [b"x"]),
        ('1,{"_placeholder":true,"num":0}', [1, b"x"]),
        ('{"_placeholder":true,"num":0},1', [b"x", 1]),
        ('{"num":0,"_placeholder":true}', [b"x"]),
        ('[{"_placeholder":true,"num":0}]', [[b"x"]]),
        ('[1,{"_placeholder":true,"num":0}]', [[1, b"x"]]),
        ('{"a":[1,{"_placeholder":true,"num":0}]}', [{"a": [1, b"x"]}]),
        ('",{\\"_placeholder\\":true,\\"num\\":0}]"', [',{"_placeholder":true,"num":0}]']),
    ],
)
def test_a_single_attachment_is_found_wherever_it_stands(arguments: str, data: list[Any]) -> None:
    assert decode(f'51-["e",{arguments}]', b"x") == Packet(EVENT, "/", ["e", *data])


def test_a_second_placeholder_for_the_only_attachment_is_refused() -> None:
    placeholder = '{"_placeholder":true,"num":0}'
    with pytest.raises(PacketError):
        decode(f'51-["e",{placeholder},{placeholder}]')


heads = st.sampled_from(["", "0", "1", "2", "3", "4", "51-", "62-", "2/n,", "212", "51-/n,7", "510-", "5"])
bodies = st.text() | st.text(st.sampled_from('[]{}",:_placeholdernum0123456789truefals\\ud8٣-/\ud800'))


@property_test
@given(st.lists(st.binary(max_size=4) | st.builds(str.__add__, heads, bodies), max_size=4))
def test_any_messages_are_packets_or_a_packet_error(messages: list[str | bytes]) -> None:
    decoder = JSONCodec(max_depth=4, max_integer_digits=6, max_binary_bytes=6).decoder(ALL)
    for message in messages:
        try:
            packet = decoder.feed(message)
        except PacketError:
            return
        assert (packet is None) is decoder.pending
