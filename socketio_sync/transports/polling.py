"""Engine.IO over HTTP long-polling: a GET is held until there is something to say, a POST brings packets.

Specification: engine.io-protocol, "HTTP long-polling"; wire.md 2.1, 2.5, 2.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import Any, NamedTuple

from gevent import getcurrent

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import CLOSE, MESSAGE, NOOP, OPEN, Batch, Message
from socketio_sync.protocol.engineio.payload import (
    control,
    iter_payload,
    join_v4,
    message_v3_binary,
    message_v3_text,
    message_v4,
)
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.takeover import PeerWatch
from socketio_sync.transports.workers import SLICE_SECONDS
from socketio_sync.types import Environ

# A client with more than this queued is behind.
MUCH_BYTES = 16 * 1024
# Packets of a payload that are handled before the clock is looked at.
SLICE_EVENTS = 64


class Payload(NamedTuple):
    """The body of one answer.

    Attributes:
        body: What it says.
        binary: Whether its content type is that of binary data.
        compress: Whether it may be compressed.
    """

    body: bytes
    binary: bool
    compress: bool


class PollingTransport:
    """The requests of one polling session. Every method is for the hub's thread.

    ``poll`` and ``receive`` block the greenlet of the request they serve; everything else returns at once.

    Attributes:
        jsonp: The number of the callback, for a client that polls by script tags; None for all others.
        posting: Whether a POST is being received.
        left: Whether the client has said that it leaves.
    """

    __slots__ = (
        "_base64",
        "_closed",
        "_dirty",
        "_full",
        "_half",
        "_held",
        "_items",
        "_lost",
        "_moved",
        "_much",
        "_paused",
        "_posting",
        "_released",
        "_revision",
        "_runtime",
        "_threshold",
        "handler",
        "jsonp",
        "left",
        "options",
        "posting",
        "queued_bytes",
    )

    name = "polling"

    def __init__(
        self,
        runtime: Runtime,
        handler: TransportHandler,
        options: EngineOptions,
        *,
        revision: int,
        base64: bool = False,
        jsonp: str | None = None,
    ) -> None:
        """Serve a session of ``revision``; ``base64`` where the client can't read binary answers."""
        self._runtime = runtime
        self.handler = handler
        self.options = options
        self._revision = revision
        self._base64 = base64
        self.jsonp = jsonp
        self._items: list[Message | tuple[int, str]] = []
        self._held: Any = None
        self._posting: Any = None
        self._released = False
        self._closed = False
        self._dirty = False
        self._full = False
        self._half = options.max_outbound_bytes // 2
        self._threshold = options.compression_threshold
        self._much = min(MUCH_BYTES, options.max_outbound_bytes)
        self._paused = False
        self._lost = False
        self._moved = False
        self.posting = False
        self.left = False
        self.queued_bytes = 0

    @property
    def held(self) -> bool:
        """Whether a GET is held."""
        return self._held is not None and not self._released

    @property
    def answering(self) -> bool:
        """Whether a GET is held, or was released and hasn't taken its answer yet."""
        return self._held is not None

    @property
    def base64(self) -> bool:
        """Whether binary goes as base64 text."""
        return self._base64

    @property
    def undelivered(self) -> bool:
        """Whether something is queued."""
        return bool(self._items)

    @property
    def closed(self) -> bool:
        """Whether the transport was closed; what is queued can still be polled."""
        return self._closed

    @property
    def paused(self) -> bool:
        """Whether no packets are taken in for now."""
        return self._paused

    @property
    def writable(self) -> bool:
        """Whether a GET waits and nothing is queued for it."""
        return self.held and not self._items

    # -- sending ----------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together; returns at once."""
        if self._closed or self._moved or self._full:
            return
        self._items.extend(messages)
        for message in messages:
            self.queued_bytes += len(message.data)
        self._mark()
        if self.queued_bytes > self._much:
            self._on_much(messages)

    def _on_much(self, messages: Sequence[Message]) -> None:
        self._runtime.backlogs.add(self)
        if self.queued_bytes > self.options.max_outbound_bytes and len(self._items) > len(messages):
            self.on_overflow(sum([len(message.data) for message in messages]))

    def on_overflow(self, size: int) -> None:
        """Do something about a queue that is too long; the last message has ``size`` bytes."""
        self.give_up(f"{self.queued_bytes} bytes are queued and not polled")

    def give_up(self, description: str) -> None:
        """Disconnect a client that doesn't poll; what it hasn't polled so far isn't kept for it."""
        if not self._full:
            self._full = True
            self._items = [item for item in self._items if not isinstance(item, Message)]
            self.queued_bytes = 0
            # Not at once: whoever sends isn't prepared to see its session end.
            self._runtime.soon(self.handler.on_close, "slow consumer", description)

    def send_shared(self, batch: Batch) -> None:
        """Queue messages that others get, too; returns at once."""
        for messages in batch.parts:
            self.send(messages)

    def send_text(self, data: bytes) -> None:
        """Queue a text message, UTF-8, that is for this client alone; returns at once."""
        self.send((Message(data, False),))

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it, for this client alone."""
        self.send((Message(text, False), *[Message(data, True) for data in attachments]))

    def send_control(self, type: int, data: str = "") -> None:
        """Queue a packet without application data, ahead of the messages; once, until it is polled."""
        if not self._closed and not self._is_queued((type, data)):
            self._items.insert(0, (type, data))
            self._mark()

    def _is_queued(self, packet: tuple[int, str]) -> bool:
        # All in front of the messages: else a client that asks and never polls fills the queue with answers.
        for item in self._items:
            if isinstance(item, Message):
                return False
            if item == packet:
                return True
        return False

    def _mark(self) -> None:
        # Not at once: the messages of one turn share one answer.
        if self._held is not None and not self._dirty:
            self._dirty = True
            self._runtime.outbox.add(self)

    def flush(self) -> None:
        """Let the held GET go, if there is something for it."""
        self._dirty = False
        if self._items:
            self._release()

    def release(self) -> None:
        """Answer a held GET with a noop, so that the client may move to its other transport."""
        if self.held:
            self.send_control(NOOP)
            self._release()

    def _release(self) -> None:
        if self.held:
            self._released = True
            self._runtime.soon(self._switch_held)

    def _switch_held(self) -> None:
        if self._held is not None:
            self._held.switch()

    # -- ending -----------------------------------------------------------------------------------

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Tell the client with the held GET, or else with the next one; there are no codes here."""
        if self._closed:
            return
        self._runtime.outbox.settle()
        if not self._items and not self.held:
            self._items.append((NOOP, ""))
        self._items.append((CLOSE, ""))
        self._closed = True
        self._release()
        self.resume()

    def left_by_client(self) -> None:
        """End polling because the client said so: a held GET is answered, and nothing follows."""
        self._items = [(NOOP, "")]
        self._closed = self.left = True
        self._release()
        self.resume()

    def detach(self) -> tuple[list[tuple[int, str]], list[Sequence[Message]]]:
        """End polling because the session has moved; return what nobody polled.

        Returns:
            The control packets, and the messages, those that belong together in a sequence of their own, or
            all in one.
        """
        controls = [item for item in self._items if not isinstance(item, Message) and item[0] != NOOP]
        messages = [item for item in self._items if isinstance(item, Message)]
        self._items = [(NOOP, "")]
        self._moved = True
        self._release()
        self._wake_posting()
        return controls, [messages] if messages else []

    def pause(self) -> None:
        """Take in no packets until ``resume``: the POST that brings them waits."""
        self._paused = True

    def resume(self) -> None:
        """Take in packets again."""
        self._paused = False
        self._wake_posting()

    def _wake_posting(self) -> None:
        if self._posting is not None:
            self._runtime.soon(self._switch_posting)

    def _switch_posting(self) -> None:
        if self._posting is not None:
            self._posting.switch()

    # -- requests ---------------------------------------------------------------------------------

    def opening(self, data: str, message: Message) -> Payload:
        """Return the answer to the handshake: the OPEN packet, and the first message with it."""
        self._items = [(OPEN, data), message]
        return self._take()

    def poll(self, environ: Environ) -> Payload | None:
        """Wait until there is something to say, and return it; in the greenlet of the GET.

        Returns:
            None when the client has gone meanwhile; the session knows.
        """
        if not self._items:
            self._hold(environ)
        if self._lost:
            return None
        payload = self._take()
        if not self._closed and not self._moved:
            self.handler.on_drain()
        return payload

    def _hold(self, environ: Environ) -> None:
        self._held = getcurrent()
        self._released = False
        watch = PeerWatch(environ, self._runtime.loop, self._on_lost)
        try:
            while not self._released:
                self._runtime.hub.switch()
        except BaseException:
            # The host ends the request: with it goes the only way to the client.
            self._on_lost()
            raise
        finally:
            self._held = None
            watch.stop()

    def _on_lost(self) -> None:
        self._lost = True
        self._release()
        if not self._moved:
            self.handler.on_close("transport error", "poll connection closed prematurely")

    def _take(self) -> Payload:
        items, self._items = self._items, []
        if self._closed and len(items) > 1 and isinstance(items[-2], Message):
            # By itself, with the next poll: clients handle a close before the messages in front of it.
            self._items.append(items.pop())
        self.queued_bytes = 0
        self._wake_posting()
        revision = self._revision
        if revision == 4:
            body = join_v4([self._encode(item, message_v4) for item in items])
            return Payload(body, False, len(body) >= self._threshold and _compresses(items))
        binary = not self._base64 and any(isinstance(item, Message) and item.binary for item in items)
        encoder = message_v3_binary if binary else message_v3_text
        body = b"".join([self._encode(item, encoder, binary) for item in items])
        return Payload(body, binary, len(body) >= self._threshold and _compresses(items))

    def _encode(self, item: Message | tuple[int, str], encoder: Any, binary: bool = False) -> bytes:
        if isinstance(item, Message):
            return item.rendered(encoder)
        return control(item[0], item[1], self._revision, binary=binary)

    def receive(self, body: bytes, *, binary: bool) -> None:
        """Hand over the packets of a POST one by one; in the greenlet of the POST.

        Raises:
            PacketError: At the first malformed packet; those before it were handled.
        """
        packets = iter_payload(
            body, revision=self._revision, binary=binary, max_packets=self.options.max_packets_per_payload
        )
        began = self._runtime.outbox.began = time()
        handler = self.handler
        for position, (type, data) in enumerate(packets, 1):
            if type == MESSAGE:
                handler.on_message(data)
            else:
                handler.on_packet(type, data)
            # Too many answers that aren't polled must stop the asking.
            while (self._paused or self.queued_bytes > self._half) and not (self._closed or self._moved):
                self._wait()
            if position % SLICE_EVENTS == 0 and time() - began > SLICE_SECONDS:
                self._runtime.after_poll(self._switch_posting)
                self._wait()
                began = self._runtime.outbox.began = time()
            if self._closed:
                # What stands behind a close is ignored, malformed or not.
                return

    def _wait(self) -> None:
        # Only here may others switch to us: elsewhere the greenlet waits for something else.
        self._posting = getcurrent()
        try:
            self._runtime.hub.switch()
        finally:
            self._posting = None


def _compresses(items: Sequence[Message | tuple[int, str]]) -> bool:
    return any(isinstance(item, Message) and item.compress for item in items)
