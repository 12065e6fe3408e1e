"""Engine.IO packets (engine.io-protocol, "Packet encoding")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.engineio.packet import (
    CLOSE,
    MESSAGE,
    NOOP,
    OPEN,
    PING,
    PONG,
    UPGRADE,
    Batch,
    Message,
    Packet,
    decode_binary,
    decode_text,
)
from socketio_sync.protocol.engineio.payload import control, message_v3_text, message_v4

REVISIONS = st.sampled_from([3, 4])


@pytest.mark.parametrize("revision", [3, 4])
@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('0{"sid":"x"}', Packet(OPEN, '{"sid":"x"}')),
        ("1", Packet(CLOSE)),
        ("2", Packet(PING)),
        ("2probe", Packet(PING, "probe")),
        ("3probe", Packet(PONG, "probe")),
        ("4", Packet(MESSAGE)),
        ("4hello €", Packet(MESSAGE, "hello €")),
        ("42[1]", Packet(MESSAGE, "2[1]")),
        ("5", Packet(UPGRADE)),
        ("6", Packet(NOOP)),
    ],
)
def test_the_first_character_of_a_text_is_its_type(text: str, packet: Packet, revision: int) -> None:
    assert decode_text(text, revision) == packet
    assert isinstance(decode_text(text, revision), Packet)


@pytest.mark.parametrize(
    ("text", "revision", "data"),
    [
        ("bAQIDBA==", 4, b"\x01\x02\x03\x04"),
        ("b4AQID", 3, b"\x01\x02\x03"),
        ("b", 4, b""),
        ("b4", 3, b""),
    ],
)
def test_base64_texts_are_binary_messages(text: str, revision: int, data: bytes) -> None:
    assert decode_text(text, revision) == Packet(MESSAGE, data)


@pytest.mark.parametrize("revision", [3, 4])
@pytest.mark.parametrize(
    "text", ["", "7", "9", "x", "\x00", "٤hello", "²", "abc", "bA", "b4A", "b4A!ID", "b4€"]
)
def test_malformed_texts_are_refused(text: str, revision: int) -> None:
    with pytest.raises(PacketError):
        decode_text(text, revision)


@pytest.mark.parametrize("text", ["b", "b2", "b2AQID", "bbbb"])
def test_only_messages_are_binary_in_revision_3(text: str) -> None:
    with pytest.raises(PacketError):
        decode_text(text, 3)


def test_a_binary_frame_of_revision_4_is_a_message_as_it_stands() -> None:
    assert decode_binary(b"\x04\x01", 4) == Packet(MESSAGE, b"\x04\x01")
    assert decode_binary(b"", 4) == Packet(MESSAGE, b"")


def test_a_binary_frame_of_revision_3_begins_with_its_type() -> None:
    assert decode_binary(b"\x04\x01\x02", 3) == Packet(MESSAGE, b"\x01\x02")
    assert decode_binary(b"\x04", 3) == Packet(MESSAGE, b"")


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02probe", b"4abc", b"\x07", b"\xff"])
def test_other_binary_frames_of_revision_3_are_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_binary(data, 3)


@given(st.one_of(st.text(), st.text(alphabet="0456b4AQ=+/\n-_€")), REVISIONS)
def test_any_text_is_a_packet_or_a_packet_error(text: str, revision: int) -> None:
    try:
        packet = decode_text(text, revision)
    except PacketError:
        return
    assert 0 <= packet.type <= 6
    assert packet.type == MESSAGE or isinstance(packet.data, str)


@given(st.binary(), REVISIONS)
def test_any_binary_is_a_message_or_a_packet_error(data: bytes, revision: int) -> None:
    try:
        assert decode_binary(data, revision).type == MESSAGE
    except PacketError:
        assert revision == 3


@given(st.integers(0, 6), st.text())
def test_what_is_encoded_for_one_frame_decodes_to_itself(number: int, data: str) -> None:
    for revision in (3, 4):
        assert decode_text(control(number, data, 4).decode(), revision) == Packet(number, data)


@given(st.binary())
def test_binary_sent_as_base64_decodes_to_itself(data: bytes) -> None:
    assert decode_text(message_v4(data, True).decode(), 4) == Packet(MESSAGE, data)
    _, _, item = message_v3_text(data, True).partition(b":")
    assert decode_text(item.decode(), 3) == Packet(MESSAGE, data)


def test_a_message_is_rendered_once_per_encoder() -> None:
    calls: list[str] = []

    def first(data: bytes, binary: bool) -> bytes:
        calls.append("first")
        return b"1" + data

    def second(data: bytes, binary: bool) -> bytes:
        calls.append("second")
        return b"2" + data

    message = Message(b"x", False)
    rendering = message.rendered(first)
    assert rendering == b"1x"
    assert message.rendered(second) == b"2x"
    assert message.rendered(first) is rendering
    assert message.rendered(second) == b"2x"
    assert calls == ["first", "second"]


def test_a_binary_message_to_a_mixed_room_keeps_its_forms_apart() -> None:
    def as_frame(data: bytes, binary: bool) -> bytes:
        return data

    message = Message(b"\x01\x02\x03", True)
    assert message.rendered(as_frame) == b"\x01\x02\x03"
    assert message.rendered(message_v4) == b"bAQID"
    assert message.rendered(as_frame) == b"\x01\x02\x03"


def test_a_batch_is_rendered_once_per_encoder() -> None:
    one, two = Batch([Message(b"a", False)]), Batch([Message(b"b", False), Message(b"c", True)])
    both = Batch.of([one, two])
    assert [len(part) for part in both.parts] == [1, 2]
    assert (one.size, two.size, both.size) == (1, 2, 3)
    calls: list[bytes] = []

    def encoder(data: bytes, binary: bool) -> bytes:
        calls.append(data)
        return b"%d%b;" % (binary, data)

    rendering = both.rendered(encoder)
    assert rendering == b"0a;0b;1c;"
    assert both.rendered(encoder) is rendering
    assert one.rendered(encoder) == b"0a;"
    assert calls == [b"a", b"b", b"c"]
    assert two.rendered(lambda data, binary: data) == b"bc"


def test_a_rendering_that_fails_is_tried_again() -> None:
    attempts: list[bytes] = []

    def encoder(data: bytes, binary: bool) -> bytes:
        attempts.append(data)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return data

    message = Message(b"x", False)
    with pytest.raises(ValueError, match="not yet"):
        message.rendered(encoder)
    assert message.rendered(encoder) == b"x"
