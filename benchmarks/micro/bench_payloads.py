"""Engine.IO payloads of both revisions: ten events, and an event with 1 KiB of binary."""

from __future__ import annotations

from collections.abc import Callable

import pyperf

from socketio_sync.protocol.engineio.packet import Packet
from socketio_sync.protocol.engineio.payload import (
    iter_payload,
    join_v4,
    message_v3_binary,
    message_v3_text,
    message_v4,
)

EVENT = b'2["echo","0123456789abcdef0123456789abcdef"]'
TEXTS = [(EVENT, False)] * 10
MIXED = [(b'51-["echo",{"_placeholder":true,"num":0}]', False), (bytes(range(256)) * 4, True)]

Messages = list[tuple[bytes, bool]]


def encode_v4(messages: Messages) -> bytes:
    """Write a payload of revision 4."""
    return join_v4([message_v4(data, binary) for data, binary in messages])


def encode_v3_text(messages: Messages) -> bytes:
    """Write a payload of revision 3 as text."""
    return b"".join([message_v3_text(data, binary) for data, binary in messages])


def encode_v3_binary(messages: Messages) -> bytes:
    """Write a payload of revision 3 as binary."""
    return b"".join([message_v3_binary(data, binary) for data, binary in messages])


def decode(body: bytes, revision: int, binary: bool) -> list[Packet]:
    """Read a payload."""
    return list(iter_payload(body, revision=revision, binary=binary, max_packets=1_000))


KINDS: list[tuple[str, Callable[[Messages], bytes], int, bool]] = [
    ("v4", encode_v4, 4, False),
    ("v3 text", encode_v3_text, 3, False),
    ("v3 binary", encode_v3_binary, 3, True),
]


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    for kind, encode, revision, binary in KINDS:
        for what, messages in (("10 events", TEXTS), ("1 KiB binary", MIXED)):
            runner.bench_func(f"payload encode: {kind}, {what}", encode, messages)
            runner.bench_func(f"payload decode: {kind}, {what}", decode, encode(messages), revision, binary)


if __name__ == "__main__":
    main()
