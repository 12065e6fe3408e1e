"""The compression of messages: its negotiation, and both directions of it.

Specification: RFC 7692.

What we compress never refers to an earlier message (``server_no_context_takeover``): so no connection needs a
compressor of its own, and what is compressed once is good for all recipients of a broadcast.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from socketio_sync.protocol.websocket.events import Violation

NAME = "permessage-deflate"

# What a sender leaves out at the end of each message (section 7.2.1).
_TAIL = b"\x00\x00\xff\xff"


class Agreement(NamedTuple):
    """What client and server have agreed on.

    Attributes:
        keeps_context: Whether the client's messages may refer to its earlier ones.
        client_bits: The size of the window that the client compresses with, as a power of two.
        server_bits: The same of ours.
    """

    keeps_context: bool
    client_bits: int
    server_bits: int


def negotiate(
    offers: str, *, keeps_context: bool, client_bits: int, server_bits: int
) -> tuple[str, Agreement] | None:
    """Choose among what a client offers (section 7.1).

    Args:
        offers: The value of ``Sec-WebSocket-Extensions``.
        keeps_context: Whether the client may refer to its earlier messages.
        client_bits: The largest window for the client to use, if it says that it can be told, 8 to 15.
        server_bits: The largest window for us to use, 9 to 15.

    Returns:
        The value for the same header of the answer, and what was agreed on; None if no offer will do.
    """
    try:
        extensions = parse_extension(offers)
    except InvalidHeader:
        return None
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=True,
        client_no_context_takeover=not keeps_context,
        # 15 is what everybody uses who isn't told otherwise.
        server_max_window_bits=server_bits if server_bits < 15 else None,
        client_max_window_bits=client_bits if client_bits < 15 else None,
    )
    for name, parameters in extensions:
        if name != NAME:
            continue
        try:
            accepted, chosen = factory.process_request_params(parameters, ())
        except NegotiationError:
            # Perhaps the client has a simpler one behind it.
            continue
        agreement = Agreement(
            not chosen.remote_no_context_takeover, chosen.remote_max_window_bits, chosen.local_max_window_bits
        )
        return build_extension([(name, accepted)]), agreement
    return None


class Inflater:
    """Expands the messages of one client, within a limit."""

    __slots__ = ("_bits", "_decompressor", "_keeps_context", "_max_message")

    def __init__(self, agreement: Agreement, max_message: int) -> None:
        """Expand what a client sends that has agreed to this, to ``max_message`` bytes at most."""
        self._bits = -agreement.client_bits
        self._keeps_context = agreement.keeps_context
        self._max_message = max_message
        self._decompressor: Any = None

    def inflate(self, parts: Sequence[bytes]) -> bytes:
        """Expand a whole message, given in one or more parts.

        Never more is expanded than the limit allows.

        Raises:
            Violation: It would be too long, or isn't compressed data.
        """
        decompressor = self._decompressor or zlib.decompressobj(self._bits)
        expanded: list[bytes] = []
        room = self._max_message
        try:
            for part in (*parts, _TAIL):
                data = decompressor.decompress(part, room + 1)
                room -= len(data)
                if room < 0:
                    raise Violation(1009, "message too big")
                expanded.append(data)
        except zlib.error:
            raise Violation(1007, "invalid compressed data") from None
        # Behind a block that is marked as the last one a client begins anew (section 7.2.3.4).
        if self._keeps_context and not decompressor.eof:
            self._decompressor = decompressor
        else:
            self._decompressor = None
        return expanded[0] if len(expanded) == 1 else b"".join(expanded)


def deflate(data: bytes, *, bits: int, level: int, memory: int) -> bytes:
    """Compress a message by itself (section 7.2.1).

    Args:
        data: The message.
        bits: The size of the window, as a power of two, 9 to 15.
        level: How hard to try, 0 to 9.
        memory: How much memory to use for it, 1 to 9.
    """
    compressor = zlib.compressobj(level, zlib.DEFLATED, -bits, memory)
    compressed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return compressed[: -len(_TAIL)]


def most_compressed(max_message: int) -> int:
    """Return how long a message may be in compressed form: what can't be compressed grows."""
    return max_message + max_message // 1000 + 64
