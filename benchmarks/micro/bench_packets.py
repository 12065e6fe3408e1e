"""Engine.IO packets: read from frames, and messages rendered for one recipient and for many."""

from __future__ import annotations

import pyperf

from socketio_sync.protocol.engineio.packet import Message, decode_binary, decode_text
from socketio_sync.transports.framing import frame_v4

TEXT = '421["echo","0123456789abcdef0123456789abcdef"]'


def render_new() -> bytes:
    """Render a message for its only recipient."""
    return Message(b'431["0123456789abcdef0123456789abcdef"]', False).rendered(frame_v4)


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    runner.bench_func("packet decode: message", decode_text, TEXT, 4)
    runner.bench_func("packet decode: pong", decode_text, "3", 4)
    runner.bench_func("packet decode: binary, revision 3", decode_binary, b"\x04" + bytes(32), 3)
    runner.bench_func("message render: one recipient", render_new)
    shared = Message(b'42["news","0123456789abcdef0123456789abcdef"]', False)
    runner.bench_func("message render: one more recipient", shared.rendered, frame_v4)


if __name__ == "__main__":
    main()
