"""Engine.IO over a WebSocket whose connection is ours: one greenlet reads, the end of the turn writes.

Specification: RFC 6455; engine.io-protocol, "WebSocket".
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Sequence
from time import time
from typing import Any

from gevent import getcurrent
from greenlet import GreenletExit, greenlet

from socketio_sync.exceptions import PacketError
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import MESSAGE, Message, decode_binary, decode_text
from socketio_sync.protocol.websocket.frames import BINARY, PONG, TEXT, encode_close, encode_frame
from socketio_sync.protocol.websocket.reader import Closed, Event, Failed, FrameReader, Ping
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.stream import Stream, TLSStream
from socketio_sync.transports.writer import Writer

logger = logging.getLogger(__name__)

# Events handled before the clock is looked at, and how long one connection may keep the loop.
SLICE_EVENTS = 64
SLICE_SECONDS = 0.005


def frame_v4(data: bytes, binary: bool) -> bytes:
    """Encode a message for revision 4: binary goes as it is."""
    return encode_frame(BINARY, data) if binary else encode_frame(TEXT, b"4" + data)


def frame_v3(data: bytes, binary: bool) -> bytes:
    """Encode a message for revision 3: binary begins with its packet type, as a byte."""
    return encode_frame(BINARY, b"\x04" + data) if binary else encode_frame(TEXT, b"4" + data)


def frame_v3_base64(data: bytes, binary: bool) -> bytes:
    """Encode a message for a client of revision 3 that asked for text only (``b64=1``)."""
    return encode_frame(TEXT, b"b4" + b64encode(data) if binary else b"4" + data)


def encoder_for(revision: int, base64: bool) -> Callable[[bytes, bool], bytes]:
    """Choose the encoding of messages; the same function for the same kind of client, as memos need."""
    if revision == 4:
        return frame_v4
    return frame_v3_base64 if base64 else frame_v3


class WebSocketTransport:
    """One WebSocket. Every method is for the hub's thread.

    The reader ends the transport, and nobody else: whoever finds it broken wakes the reader.
    """

    __slots__ = (
        "_close_timer",
        "_closing",
        "_encoder",
        "_failure",
        "_frames",
        "_held_back",
        "_paused",
        "_reader",
        "_resume_at",
        "_revision",
        "_runtime",
        "_stream",
        "_watcher",
        "_writer",
        "handler",
        "options",
    )

    name = "websocket"

    def __init__(
        self,
        runtime: Runtime,
        stream: Stream,
        handler: TransportHandler,
        options: EngineOptions,
        *,
        revision: int,
        base64: bool = False,
    ) -> None:
        """Speak on ``stream``, for which the 101 has been sent; ``start`` or ``run`` begins reading."""
        self._runtime = runtime
        self._stream = stream
        self.handler = handler
        self.options = options
        self._revision = revision
        self._encoder = encoder_for(revision, base64)
        self._frames = FrameReader(
            max_message=options.max_http_buffer_size, max_fragments=options.max_fragments
        )
        self._writer = Writer(runtime, stream, options, self.abort, self._on_written, self._on_full)
        self._reader: Any = None
        self._watcher: Any = None
        self._paused = False
        self._held_back = False
        # Acknowledgements that nobody reads must stop the asking; half of the bound leaves
        # room for what the events already taken in will still answer.
        self._resume_at = options.max_outbound_bytes // 2
        self._closing = False
        self._failure: tuple[str, str] | None = None
        self._close_timer: Any = None

    @property
    def queued_bytes(self) -> int:
        """Bytes that the kernel hasn't taken yet."""
        return self._writer.queued_bytes

    @property
    def writable(self) -> bool:
        """Whether a message would leave at the end of this turn, with nothing before it."""
        return self._writer.idle

    @property
    def paused(self) -> bool:
        """Whether nothing is read for now, because that was asked for or too much waits for the peer."""
        return self._paused or (self._held_back and self._writer.queued_bytes > self._resume_at)

    def start(self, buffered: bytes = b"") -> None:
        """Read in a greenlet of its own, from ``buffered`` on."""
        self._runtime.soon(greenlet(self.run, self._runtime.hub).switch, buffered)

    # -- sending ----------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together; returns at once."""
        encoder = self._encoder
        if len(messages) == 1:
            self._writer.write(messages[0].rendered(encoder))
        else:
            self._writer.write_all([message.rendered(encoder) for message in messages])

    def send_raw(self, data: bytes) -> None:
        """Queue bytes that come before the first frame: the answer to the upgrade request."""
        self._writer.write_first(data)

    def send_control(self, type: int, data: str = "") -> None:
        """Queue an Engine.IO packet without application data ahead of what waits for the peer."""
        self._writer.write_first(encode_frame(TEXT, b"%d%b" % (type, data.encode())))

    # -- ending -----------------------------------------------------------------------------------

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Send what is queued, then a close frame; the peer has ``close_timeout`` to answer it."""
        if self._closing:
            return
        self._closing = True
        self._writer.write_last(encode_close(code, reason))
        self._await_end()

    def _await_end(self) -> None:
        """Read on for the peer's close frame, however full the queue is, but not for ever."""
        self._close_timer = self._runtime.timers.after(self.options.close_timeout, self.abort)
        self._paused = False
        self._wake()

    def abort(self, reason: str = "transport close", description: str = "") -> None:
        """Drop the connection without waiting for anything."""
        if self._failure is None:
            self._failure = (reason, description)
            self._wake()

    def pause(self) -> None:
        """Stop reading, so that TCP pushes the peer back, until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._wake()

    def _wake(self) -> None:
        self._runtime.soon(self._switch)

    def _switch(self) -> None:
        # The greenlet may be another's by now, or gone: it was the reader only while it ran.
        if self._reader is not None:
            self._reader.switch()

    def _on_full(self, description: str) -> None:
        """Give the peer up; it learns why, if it reads on within ``close_timeout``."""
        if not self._closing:
            self._closing = True
            self._writer.give_up(encode_close(1013, "slow consumer"))
            self._await_end()
            # Not at once: whoever sends isn't prepared to see its session end.
            self._runtime.soon(self.handler.on_close, "slow consumer", description)

    def _on_written(self) -> None:
        """Learn that a backlog has become shorter: what was held back because of it may go on."""
        writer = self._writer
        if self._held_back and writer.queued_bytes <= self._resume_at:
            self._wake()
        if writer.idle and not self._closing:
            self.handler.on_drain()

    # -- reading ----------------------------------------------------------------------------------

    def run(self, buffered: bytes = b"") -> None:
        """Read until the connection ends. Any wake-up may be spurious: every wait checks again."""
        self._reader = reader = getcurrent()
        self._watcher = watcher = self._runtime.loop.io(self._stream.fileno(), 1)
        watcher.start(reader.switch)
        reason, description = "transport close", ""
        try:
            # The session may have closed the transport before its reader ran.
            if buffered:
                self._take(self._frames.feed(buffered))
            reason, description = self._read()
        except GreenletExit:
            pass
        except Exception as error:
            logger.exception("the reader of a WebSocket failed")
            reason, description = "transport error", repr(error)
        finally:
            self._finish(reason, description)

    def _read(self) -> tuple[str, str]:
        wait = self._runtime.hub.switch
        receive = self._stream.recv_into
        buffer = self._runtime.buffer
        feed = self._frames.feed
        # TLS may hold decrypted bytes that make no descriptor readable.
        tls = self._stream if isinstance(self._stream, TLSStream) else None
        waiting = tls is None
        while self._failure is None:
            if self._paused or (self._writer.queued_bytes > self._resume_at and not self._closing):
                self._hold_back()
            if waiting:
                wait()
                if self._paused:
                    continue
            try:
                received = receive(buffer)
            except BlockingIOError:
                waiting = True
                continue
            except OSError as error:
                return "transport error", str(error)
            if not received:
                return "transport close", ""
            # Who sends faster than we take it in must not keep the loop.
            waiting = tls is None or not tls.pending()
            self._take(feed(buffer[:received]))
        return self._failure

    def _take(self, events: list[Event]) -> None:
        """Handle what one receive brought, and stay fair to the other connections."""
        began = self._runtime.outbox.began = time()
        for position, event in enumerate(events, 1):
            kind = type(event)
            if self._closing and kind is not Closed and kind is not Failed:
                continue
            if kind is str:
                self._on_text(event)  # type: ignore[arg-type]
            elif kind is bytes:
                self._on_binary(event)  # type: ignore[arg-type]
            else:
                self._on_control(event)
            if (self._paused or self._writer.queued_bytes > self._resume_at) and not self._closing:
                self._hold_back()
            elif position % SLICE_EVENTS == 0 and time() - began > SLICE_SECONDS:
                self._runtime.after_poll(self._switch)
                self._runtime.hub.switch()
                began = self._runtime.outbox.began = time()

    def _hold_back(self) -> None:
        """Take in nothing while that is paused, or while too much waits for the peer."""
        # What the kernel takes at once is no backlog, and nobody would tell us of its end.
        self._writer.flush()
        self._watcher.stop()
        self._held_back = True
        while self._failure is None and (
            self._paused or (self._writer.queued_bytes > self._resume_at and not self._closing)
        ):
            self._runtime.hub.switch()
        self._held_back = False
        self._watcher.start(self._reader.switch)

    def _on_text(self, text: str) -> None:
        if text[:1] == "4":
            self.handler.on_packet(MESSAGE, text[1:])
            return
        try:
            packet = decode_text(text, self._revision)
        except PacketError as error:
            self._refuse("parse error", str(error))
        else:
            self.handler.on_packet(packet.type, packet.data)

    def _on_binary(self, data: bytes) -> None:
        if self._revision == 4:
            self.handler.on_packet(MESSAGE, data)
            return
        try:
            packet = decode_binary(data, self._revision)
        except PacketError as error:
            self._refuse("parse error", str(error))
        else:
            self.handler.on_packet(packet.type, packet.data)

    def _on_control(self, event: Event) -> None:
        if isinstance(event, Ping):
            self._writer.write_pong(encode_frame(PONG, event.payload))
        elif isinstance(event, Closed):
            if not self._closing:
                self._closing = True
                self._writer.write_last(encode_close(None if event.code == 1005 else event.code))
            self.abort("transport close", f"close frame {event.code} {event.reason}".rstrip())
        elif isinstance(event, Failed):
            self._refuse("transport error", event.reason, event.code)
            self._writer.finish()

    def _refuse(self, reason: str, description: str, code: int = 1008) -> None:
        """Close because the peer broke the rules; the session learns of it now, not at the peer's answer."""
        if not self._closing:
            self.close(code, description[:60] if description.isascii() else "")
            self.handler.on_close(reason, description)

    def _finish(self, reason: str, description: str) -> None:
        """Let everything go; the one way out."""
        self._watcher.stop()
        self._watcher.close()
        self._watcher = None
        self._writer.stop()
        self._stream.close()
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._reader = None
        self._closing = True
        self.handler.on_close(reason, description)
