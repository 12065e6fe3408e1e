"""The server's frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import CLIENT, Protocol

from socketio_sync.protocol.websocket.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    encode_close,
    encode_frame,
)


@pytest.mark.parametrize(
    ("opcode", "payload", "frame"),
    [
        (TEXT, b"Hello", bytes.fromhex("810548656c6c6f")),
        (PING, b"Hello", bytes.fromhex("890548656c6c6f")),
        (BINARY, bytes(256), bytes.fromhex("827e0100") + bytes(256)),
        (BINARY, bytes(65536), bytes.fromhex("827f0000000000010000") + bytes(65536)),
    ],
)
def test_examples_of_section_5_7(opcode: int, payload: bytes, frame: bytes) -> None:
    assert encode_frame(opcode, payload) == frame


@pytest.mark.parametrize(
    ("length", "start"),
    [
        (0, "8200"),
        (125, "827d"),
        (126, "827e007e"),
        (65535, "827effff"),
        (65536, "827f0000000000010000"),
    ],
)
def test_lengths_take_the_fewest_bytes(length: int, start: str) -> None:
    head = bytes.fromhex(start)
    assert encode_frame(BINARY, b"x" * length) == head + b"x" * length


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_take_125_bytes_and_no_more(opcode: int) -> None:
    assert len(encode_frame(opcode, bytes(125))) == 127
    with pytest.raises(ValueError, match="125"):
        encode_frame(opcode, bytes(126))


@given(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=300))
def test_clients_read_what_is_encoded(opcode: int, payload: bytes) -> None:
    client = Protocol(CLIENT)
    payload = payload if opcode < CLOSE else payload[:125]
    client.receive_data(encode_frame(opcode, payload))
    (event,) = client.events_received()
    assert (event.opcode, event.data, event.fin) == (opcode, payload, True)  # type: ignore[union-attr]


def test_a_close_frame_without_a_code_is_empty() -> None:
    assert encode_close() == encode_close(None, "unheard") == b"\x88\x00"


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1007, 1008, 1009, 1011, 1013, 3000, 4999])
def test_a_close_frame_carries_code_and_reason(code: int) -> None:
    assert encode_close(code, "bye") == b"\x88\x05" + code.to_bytes(2, "big") + b"bye"
    assert encode_close(code) == b"\x88\x02" + code.to_bytes(2, "big")


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 5000, 70000])
def test_codes_that_no_close_frame_may_carry_are_refused(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        encode_close(code)


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, b"x" * 123),
        ("x" * 124, b"x" * 123),
        ("\N{BEETLE}" * 40, "\N{BEETLE}".encode() * 30),
        ("x\ud800", b"x?"),
    ],
)
def test_reasons_are_cut_between_characters(reason: str, sent: bytes) -> None:
    assert encode_close(1000, reason)[4:] == sent
