"""Engine.IO over a WebSocket whose messages are compressed.

Specification: RFC 7692.
"""

from __future__ import annotations

from collections.abc import Sequence

from socketio_sync.options import DeflateOptions, EngineOptions
from socketio_sync.protocol.websocket.deflate import Agreement, Inflater
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.framing import deflating
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.stream import Stream
from socketio_sync.transports.websocket import WebSocketTransport


class DeflatedTransport(WebSocketTransport):
    """One WebSocket for which compression was agreed on. Every method is for the hub's thread."""

    __slots__ = ()

    def __init__(
        self,
        runtime: Runtime,
        stream: Stream,
        handler: TransportHandler,
        options: EngineOptions,
        deflate: DeflateOptions,
        agreement: Agreement,
        *,
        revision: int,
        base64: bool = False,
    ) -> None:
        """Speak on ``stream`` as was agreed; see :class:`WebSocketTransport`."""
        inflater = Inflater(agreement, options.max_http_buffer_size)
        super().__init__(
            runtime, stream, handler, options, revision=revision, base64=base64, inflater=inflater
        )
        self._encoder = deflating(self._encoder, agreement.server_bits, deflate)

    def send_text(self, data: bytes) -> None:
        """Queue a text message, UTF-8, that is for this peer alone; returns at once."""
        self._writer.write(self._encoder(data, False))

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it, for this peer alone."""
        encoder = self._encoder
        self._writer.write_all([encoder(text, False), *[encoder(data, True) for data in attachments]])
