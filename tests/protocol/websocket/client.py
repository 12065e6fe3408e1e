"""A client's side in the plainest form: frames byte by byte, as section 5.2 of RFC 6455 draws them."""

from __future__ import annotations

from collections.abc import Iterable

from socketio_sync.protocol.websocket.events import Event
from socketio_sync.protocol.websocket.reader import FrameReader

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def mask_payload(payload: bytes, mask: bytes = MASK) -> bytes:
    if not any(mask):
        return payload
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def header(opcode: int, length: int, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """The bytes before the masking key; ``rsv`` is a number of three bits."""
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if length < 126:
        return head + bytes([bit | length])
    if length < 65536:
        return head + bytes([bit | 126]) + length.to_bytes(2, "big")
    return head + bytes([bit | 127]) + length.to_bytes(8, "big")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """One masked frame."""
    return header(opcode, len(payload), fin=fin, rsv=rsv) + mask + mask_payload(payload, mask)


def big_frame(opcode: int, payload: bytes) -> bytes:
    """One frame whose mask changes nothing: quick to build."""
    return header(opcode, len(payload)) + bytes(4) + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def typed(events: Iterable[Event]) -> list[tuple[str, Event]]:
    """Make events comparable: tuples of different kinds are equal where their fields are."""
    return [(type(event).__name__, event) for event in events]


def reader(max_message: int = 100_000, max_fragments: int = 1000) -> FrameReader:
    return FrameReader(max_message=max_message, max_fragments=max_fragments)


def read(*pieces: bytes, max_message: int = 100_000, max_fragments: int = 1000) -> list[Event]:
    """Feed pieces to a new reader; return all of its events."""
    frames = reader(max_message, max_fragments)
    return [event for piece in pieces for event in frames.feed(piece)]


def failure(*pieces: bytes, max_message: int = 100_000, max_fragments: int = 1000) -> int:
    """Feed what breaks a rule; return the code of the one event that comes of it."""
    (event,) = read(*pieces, max_message=max_message, max_fragments=max_fragments)
    assert type(event).__name__ == "Failed", event
    code = event[0]
    assert isinstance(code, int)
    return code
