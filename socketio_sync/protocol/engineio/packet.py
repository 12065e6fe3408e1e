"""Engine.IO packets, and the messages that an application sends.

Specification: engine.io-protocol, "Packet encoding" and "Packet types".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from socketio_sync.exceptions import PacketError

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = range(7)

# Makes the wire form of a message out of its data and whether that is binary.
Encoder: TypeAlias = Callable[[bytes, bool], bytes]

_new_tuple = tuple.__new__
_TYPE_OF_DIGIT = {str(number): number for number in range(7)}


class Packet(NamedTuple):
    """One Engine.IO packet.

    Attributes:
        type: One of the seven types.
        data: Text, or the content of a binary message. Only a MESSAGE is ever binary.
    """

    type: int
    data: str | bytes = ""


def decode_text(text: str, revision: int) -> Packet:
    """Read one text frame, or one item of a text payload.

    Raises:
        PacketError: The text is empty, of an unknown type, or badly formed base64.
    """
    kind = text[:1]
    if kind == "4":
        # The most frequent call of all: going round the NamedTuple's own constructor saves a quarter.
        return _new_tuple(Packet, (MESSAGE, text[1:]))
    if kind == "b":
        return Packet(MESSAGE, _decode_base64(text, revision))
    number = _TYPE_OF_DIGIT.get(kind)
    if number is None:
        raise PacketError(f"expected a packet type from 0 to 6, got {kind!r}")
    return Packet(number, text[1:])


def decode_binary(data: bytes, revision: int) -> Packet:
    """Read one binary frame, or one binary item of a payload.

    Revision 4 knows binary messages only, revision 3 puts the packet type in the first byte.

    Raises:
        PacketError: Revision 3 only: the first byte isn't that of a message.
    """
    if revision >= 4:
        return Packet(MESSAGE, data)
    if data[:1] != b"\x04":
        raise PacketError(f"expected a binary message, got the first byte {data[:1]!r}")
    return Packet(MESSAGE, data[1:])


def _decode_base64(text: str, revision: int) -> bytes:
    if revision < 4 and text[1:2] != "4":
        raise PacketError(f"expected a binary message, got {text[:2]!r}")
    try:
        return base64.b64decode(text[1 if revision >= 4 else 2 :], validate=True)
    except ValueError as exc:
        raise PacketError(f"expected base64: {exc}") from None


class Message:
    """What an application sends: one text or binary message, to any number of recipients.

    Attributes:
        data: UTF-8 text, or raw binary.
        binary: Which of the two ``data`` is.
        compress: Whether it may be compressed.
        renderings: The wire forms made so far, by encoder.
    """

    __slots__ = ("binary", "compress", "data", "renderings")

    def __init__(self, data: bytes, binary: bool, compress: bool = True) -> None:
        """Wrap ``data``, which must not change afterwards."""
        self.compress = compress
        self.data = data
        self.binary = binary
        self.renderings: dict[Encoder, bytes] = {}

    def rendered(self, encoder: Encoder) -> bytes:
        """Return what ``encoder`` makes of the message, made once for all recipients.

        Any thread may call; two that do so at the same moment may both run the encoder.

        Args:
            encoder: Called with ``data`` and ``binary``. It is the key, so it has to be the same
                object each time: a function, never a lambda or a bound method made on the spot.
        """
        rendering = self.renderings.get(encoder)
        if rendering is None:
            # One that compresses has the one beside it that doesn't.
            encode = encoder if self.compress else getattr(encoder, "plain", encoder)
            rendering = self.renderings[encoder] = encode(self.data, self.binary)
        return rendering


class Batch:
    """Messages that any number of recipients get together, in this order.

    Attributes:
        parts: The messages of one packet each; at least one of at least one.
        size: Their bytes, before any encoder adds to them.
        renderings: What goes to a transport whose messages need nothing between them, by encoder.
    """

    __slots__ = ("parts", "renderings", "size")

    def __init__(self, *parts: Sequence[Message]) -> None:
        """Put messages together, which must not change afterwards."""
        self.parts = parts
        self.size = sum([len(message.data) for part in parts for message in part])
        self.renderings: dict[Encoder, bytes] = {}

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Batch:
        """Put batches together."""
        return cls(*[part for batch in batches for part in batch.parts])

    def rendered(self, encoder: Encoder) -> bytes:
        """Return what ``encoder`` makes of all messages, joined; see :meth:`Message.rendered`."""
        rendering = self.renderings.get(encoder)
        if rendering is None:
            # A single one isn't copied by this.
            rendering = b"".join([message.rendered(encoder) for part in self.parts for message in part])
            self.renderings[encoder] = rendering
        return rendering
