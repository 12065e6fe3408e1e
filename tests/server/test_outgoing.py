"""Packets on their way out are encoded once, and reserved names never leave."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.packet import EVENT, RESERVED_EVENTS, Packet
from socketio_sync.server.outgoing import Broadcast, check_event_name, messages_of


class CountingCodec(JSONCodec):
    """A codec that counts what it encodes."""

    count = 0

    def encode(self, packet: Packet) -> Encoded:
        self.count += 1
        return super().encode(packet)


def test_attachments_follow_their_text_in_order() -> None:
    messages = messages_of(JSONCodec().encode(Packet(EVENT, "/", ["a", b"1", b"2"])))
    assert [message.binary for message in messages] == [False, True, True]
    assert [message.data for message in messages[1:]] == [b"1", b"2"]


def test_a_codec_without_text_sends_binary_only() -> None:
    assert [(m.data, m.binary) for m in messages_of(Encoded(None, (b"x",)))] == [(b"x", True)]


def test_a_broadcast_is_encoded_once_and_its_messages_are_shared() -> None:
    codec = CountingCodec()
    broadcast = Broadcast(Packet(EVENT, "/", ["a"]), codec)
    assert codec.count == 0
    assert broadcast.batch() is broadcast.batch()
    assert codec.count == 1


@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_reserved_names_cannot_be_emitted(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        check_event_name(name)


@pytest.mark.parametrize("name", [None, 1, b"a", ["a"]])
def test_a_name_must_be_a_string(name: Any) -> None:
    with pytest.raises(TypeError):
        check_event_name(name)


@pytest.mark.parametrize("name", ["a", "message", "connection", "error", ""])
def test_any_other_name_can_be_emitted(name: str) -> None:
    check_event_name(name)
