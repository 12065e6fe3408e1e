"""The default codec: an event with an acknowledgement, a larger one, and one with a binary argument."""

from __future__ import annotations

import pyperf

from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.packet import ACK, EVENT, Packet

SMALL = ["echo", "0123456789abcdef0123456789abcdef"]
ROW = {"id": 12345, "name": "Ada", "score": 98.5, "tags": ["a", "b", "c"], "active": True, "parent": None}
LARGE = ["rows", [ROW] * 10]
BINARY = ["picture", bytes(range(256)) * 4]


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    codec = JSONCodec()
    feed = codec.decoder({"/", "/chat"}).feed
    packets = {
        "event with ack, 32 B": Packet(EVENT, "/", SMALL, 17),
        "acknowledgement, 32 B": Packet(ACK, "/", SMALL[1:], 17),
        "event in a namespace, 32 B": Packet(EVENT, "/chat", SMALL),
        "event of 10 rows": Packet(EVENT, "/", LARGE),
    }
    for name, packet in packets.items():
        text = codec.encode(packet).text
        assert text is not None
        runner.bench_func(f"json encode: {name}", codec.encode, packet)
        runner.bench_func(f"json decode: {name}", feed, text.decode())
    picture = Packet(EVENT, "/", BINARY, 17)
    text, (attachment,) = codec.encode(picture)
    assert text is not None
    head = text.decode()

    def decode_binary() -> None:
        feed(head)
        feed(attachment)

    runner.bench_func("json encode: binary event with ack, 1 KiB", codec.encode, picture)
    runner.bench_func("json decode: binary event with ack, 1 KiB", decode_binary)


if __name__ == "__main__":
    main()
