"""Engine.IO over a WebSocket whose connection is ours: a worker takes in, the end of the turn writes.

Specification: RFC 6455; engine.io-protocol, "WebSocket".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from time import time
from typing import Any

from gevent import Timeout, getcurrent
from greenlet import GreenletExit

from socketio_sync.exceptions import PacketError
from socketio_sync.logs import contain
from socketio_sync.options import DeflateOptions, EngineOptions
from socketio_sync.protocol.engineio.packet import Batch, Message, decode_binary, decode_text
from socketio_sync.protocol.websocket.deflate import Agreement, Inflater
from socketio_sync.protocol.websocket.frames import PONG, TEXT, encode_close, encode_frame
from socketio_sync.protocol.websocket.reader import Closed, Event, Failed, FrameReader, Ping
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.framing import TEXT_HEADS, deflating, encoder_for, frame_text
from socketio_sync.transports.runtime import RECEIVE_BYTES, Runtime
from socketio_sync.transports.stream import Stream, TLSStream
from socketio_sync.transports.writer import Writer

logger = logging.getLogger(__name__)


class WebSocketTransport:
    """One WebSocket. Every method is for the hub's thread.

    It needs no greenlet of its own while nothing arrives. One that takes in ends the transport itself;
    whoever else finds it broken leaves that to the next turn.
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
        "_left",
        "_paused",
        "_plain_binary",
        "_resume_at",
        "_revision",
        "_runtime",
        "_stream",
        "_taker",
        "_tls",
        "_waiter",
        "_watcher",
        "_writer",
        "handler",
        "options",
    )

    name = "websocket"
    writer_type = Writer

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
        most, fragments = options.max_http_buffer_size, options.max_fragments
        self._frames = FrameReader(max_message=most, max_fragments=fragments)
        self._writer = self.writer_type(runtime, stream, options, self)
        # Where it holds decrypted bytes, no descriptor is readable.
        self._tls = stream if isinstance(stream, TLSStream) else None
        # The greenlet that takes in at the moment; False where that has to wait for its turn.
        self._taker: Any = None
        # What was received and isn't handled yet, and whether nobody is at it.
        self._events: Iterator[Event] = iter(())
        self._left = True
        # The host's greenlet, where that waits for the end.
        self._waiter: Any = None
        self._watcher: Any = None
        self._paused = False
        # Whether reading must stop before the next event, and whether it has.
        self._hold = self._held_back = False
        # Answers that nobody reads must stop the asking; half of the bound is left to those on their way.
        self._resume_at = options.max_outbound_bytes // 2
        self._closing = False
        self._failure: tuple[str, str] | None = None
        self._close_timer: Any = None

    @property
    def queued_bytes(self) -> int:
        """Bytes that the kernel hasn't taken yet."""
        return self._writer.queued_bytes

    @property
    def undelivered(self) -> bool:
        """Whether something waits for the peer, or did when the connection ended."""
        return self._writer.undelivered or self._writer.queued_bytes > 0

    @property
    def writable(self) -> bool:
        """Whether a message would leave at the end of this turn, with nothing before it."""
        return self._writer.idle

    @property
    def paused(self) -> bool:
        """Whether nothing is read for now, because that was asked for or too much waits for the peer."""
        return self._paused or (self._held_back and self._writer.queued_bytes > self._resume_at)

    def start(self, buffered: bytes = b"") -> None:
        """Read, from ``buffered`` on, in greenlets of the pool."""
        self._open(buffered)
        self._runtime.workers.serve_soon(self)

    def compress(self, agreement: Agreement, deflate: DeflateOptions) -> None:
        """Compress in both directions, as was agreed; to be called first of all."""
        most, fragments = self.options.max_http_buffer_size, self.options.max_fragments
        inflater = Inflater(agreement, most)
        self._frames = FrameReader(max_message=most, max_fragments=fragments, inflater=inflater)
        self._encoder = deflating(self._encoder, agreement.server_bits, deflate)

    # -- sending ----------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together; returns at once."""
        encoder = self._encoder
        self._writer.write_all([message.rendered(encoder) for message in messages])

    def send_shared(self, batch: Batch) -> None:
        """Queue messages that others get, too; returns at once."""
        # Nearly always they were rendered for the recipient before: not worth a call.
        frame = batch.renderings.get(self._encoder)
        self._writer.write(frame or batch.rendered(self._encoder))

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
        self._runtime.outbox.settle()
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
        self._runtime.soon(self._go_on)

    def _go_on(self) -> None:
        """End, or take in what was held back, if that is to be."""
        if self._watcher is None or self._taker is not None:
            # It has ended, or whoever takes in will see.
            return
        if self._failure is not None:
            self._finish(*self._failure)
        elif self._held_back and not self._hold_back():
            self._runtime.workers.serve_soon(self)

    def on_backlog(self) -> None:
        """Learn that more waits for the peer than it should: nothing more is asked of us meanwhile."""
        self._hold = True

    def on_full(self, description: str) -> None:
        """Give the peer up; it learns why, if it reads on within ``close_timeout``."""
        if not self._closing:
            self._closing = True
            self._writer.replace(encode_close(1013, "slow consumer"))
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
        """Read, from ``buffered`` on, and block the calling greenlet until the connection ends."""
        self.start(buffered)
        self._waiter = getcurrent()
        try:
            while self._watcher is not None:
                self._runtime.hub.switch()
        except GreenletExit:
            pass
        finally:
            self._waiter = None
            self._finish("transport close", "")

    def _open(self, buffered: bytes) -> None:
        self._watcher = self._runtime.loop.io(self._stream.fileno(), 1)
        self._runtime.workers.open(self, self._watcher)
        self._events = iter(self._frames.feed(buffered))

    def take(self, me: Any) -> None:
        """Handle what has arrived, or what was left of it, and stay fair to others. See :class:`Readable`.

        A handler that blocks is left behind with the greenlet; another one goes on behind the event.
        """
        if self._watcher is None or self._taker is not None or (self._hold and self._hold_back()):
            return
        runtime = self._runtime
        began = runtime.outbox.began = time()
        try:
            if self._left:
                self._left = False
                events = list(self._events)
            else:
                try:
                    received = self._stream.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    # Somebody has looked before.
                    return
                except OSError as error:
                    self._finish("transport error", str(error))
                    return
                if not received:
                    self._finish("transport close", "")
                    return
                events = self._frames.feed(received)
            self._taker = me
            many, most = len(events) > 1, runtime.workers.slice
            self._events = iter(events)
            for event in self._events:
                if type(event) is str and event[:1] == "4" and not self._closing:
                    self.handler.on_message(event[1:])
                elif type(event) is bytes and self._plain_binary and not self._closing:
                    self.handler.on_message(event)
                else:
                    self._on_other(event)
                if self._taker is not me:
                    return
                if self._hold and self._hold_back():
                    self.leave()
                    break
                if many and time() - began > most:
                    self.leave()
                    self._give_way()
                    return
            self._taker = None
            if self._failure is not None:
                self._finish(*self._failure)
            elif self._tls is not None and self._tls.pending() and not self._left:
                self._give_way()
        except BaseException as error:
            # Not the application's: what its handlers raise ends before it comes here.
            self._finish("transport error", repr(error))
            if not isinstance(error, (Exception, GreenletExit, Timeout)):
                raise
            logger.exception("the reader of a WebSocket failed")

    def leave(self) -> None:
        """Forget the greenlet that takes in. See :class:`Readable`."""
        self._taker = None
        self._left = True

    def _give_way(self) -> None:
        # Behind the others, and their answers; not before as well, or it would be due twice, and so on.
        self._taker = False
        self._runtime.after_poll(lambda: self._runtime.soon(self._on_turn))

    def _on_turn(self) -> None:
        self._taker = None
        self._runtime.workers.serve_soon(self)
        self._go_on()

    def _hold_back(self) -> bool:
        """Stop reading while that is paused or too much waits for the peer, else begin again; tell which."""
        # What the kernel takes at once is no backlog, and nobody would tell us of its end.
        self._writer.flush()
        held_back = self._held_back
        self._hold = self._held_back = self._failure is None and (
            self._paused or (self._writer.queued_bytes > self._resume_at and not self._closing)
        )
        if self._hold:
            self._watcher.stop()
        elif held_back:
            self._runtime.workers.watch(self, self._watcher)
        return self._hold

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
                self._runtime.outbox.settle()
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
            self.handler.on_fault(reason, description)

    def _finish(self, reason: str, description: str) -> None:
        """Let everything go, once; the one way out."""
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            return
        self._taker = None
        self._closing = True
        for let_go in (self._runtime.workers.closed, watcher.stop, watcher.close, self._writer.stop):
            contain(logger, let_go)
        contain(logger, self._stream.close)
        if self._close_timer is not None:
            contain(logger, self._close_timer.cancel)
        if self._waiter is not None:
            self._runtime.soon(self._release)
        self.handler.on_close(reason, description)

    def _release(self) -> None:
        if self._waiter is not None:
            self._waiter.switch()
