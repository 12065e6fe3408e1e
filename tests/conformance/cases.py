"""Frames that break rules, texts, and close frames, each with what a conforming server answers."""

from __future__ import annotations

import struct

from tests.support.ws_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

NO_MASK = b"\x00\x00\x00\x00"


def with_bits(bits: int, opcode: int) -> bytes:
    return bytes([0x80 | bits | opcode, 0x80]) + NO_MASK


BAD: dict[str, tuple[bytes, int]] = {
    **{
        f"reserved bits {bits:#x} of opcode {opcode}": (with_bits(bits, opcode), 1002)
        for bits in (0x10, 0x20, 0x30, 0x50, 0x60, 0x70)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    },
    **{f"opcode {opcode}": (frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"opcode {opcode} with payload": (frame(opcode, b"x"), 1002) for opcode in (3, 7, 11, 15)},
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "ping in fragments": (frame(PING, b"a", fin=False) + frame(CONT, b"b"), 1002),
    "pong in fragments": (frame(PONG, b"a", fin=False), 1002),
    "close in fragments": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "continuation of nothing": (frame(CONT, b"x"), 1002),
    "unfinished continuation of nothing": (frame(CONT, b"x", fin=False), 1002),
    "text within a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "binary within a message": (frame(BINARY, b"a", fin=False) + frame(BINARY, b"b"), 1002),
    "no mask": (b"\x81\x01x", 1002),
    "length with the highest bit": (b"\x82\xff" + struct.pack("!Q", 1 << 63), 1009),
}

VALID_TEXTS = [
    *(
        "",
        "κόσμε",
        "Hello-µ@ßöäüàá-UTF-8!!",
        "\x00",
        "\x7f",
        "\x80",
        "\u07ff",
        "\u0800",
        "\uffff",
        "\U00010000",
    ),
    *("\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0010ffff", "\U0001fffe", "\U0010fffe", "\u200b\u2028"),
]

INVALID_TEXTS = [
    # Lonely continuations, lonely starts, sequences that end too early.
    *(b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0 \xc1 ", b"\xe0 \xe1 ", b"\xf0 \xf1 ", b"\xf8 ", b"\xfc "),
    *(
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xce\xba\xe1\xbd",
        b"\xfe",
        b"\xff",
    ),
    *(b"\xfe\xfe\xff\xff", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),
    # Overlong, beyond the last character, surrogates.
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"),
    *(b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80"),
    *(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xce\xba\xf4\x90\x80\x80edited"),
]

CLOSES: list[tuple[bytes, int | None]] = [
    (b"", None),
    *((struct.pack("!H", code), code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011)),
    *((struct.pack("!H", code), code) for code in (3000, 3999, 4000, 4999)),
    (struct.pack("!H", 1000) + b"x" * 123, 1000),
    *(
        (struct.pack("!H", code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
    (b"\x03", 1002),
    (struct.pack("!H", 1000) + b"\xed\xa0\x80", 1007),
]
