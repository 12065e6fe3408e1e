"""The server's frames: final, unmasked, one per message.

Specification: RFC 6455, sections 5.2 and 5.5.
"""

from __future__ import annotations

from struct import Struct

TEXT, BINARY = 1, 2
CLOSE, PING, PONG = 8, 9, 10

# The whole header of a short frame, by opcode and length.
_SHORT = tuple(tuple(bytes((0x80 | opcode, length)) for length in range(126)) for opcode in range(16))
_medium = Struct(">BBH").pack
_long = Struct(">BBQ").pack

_RESERVED_CODES = frozenset((1004, 1005, 1006, 1015))


# Set in the opcode of a frame whose payload is compressed: the bit RSV1 (RFC 7692, section 6).
COMPRESSED = 0x40


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """Encode one frame.

    Args:
        opcode: ``TEXT``, ``BINARY``, ``CLOSE``, ``PING`` or ``PONG``; the first two also with ``COMPRESSED``.
        payload: UTF-8 for ``TEXT``; at most 125 bytes for the last three.

    Raises:
        ValueError: The payload of a control frame is too long.
    """
    length = len(payload)
    if length < 126 and opcode < COMPRESSED:
        return _SHORT[opcode][length] + payload
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if CLOSE <= opcode < COMPRESSED:
        raise ValueError(f"a control frame takes 125 bytes at most, not {length}")
    if length < 65536:
        return _medium(0x80 | opcode, 126, length) + payload
    return _long(0x80 | opcode, 127, length) + payload


def encode_close(code: int | None = None, reason: str = "") -> bytes:
    """Encode a close frame.

    Args:
        code: None for a frame without code and reason.
        reason: Cut, between two characters, to the 123 bytes of UTF-8 that fit.

    Raises:
        ValueError: ``code`` is one that may not stand in a close frame (section 7.4).
    """
    if code is None:
        return _SHORT[CLOSE][0]
    if not 1000 <= code < 5000 or code in _RESERVED_CODES:
        raise ValueError(f"no close frame may carry the code {code}")
    text = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore").encode()
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text)
