"""The MessagePack codec: an event with an acknowledgement, and one with a binary argument."""

from __future__ import annotations

import pyperf

from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import EVENT, Packet

PACKETS = {
    "event with ack, 32 B": Packet(EVENT, "/", ["echo", "0123456789abcdef0123456789abcdef"], 17),
    "binary event with ack, 1 KiB": Packet(EVENT, "/", ["picture", bytes(range(256)) * 4], 17),
}


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    codec = MsgpackCodec()
    feed = codec.decoder({"/"}).feed
    for name, packet in PACKETS.items():
        (data,) = codec.encode(packet).attachments
        runner.bench_func(f"msgpack encode: {name}", codec.encode, packet)
        runner.bench_func(f"msgpack decode: {name}", feed, data)


if __name__ == "__main__":
    main()
