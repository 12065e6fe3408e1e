"""Engine.IO messages as WebSocket frames, for each kind of client.

Specification: engine.io-protocol, "Packet encoding".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache

from socketio_sync.options import DeflateOptions
from socketio_sync.protocol.engineio.packet import Encoder
from socketio_sync.protocol.websocket.deflate import deflate
from socketio_sync.protocol.websocket.frames import BINARY, COMPRESSED, TEXT, encode_frame

# The beginning of the frame of a short text message, by the length of the text.
TEXT_HEADS = tuple(encode_frame(TEXT, b"4" + bytes(length))[:3] for length in range(125))


def frame_text(data: bytes) -> bytes:
    """Encode a text message, the same in both revisions."""
    length = len(data)
    return TEXT_HEADS[length] + data if length < 125 else encode_frame(TEXT, b"4" + data)


def frame_v4(data: bytes, binary: bool) -> bytes:
    """Encode a message for revision 4: binary goes as it is."""
    return encode_frame(BINARY, data) if binary else frame_text(data)


def frame_v3(data: bytes, binary: bool) -> bytes:
    """Encode a message for revision 3: binary begins with its packet type, as a byte."""
    return encode_frame(BINARY, b"\x04" + data) if binary else frame_text(data)


def frame_v3_base64(data: bytes, binary: bool) -> bytes:
    """Encode a message for a client of revision 3 that asked for text only (``b64=1``)."""
    return encode_frame(TEXT, b"b4" + b64encode(data) if binary else b"4" + data)


class Deflating:
    """Encodes messages as another encoder does, and compresses those that are long enough.

    Attributes:
        plain: The other encoder.
    """

    __slots__ = ("_bits", "_options", "plain")

    def __init__(self, plain: Encoder, bits: int, options: DeflateOptions) -> None:
        """Compress what ``plain`` would make of a message, with a window of ``2 ** bits`` bytes."""
        self.plain = plain
        self._bits = bits
        self._options = options

    def __call__(self, data: bytes, binary: bool) -> bytes:
        """Encode a message."""
        options = self._options
        if len(data) < options.threshold:
            return self.plain(data, binary)
        opcode, payload = _content(self.plain, data, binary)
        compressed = deflate(payload, bits=self._bits, level=options.level, memory=options.mem_level)
        return encode_frame(opcode | COMPRESSED, compressed)


def _content(plain: Encoder, data: bytes, binary: bool) -> tuple[int, bytes]:
    """Return opcode and payload of the frame that an encoder makes."""
    if not binary:
        return TEXT, b"4" + data
    if plain is frame_v3_base64:
        return TEXT, b"b4" + b64encode(data)
    return BINARY, data if plain is frame_v4 else b"\x04" + data


# The same object for clients of the same kind: what is compressed for one is good for all.
deflating = lru_cache(64)(Deflating)


def encoder_for(revision: int, base64: bool) -> Callable[[bytes, bool], bytes]:
    """Choose the encoding of messages; the same function for the same kind of client, as memos need."""
    if revision == 4:
        return frame_v4
    return frame_v3_base64 if base64 else frame_v3
