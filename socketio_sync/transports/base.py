"""What a transport is to the session above it, and the session to its transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from socketio_sync.protocol.engineio.packet import Batch, Message


class TransportHandler(Protocol):
    """What a transport tells the layer above. Called in the greenlet that reads the connection.

    After ``on_message`` or ``on_packet`` has returned another greenlet may read.
    """

    @property
    def on_message(self) -> Callable[[str | bytes], None]:
        """Takes the data of a MESSAGE, by far the most frequent packet. To be looked up for each."""
        ...

    def on_packet(self, type: int, data: str | bytes) -> None:
        """Take any packet, a MESSAGE perhaps."""

    def on_close(self, reason: str, description: str = "") -> None:
        """Learn that the connection is over; the first of several calls counts."""

    def on_fault(self, reason: str, description: str) -> None:
        """Learn that the peer broke the rules, and that the connection is over; as ``on_close`` otherwise."""

    def on_drain(self) -> None:
        """Learn that everything queued is with the kernel, or with the client's poll."""

    def may_drop(self, message: Message) -> bool:
        """Tell whether a message, with its attachments, may be lost where too much is queued."""

    def on_dropped(self, count: int) -> None:
        """Learn that so many messages were lost."""


class Transport(Protocol):
    """Packets over one connection (or, for polling, over a sequence of requests).

    Every method is for the hub's thread only.
    """

    name: str
    handler: TransportHandler

    @property
    def queued_bytes(self) -> int:
        """Bytes queued and not delivered."""

    @property
    def undelivered(self) -> bool:
        """Whether something waits for the peer, or did when the connection ended."""

    @property
    def paused(self) -> bool:
        """Whether no packets are taken in for now."""

    @property
    def writable(self) -> bool:
        """Whether a message would leave now, with nothing queued before it."""

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together; returns at once."""

    def send_shared(self, batch: Batch) -> None:
        """Queue messages that others get, too; returns at once."""

    def send_text(self, data: bytes) -> None:
        """Queue a text message, UTF-8, that is for this peer alone; returns at once."""

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it, for this peer alone."""

    def send_control(self, type: int, data: str = "") -> None:
        """Queue a packet without application data, ahead of queued messages."""

    def pause(self) -> None:
        """Stop taking in packets until ``resume``, so that the peer is pushed back."""

    def resume(self) -> None:
        """Take in packets again."""

    def close(self, code: int | None = None, reason: str = "") -> None:
        """End the connection after what is queued; ``code`` is the WebSocket's, None for none."""
