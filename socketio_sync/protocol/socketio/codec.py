"""What a Socket.IO codec is: the interface between packets and messages.

A codec belongs to a server and is shared by all its connections; a decoder belongs to one connection.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple, Protocol

from socketio_sync.protocol.socketio.packet import Packet


class Encoded(NamedTuple):
    """The messages of one packet, to be sent in this order without others in between.

    Attributes:
        text: The text message, UTF-8; None where the codec only has binary messages.
        attachments: The binary messages after it.
    """

    text: bytes | None
    attachments: Sequence[bytes] = ()


class Decoder(Protocol):
    """Turns the messages of one connection into packets; fed by its reader only.

    After a `PacketError` the connection is beyond repair: the decoder isn't fed any more.
    """

    @property
    def pending(self) -> bool:
        """Whether a packet has begun whose attachments are still due."""
        ...

    def feed(self, data: str | bytes) -> Packet | None:
        """Take one message, text or binary.

        Returns:
            The packet that it completes, or None while attachments are still due.

        Raises:
            PacketError: The message isn't a packet, or not one that is allowed now.
            PayloadTooLarge: The attachments of one packet are too long together.
            NotJoined: It is for a namespace that hasn't been joined; its payload wasn't looked at.
        """
        ...


class Codec(Protocol):
    """Encodes packets and makes decoders; may be used by any greenlet and any thread at once."""

    def encode(self, packet: Packet) -> Encoded:
        """Encode one packet, with the binary values in it wherever they stand.

        Raises:
            TypeError: It holds a value that can't be sent.
            ValueError: It is nested too deeply, or binary in a packet that can't carry any.
        """
        ...

    def decoder(self, joined: Container[str]) -> Decoder:
        """Make the decoder of one connection.

        Args:
            joined: The namespaces that the peer is in at the moment: asked for each packet before any of
                its payload is parsed.
        """
        ...
