"""Messages as frames: what each kind of client can read, the same bytes for all of one kind."""

from __future__ import annotations

import pytest

from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.protocol.websocket.frames import encode_frame
from socketio_sync.transports.framing import encoder_for, frame_text
from tests.support.transport_handler import BINARY, TEXT, frames


@pytest.mark.parametrize(
    ("revision", "base64", "expected"),
    [
        (4, False, [(TEXT, b"4hi"), (BINARY, b"\x01\x02")]),
        (3, False, [(TEXT, b"4hi"), (BINARY, b"\x04\x01\x02")]),
        (3, True, [(TEXT, b"4hi"), (TEXT, b"b4AQI=")]),
    ],
)
def test_messages_go_out_as_the_client_can_read_them(
    revision: int, base64: bool, expected: list[tuple[int, bytes]]
) -> None:
    encoder = encoder_for(revision, base64)
    sent = Message(b"hi", False).rendered(encoder) + Message(b"\x01\x02", True).rendered(encoder)
    assert list(frames(sent)) == expected


@pytest.mark.parametrize("revision", [3, 4])
@pytest.mark.parametrize("base64", [False, True])
def test_clients_of_one_kind_share_one_encoder(revision: int, base64: bool) -> None:
    assert encoder_for(revision, base64) is encoder_for(revision, base64)


@pytest.mark.parametrize("length", [0, 1, 123, 124, 125, 126, 65534, 65535, 65536])
def test_text_of_any_length_is_one_frame(length: int) -> None:
    data = b"x" * length
    assert frame_text(data) == encode_frame(TEXT, b"4" + data)
