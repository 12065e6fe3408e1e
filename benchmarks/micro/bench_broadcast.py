"""One message to 10,000 clients of a real server, whose transports drop what they are given."""

from __future__ import annotations

from collections.abc import Sequence

import pyperf

from socketio_sync import BroadcastOperator, Server
from socketio_sync.protocol.engineio.packet import MESSAGE, Batch, Message
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.framing import frame_v4

CLIENTS = 10_000
# How many of them are in the room.
PART = 10
TEXT = "0123456789abcdef0123456789abcdef"


class Sink:
    """A transport that renders what it is given and drops it."""

    name = "sink"
    handler: TransportHandler
    queued_bytes = 0
    paused = False
    writable = True

    def send(self, messages: Sequence[Message]) -> None:
        """Drop messages."""

    def send_shared(self, batch: Batch) -> None:
        batch.rendered(frame_v4)

    def send_text(self, data: bytes) -> None:
        """Drop a message."""

    def send_control(self, type: int, data: str = "") -> None:
        """Drop a packet."""

    def pause(self) -> None:
        """Nothing comes anyway."""

    def resume(self) -> None:
        """Nothing comes anyway."""

    def close(self, code: int | None = None, reason: str = "") -> None:
        """There is nothing to end."""


def serve_sinks(clients: int) -> Server:
    """Make a server with so many clients in the main namespace, a tenth of them in a room."""
    # Made in any number of seconds, and never heard of again.
    server = Server(ping_interval=1e6, connect_timeout=1e6)
    engine = server.engine
    for number in range(clients):
        session = engine.open_session(f"session {number}", {"QUERY_STRING": ""}, 4)
        engine.admit(session, Sink())
        session.on_packet(MESSAGE, "0")
    assert len(server.sockets) == clients
    for socket in list(server.sockets.values())[: clients // PART]:
        socket.join("room")
    return server


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    # Where it is only seen whether it runs, it needn't take long.
    server = serve_sinks(CLIENTS // 100 if runner.parse_args().debug_single_value else CLIENTS)
    outbox = server.engine.runtime.outbox

    def emit(to: Server | BroadcastOperator) -> None:
        to.emit("news", TEXT)
        # Not collected with those that follow.
        outbox.settle()

    runner.bench_func("broadcast: to all 10,000", emit, server)
    runner.bench_func("broadcast: to a room of 1,000", emit, server.to("room"))
    runner.bench_func("broadcast: to nobody", emit, server.to("empty"))


if __name__ == "__main__":
    main()
