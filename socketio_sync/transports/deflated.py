"""Engine.IO over a WebSocket whose messages are compressed.

Specification: RFC 7692.
"""

from __future__ import annotations

from collections.abc import Sequence

from socketio_sync.transports.websocket import WebSocketTransport


class DeflatedTransport(WebSocketTransport):
    """One WebSocket for which ``compress`` is called: its messages don't take the short ways."""

    __slots__ = ()

    def send_text(self, data: bytes) -> None:
        """Queue a text message, UTF-8, that is for this peer alone; returns at once."""
        self._writer.write(self._encoder(data, False))

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it, for this peer alone."""
        encoder = self._encoder
        self._writer.write_all([encoder(text, False), *[encoder(data, True) for data in attachments]])
