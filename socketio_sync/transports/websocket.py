"""Engine.IO over a WebSocket whose connection is ours: one greenlet reads, the end of the turn writes.

Specification: RFC 6455; engine.io-protocol, "WebSocket".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from time import time
from typing import Any

from gevent import Timeout, getcurrent
from greenlet import GreenletExit, greenlet

from socketio_sync.exceptions import PacketError
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import Message, decode_binary, decode_text
from socketio_sync.protocol.websocket.frames import PONG, TEXT, encode_close, encode_frame
from socketio_sync.protocol.websocket.reader import Closed, Event, Failed, FrameReader, Ping
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.framing import TEXT_HEADS, encoder_for, frame_text
from socketio_sync.transports.runtime import RECEIVE_BYTES, Runtime
from socketio_sync.transports.stream import Stream, TLSStream
from socketio_sync.transports.workers import Worker
from socketio_sync.transports.writer import Writer

logger = logging.getLogger(__name__)

# How long one connection may keep the loop.
SLICE_SECONDS = 0.005


class WebSocketTransport:
    """One WebSocket. Every method is for the hub's thread.

    The reader ends the transport, and nobody else: whoever finds it broken wakes the reader.
    """

    __slots__ = (
        "_close_timer",
        "_closing",
        "_encoder",
        "_events",
        "_failure",
        "_frames",
        "_held_back",
        "_hold",
        "_paused",
        "_plain_binary",
        "_reader",
        "_resume_at",
        "_revision",
        "_runtime",
        "_stream",
        "_watcher",
        "_worker",
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
        # Revision 3 has the packet's type in front.
        self._plain_binary = revision == 4
        self._encoder = encoder_for(revision, base64)
        self._frames = FrameReader(
            max_message=options.max_http_buffer_size, max_fragments=options.max_fragments
        )
        self._writer = Writer(runtime, stream, options, self)
        self._reader: Any = None
        self._worker: Worker | None = None
        # What was received and isn't handled yet.
        self._events: Iterator[Event] = iter(())
        self._watcher: Any = None
        self._paused = False
        # Whether reading must stop before the next event, and whether it has.
        self._hold = False
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
        self._open(buffered)
        self._runtime.soon(self._runtime.workers.read, self)

    # -- sending ----------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together; returns at once."""
        if len(messages) == 1:
            # Nearly always it was rendered for the recipient before: not worth a call.
            frame = messages[0].renderings.get(self._encoder)
            self._writer.write(frame or messages[0].rendered(self._encoder))
        else:
            self._writer.write_all([message.rendered(self._encoder) for message in messages])

    def send_text(self, data: bytes) -> None:
        """Queue a text message, UTF-8, that is for this peer alone; returns at once."""
        length = len(data)
        self._writer.write(TEXT_HEADS[length] + data if length < 125 else frame_text(data))

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it, for this peer alone."""
        encoder = self._encoder
        self._writer.write_all([frame_text(text), *[encoder(data, True) for data in attachments]])

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
        self._paused = self._hold = True

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._wake()

    def _wake(self) -> None:
        self._runtime.soon(self._switch)

    def _switch(self) -> None:
        # It may have ended, or stand in a handler that waits for something else.
        reader = self._reader
        if reader is not None and self._runtime.workers.handling is not reader:
            if self._watcher.active:
                # Its event may be on its way as well, and must not find the reader in a handler that waits.
                self._watcher.stop()
                self._watcher.start(reader.switch)
            reader.switch()

    def on_backlog(self) -> None:
        """Learn that more waits for the peer than it should: nothing more is asked of us meanwhile."""
        self._hold = True

    def on_full(self, description: str) -> None:
        """Give the peer up; it learns why, if it reads on within ``close_timeout``."""
        if not self._closing:
            self._closing = True
            self._writer.give_up(encode_close(1013, "slow consumer"))
            self._await_end()
            # Not at once: whoever sends isn't prepared to see its session end.
            self._runtime.soon(self.handler.on_close, "slow consumer", description)

    def on_written(self) -> None:
        """Learn that a backlog has become shorter: what was held back because of it may go on."""
        writer = self._writer
        if self._held_back and writer.queued_bytes <= self._resume_at:
            self._wake()
        if writer.idle and not self._closing:
            self.handler.on_drain()

    # -- reading ----------------------------------------------------------------------------------

    def run(self, buffered: bytes = b"") -> None:
        """Read in the calling greenlet, from ``buffered`` on, until the connection ends."""
        self._open(buffered)
        self.read()

    def _open(self, buffered: bytes) -> None:
        self._watcher = self._runtime.loop.io(self._stream.fileno(), 1)
        self._events = iter(self._frames.feed(buffered))

    def read(self) -> None:
        """Read in the calling greenlet, from where another one has left. See :class:`Readable`."""
        self._reader = reader = getcurrent()
        self._worker = self._runtime.workers.reader()
        self._watcher.start(reader.switch)
        reason, description = "transport close", ""
        try:
            while True:
                try:
                    reason, description = self._read(reader)
                    break
                except Timeout as timeout:
                    # We set none: a handler that ended here has left it behind.
                    logger.warning("a handler hasn't cancelled its timeout: %r", timeout)
        except GreenletExit:
            pass
        except Exception as error:
            logger.exception("the reader of a WebSocket failed")
            reason, description = "transport error", repr(error)
        finally:
            self._runtime.workers.reading = None
            if self._reader is reader:
                self._finish(reason, description)

    def leave(self) -> None:
        """Forget the greenlet that reads. See :class:`Readable`."""
        self._watcher.stop()
        self._reader = None

    def _read(self, reader: Any) -> tuple[str, str]:
        """Read until the connection ends or was left; any wake-up may be spurious, so every wait checks."""
        # Past gevent's own method, which looks for a hook that only its own greenlets have.
        wait = greenlet.switch.__get__(self._runtime.hub)
        receive = self._stream.recv
        feed = self._frames.feed
        # TLS may hold decrypted bytes that make no descriptor readable.
        tls = self._stream if isinstance(self._stream, TLSStream) else None
        waiting = tls is None
        self._take(reader, list(self._events))
        while self._failure is None and self._reader is reader:
            if self._hold:
                self._hold_back(reader)
            if waiting:
                wait()
                if self._paused:
                    continue
            try:
                received = receive(RECEIVE_BYTES)
            except BlockingIOError:
                waiting = True
                continue
            except OSError as error:
                return "transport error", str(error)
            if not received:
                return "transport close", ""
            # Who sends faster than we take it in must not keep the loop.
            waiting = tls is None or not tls.pending()
            self._take(reader, feed(received))
        return self._failure or ("", "")

    def _take(self, reader: Any, events: list[Event]) -> None:
        """Handle what one receive brought, and stay fair to the other connections.

        A handler that blocks is left behind with this greenlet; another one goes on behind the event.
        """
        runtime = self._runtime
        workers = runtime.workers
        began = runtime.outbox.began = time()
        if workers.handling is not None:
            workers.hand_over()
        workers.reading = self._worker
        many = len(events) > 1
        self._events = iter(events)
        for event in self._events:
            if type(event) is str and event[:1] == "4" and not self._closing:
                self.handler.on_message(event[1:])
            elif type(event) is bytes and self._plain_binary and not self._closing:
                self.handler.on_message(event)
            else:
                self._on_other(event)
            if self._reader is not reader:
                return
            if self._hold:
                self._hold_back(reader)
            elif many and time() - began > SLICE_SECONDS:
                workers.reading = None
                runtime.after_poll(self._switch)
                runtime.hub.switch()
            else:
                continue
            began = runtime.outbox.began = time()
            if workers.handling is not None:
                workers.hand_over()
            workers.reading = self._worker
        workers.reading = None

    def _hold_back(self, reader: Any) -> None:
        """Take in nothing while that is paused, or while too much waits for the peer."""
        runtime = self._runtime
        runtime.workers.reading = None
        # What the kernel takes at once is no backlog, and nobody would tell us of its end.
        self._writer.flush()
        self._watcher.stop()
        self._held_back = True
        while self._failure is None and (
            self._paused or (self._writer.queued_bytes > self._resume_at and not self._closing)
        ):
            runtime.hub.switch()
        self._hold = self._held_back = False
        self._watcher.start(reader.switch)

    def _on_other(self, event: Event) -> None:
        """Take whatever isn't a message that can be handed on as it is."""
        kind = type(event)
        if self._closing and kind is not Closed and kind is not Failed:
            return
        try:
            if isinstance(event, str):
                packet = decode_text(event, self._revision)
            elif isinstance(event, bytes):
                packet = decode_binary(event, self._revision)
            else:
                self._on_control(event)
                return
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
