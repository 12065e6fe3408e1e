"""The WebSocket layer by itself, without Engine.IO: every message comes back as it is.

Usage: python -m tests.conformance.echo, which says its port; with ``deflate``, messages are compressed for
who wants it. A client that asks for ``/?close=4321&reason=bye`` is closed so behind its first message.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import gevent
from gevent.pywsgi import WSGIServer

from socketio_sync.options import DeflateOptions, EngineOptions
from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.protocol.websocket.deflate import Agreement, Inflater, deflate, negotiate
from socketio_sync.protocol.websocket.events import Event
from socketio_sync.protocol.websocket.frames import BINARY, COMPRESSED, TEXT, encode_frame
from socketio_sync.protocol.websocket.handshake import parse_upgrade, upgrade_response
from socketio_sync.protocol.websocket.reader import FrameReader
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.takeover import take_over
from socketio_sync.transports.websocket import WebSocketTransport
from socketio_sync.types import Environ, StartResponse

# As long as Autobahn's cases are, and in as many pieces: behind 65,536 it sends an empty one.
MAX_MESSAGE = 16 * 1024 * 1024
OPTIONS = EngineOptions(
    max_http_buffer_size=MAX_MESSAGE, max_fragments=65_537, max_outbound_bytes=4 * MAX_MESSAGE
)
DEFLATE = DeflateOptions(threshold=0)


def encode(data: bytes, binary: bool) -> bytes:
    return encode_frame(BINARY if binary else TEXT, data)


class Frames(FrameReader):
    """Gives texts the first character that the transport takes for the type of a packet."""

    def feed(self, data: bytes) -> list[Event]:
        return [f"4{event}" if isinstance(event, str) else event for event in super().feed(data)]


class RawTransport(WebSocketTransport):
    """A transport whose messages have no type in front."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._frames = Frames(max_message=MAX_MESSAGE, max_fragments=OPTIONS.max_fragments)
        self._encoder = encode

    def compress(self, agreement: Agreement, deflate_options: DeflateOptions) -> None:
        inflater = Inflater(agreement, MAX_MESSAGE)
        self._frames = Frames(max_message=MAX_MESSAGE, max_fragments=OPTIONS.max_fragments, inflater=inflater)

        def compressed(data: bytes, binary: bool) -> bytes:
            content = deflate(data, bits=agreement.server_bits, level=1, memory=8)
            return encode_frame((BINARY if binary else TEXT) | COMPRESSED, content)

        self._encoder = compressed


class Echo:
    """What stands above a transport."""

    transport: WebSocketTransport

    def __init__(self, query: str) -> None:
        self._asked = dict(parse_qsl(query, keep_blank_values=True))

    def on_message(self, data: str | bytes) -> None:
        binary = isinstance(data, bytes)
        self.transport.send([Message(data if isinstance(data, bytes) else data.encode(), binary)])
        if "close" in self._asked:
            code = self._asked["close"]
            self.transport.close(int(code) if code else None, self._asked.get("reason", ""))

    def on_packet(self, type: int, data: str | bytes) -> None:
        """There are messages only."""

    def on_close(self, reason: str, description: str = "") -> None:
        """Nothing is kept."""

    def on_fault(self, reason: str, description: str) -> None:
        """Nothing is kept."""

    def on_drain(self) -> None:
        """Nobody waits."""

    def may_drop(self, message: Message) -> bool:
        return False

    def on_dropped(self, count: int) -> None:
        """Nothing is dropped."""


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Upgrade whatever comes."""
    headers: list[tuple[str, str]] = []
    offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "") if COMPRESSES else ""
    agreed = negotiate(offers, keeps_context=True, client_bits=15, server_bits=15)
    if agreed is not None:
        headers.append(("Sec-WebSocket-Extensions", agreed[0]))
    response = upgrade_response(parse_upgrade(environ), headers)
    taken = take_over(environ, start_response)
    assert taken is not None
    handler = Echo(environ.get("QUERY_STRING", ""))
    handler.transport = transport = RawTransport(runtime, taken.stream, handler, OPTIONS, revision=4)
    if agreed is not None:
        transport.compress(agreed[1], DEFLATE)
    transport.send_raw(response)
    transport.start(taken.buffered)
    return taken.release()


if __name__ == "__main__":
    COMPRESSES = "deflate" in sys.argv
    runtime = Runtime(gevent.get_hub())
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()
