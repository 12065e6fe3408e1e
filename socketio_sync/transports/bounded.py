"""Transports for other outbound policies than ``close``: at the limit something is dropped, or one waits.

What may be lost is what the session says of it (``may_drop``): events, but not what holds the protocol
together. A message goes as a whole, with its attachments. Where nothing more may be dropped the client is
given up as a slow consumer, so that the limit holds under every policy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from gevent import getcurrent
from gevent.event import Event

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import Batch, Message
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.polling import Payload, PollingTransport
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.websocket import WebSocketTransport
from socketio_sync.transports.writer import Writer

# This share of the limit is kept for what doesn't wait, acknowledgements for example.
_SHARE_KEPT = 8


class Kept(bytes):
    """Frames that must not be dropped."""

    __slots__ = ()


class BoundedWriter(Writer):
    """A writer that drops what may be dropped. Each frame that it is given is a whole message."""

    __slots__ = ()

    def write_first(self, frame: bytes) -> None:
        """Queue a control frame, which is never dropped."""
        super().write_first(Kept(frame))

    def write_pong(self, frame: bytes) -> None:
        """Queue a pong, which only gives way to a newer one."""
        super().write_pong(Kept(frame))

    def on_overflow(self, size: int) -> None:
        """Drop as the policy says, or give the peer up; the last message has ``size`` bytes."""
        policy = self.options.outbound_policy
        if policy != "block":
            limit = max(self.options.max_outbound_bytes, size)
            begun = len(self._partial) if self._partial is not None else 0
            # Where it doesn't fit behind the message that has begun, nothing is gained by dropping others.
            newest = policy == "drop_newest" or begun + size > limit
            owner: Any = self._owner
            owner.on_dropped(self._drop(limit, newest))
            if self.queued_bytes <= limit:
                return
        super().on_overflow(size)

    def _drop(self, limit: int, newest: bool) -> int:
        """Drop messages until no more than ``limit`` bytes are queued; return how many."""
        frames = self._frames
        before = len(frames)
        index = before - 1 if newest else 0
        while self.queued_bytes > limit and 0 <= index < len(frames):
            if type(frames[index]) is Kept:
                index += -1 if newest else 1
                continue
            self.queued_bytes -= len(frames.pop(index))
            index -= newest
        return before - len(frames)


class Room:
    """Where senders wait until a client has taken some of its queue. For the hub's thread only.

    Attributes:
        limit: Up to how many queued bytes there is room.
    """

    __slots__ = ("_changed", "_runtime", "_timeout", "limit")

    def __init__(self, runtime: Runtime, options: EngineOptions) -> None:
        """Make nobody wait longer than ``write_stall_timeout``."""
        self._runtime = runtime
        self._timeout = options.write_stall_timeout
        self.limit = options.max_outbound_bytes - options.max_outbound_bytes // _SHARE_KEPT
        self._changed = Event()

    @property
    def description(self) -> str:
        """What is wrong with a client for which one has waited in vain."""
        return f"too much was queued for {self._timeout:g} s"

    def changed(self) -> None:
        """Have those who wait look again."""
        self._changed.set()

    def wait(self, has_room: Callable[[], bool]) -> bool:
        """Wait until there is room; tell whether that was in time. Who can't wait doesn't."""
        if has_room():
            return True
        # The hub can't wait for itself, and what goes to many must not wait for one.
        if getcurrent() is self._runtime.hub or self._runtime.outbox.fanning_out:
            return True
        timers = self._runtime.timers
        until = timers.now() + self._timeout
        while not has_room():
            self._changed.clear()
            if not self._changed.wait(max(until - timers.now(), 0.0)):
                return has_room()
        return True


class BoundedWebSocket(WebSocketTransport):
    """A WebSocket with a policy."""

    __slots__ = ("_room",)

    writer_type = BoundedWriter

    def __init__(
        self,
        runtime: Runtime,
        stream: Any,
        handler: TransportHandler,
        options: EngineOptions,
        *,
        revision: int,
        base64: bool = False,
    ) -> None:
        """Speak on ``stream``; as the base."""
        super().__init__(runtime, stream, handler, options, revision=revision, base64=base64)
        self._room = Room(runtime, options)

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together."""
        encoder = self._encoder
        self._queue(messages[0], [message.rendered(encoder) for message in messages])

    def send_shared(self, batch: Batch) -> None:
        """Queue messages that others get, too: each part by itself, and without waiting."""
        encoder = self._encoder
        may_drop = self.handler.may_drop
        for messages in batch.parts:
            frame = _whole([message.rendered(encoder) for message in messages])
            self._writer.write(frame if may_drop(messages[0]) else Kept(frame))

    def send_text(self, data: bytes) -> None:
        """Queue a text message that is for this peer alone."""
        self._queue(Message(data, False), [self._encoder(data, False)])

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it."""
        encoder = self._encoder
        self._queue(
            Message(text, False), [encoder(text, False), *[encoder(data, True) for data in attachments]]
        )

    def _queue(self, first: Message, frames: Sequence[bytes]) -> None:
        frame = _whole(frames)
        if not self.handler.may_drop(first):
            self._writer.write(Kept(frame))
            return
        size = len(frame)
        if self.options.outbound_policy == "block" and not self._room.wait(lambda: self._has_room(size)):
            self._writer.give_up(self._room.description)
            return
        self._writer.write(frame)

    def _has_room(self, size: int) -> bool:
        writer = self._writer
        limit = self._room.limit
        if writer.queued_bytes + size > limit and writer.queued_bytes:
            # What the kernel takes at once is no backlog.
            writer.flush()
        return self._closing or not writer.queued_bytes or writer.queued_bytes + size <= limit

    def on_dropped(self, count: int) -> None:
        """Learn that messages were dropped."""
        self.handler.on_dropped(count)

    def on_written(self) -> None:
        """Learn that a backlog has become shorter."""
        super().on_written()
        self._room.changed()

    def _await_end(self) -> None:
        super()._await_end()
        self._room.changed()

    def _finish(self, reason: str, description: str) -> None:
        super()._finish(reason, description)
        self._room.changed()


def _whole(frames: Sequence[bytes]) -> bytes:
    return frames[0] if len(frames) == 1 else b"".join(frames)


def _first_message(items: Sequence[Message | tuple[int, str]]) -> int:
    """Return where the messages begin, behind the control packets."""
    return next((index for index, item in enumerate(items) if isinstance(item, Message)), len(items))


class BoundedPolling(PollingTransport):
    """A polling session with a policy."""

    __slots__ = ("_room", "_units")

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
        """Serve a session; as the base."""
        super().__init__(runtime, handler, options, revision=revision, base64=base64, jsonp=jsonp)
        self._room = Room(runtime, options)
        # What belongs together among the items that are queued, in their order.
        self._units: deque[Sequence[Message]] = deque()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together."""
        size = sum([len(message.data) for message in messages])
        if self.options.outbound_policy == "block" and self.handler.may_drop(messages[0]):
            if not self._room.wait(lambda: self._has_room(size)):
                self.give_up(self._room.description)
                return
            if self._moved:
                session: Any = self.handler
                session.transport.send(messages)
                return
        if not self._closed and not self._moved and not self._full:
            self._units.append(messages)
        super().send(messages)

    def _has_room(self, size: int) -> bool:
        if self._closed or self._moved or self._full or not self._units:
            return True
        return self.queued_bytes + size <= self._room.limit

    def on_overflow(self, size: int) -> None:
        """Drop as the policy says, or give the client up; the last message has ``size`` bytes."""
        policy = self.options.outbound_policy
        if policy != "block":
            limit = max(self.options.max_outbound_bytes, size)
            self.handler.on_dropped(self._drop(limit, policy == "drop_newest"))
            if self.queued_bytes <= limit:
                return
        super().on_overflow(size)

    def _drop(self, limit: int, newest: bool) -> int:
        items, units = self._items, self._units
        before = len(units)
        kept: list[Sequence[Message]] = []
        at = len(items) if newest else _first_message(items)
        while self.queued_bytes > limit and units:
            unit = units.pop() if newest else units.popleft()
            start = at - len(unit) if newest else at
            if self.handler.may_drop(unit[0]):
                del items[start : start + len(unit)]
                self.queued_bytes -= sum([len(message.data) for message in unit])
                at = start
            else:
                kept.append(unit)
                at = start if newest else start + len(unit)
        dropped = before - len(units) - len(kept)
        if newest:
            units.extend(reversed(kept))
        else:
            units.extendleft(reversed(kept))
        return dropped

    def _take(self) -> Payload:
        self._units.clear()
        self._room.changed()
        return super()._take()

    def detach(self) -> tuple[list[tuple[int, str]], list[Sequence[Message]]]:
        """End polling because the session has moved."""
        units = [*self._units]
        self._units.clear()
        controls, _ = super().detach()
        self._room.changed()
        return controls, units

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Tell the client."""
        super().close(code, reason)
        self._room.changed()

    def left_by_client(self) -> None:
        """End polling because the client said so."""
        super().left_by_client()
        self._units.clear()
        self._room.changed()
