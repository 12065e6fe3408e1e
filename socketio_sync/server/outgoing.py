"""Packets on their way out: encoded once, whatever the number of recipients."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from socketio_sync.protocol.engineio.packet import Batch, Message
from socketio_sync.protocol.socketio.binary import BINARY_TYPES, PLAIN_TYPES
from socketio_sync.protocol.socketio.codec import Codec, Encoded
from socketio_sync.protocol.socketio.packet import RESERVED_EVENTS, Packet


def messages_of(encoded: Encoded, *, compress: bool = True) -> Sequence[Message]:
    """Return the messages of an encoded packet, in the order in which they must be sent."""
    text, attachments = encoded
    if not attachments:
        return (Message(text, False, compress),) if text is not None else ()
    messages = [Message(text, False, compress)] if text is not None else []
    messages += [Message(attachment, True, compress) for attachment in attachments]
    return messages


def snapshot(value: Any) -> Any:
    """Return arguments as they are now, for whoever encodes them later; lists in the place of tuples."""
    kind = type(value)
    if kind in PLAIN_TYPES or kind is bytes:
        return value
    if kind is dict:
        return {key: snapshot(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [snapshot(item) for item in value]
    # Views of memory can't be copied.
    return bytes(value) if kind in BINARY_TYPES else deepcopy(value)


def check_event_name(event: str) -> None:
    """Refuse to emit what a client would take for something else.

    Raises:
        ValueError: The name is reserved.
        TypeError: It isn't a string.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event's name must be a string, not {event!r}")
    if event in RESERVED_EVENTS:
        raise ValueError(f"{event!r} is a reserved event name")


def check_server_side_name(event: str) -> None:
    """Refuse what can't be the name of an event between servers.

    Raises:
        ValueError: The name is reserved.
        TypeError: It isn't a string.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event's name must be a string, not {event!r}")
    if event in ("connect", "connection", "new_namespace"):
        raise ValueError(f"{event!r} is a reserved event name")


class Broadcast:
    """One packet for many sockets."""

    __slots__ = ("_batch", "_codec", "_compress", "_encoded", "packet")

    def __init__(self, packet: Packet, codec: Codec, *, compress: bool = True) -> None:
        """Send ``packet``, encoded by ``codec`` when it's first needed, compressed unless it mustn't be."""
        self.packet = packet
        self._compress = compress
        self._codec = codec
        self._encoded: Encoded | None = None
        self._batch: Batch | None = None

    def of(self, event: Sequence[Any]) -> Broadcast:
        """Return the same with another name and other arguments, and without an acknowledgement."""
        return Broadcast(self.packet._replace(data=event, id=None), self._codec, compress=self._compress)

    def encoded(self) -> Encoded:
        """Return the encoded packet, the same object at each call."""
        if self._encoded is None:
            self._encoded = self._codec.encode(self.packet)
        return self._encoded

    def batch(self) -> Batch:
        """Return the messages, the same object at each call."""
        if self._batch is None:
            self._batch = Batch(messages_of(self.encoded(), compress=self._compress))
        return self._batch
