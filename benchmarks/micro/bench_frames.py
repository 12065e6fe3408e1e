"""WebSocket frames: what a client sends read, what the server sends written."""

from __future__ import annotations

import pyperf

from socketio_sync.protocol.websocket.frames import BINARY, TEXT, encode_frame
from socketio_sync.protocol.websocket.reader import FrameReader

MASK = b"\x12\x34\x56\x78"
SMALL = b'421["echo","0123456789abcdef0123456789abcdef"]'
LARGE = bytes(range(256)) * 40
CONTINUATION = 0


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Build a masked frame."""
    length = len(payload)
    if length < 126:
        head = bytes((final << 7 | opcode, 0x80 | length))
    else:
        head = bytes((final << 7 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def fragmented(payload: bytes, size: int) -> bytes:
    """Build one binary message in fragments of ``size`` bytes."""
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    last = len(pieces) - 1
    return b"".join(
        client_frame(CONTINUATION if at else BINARY, piece, final=at == last)
        for at, piece in enumerate(pieces)
    )


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    feed = FrameReader(max_message=1_000_000, max_fragments=1_000).feed
    runner.bench_func("frame decode: text, 47 B", feed, client_frame(TEXT, SMALL))
    runner.bench_func("frame decode: 16 of them", feed, client_frame(TEXT, SMALL) * 16)
    runner.bench_func("frame decode: binary, 10 KiB", feed, client_frame(BINARY, LARGE))
    runner.bench_func("frame decode: 10 fragments, 10 KiB", feed, fragmented(LARGE, 1024))
    runner.bench_func("frame encode: text, 47 B", encode_frame, TEXT, SMALL)
    runner.bench_func("frame encode: binary, 10 KiB", encode_frame, BINARY, LARGE)


if __name__ == "__main__":
    main()
