"""One Engine.IO session, whatever transport it is on.

Specification: engine.io-protocol, "Heartbeat", "Upgrade"; wire.md 2.4-2.6, 2.11.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from socketio_sync.engine.events import Events
from socketio_sync.engine.faults import blame
from socketio_sync.engine.handler import EngineHandler
from socketio_sync.engine.watched import NAMES, WatchedHandler, watch
from socketio_sync.logs import Throttle, contain, shown
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.heartbeat import Due, Heartbeat
from socketio_sync.protocol.engineio.packet import CLOSE, MESSAGE, PING, PONG, Batch, Message
from socketio_sync.transports.base import Transport
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.waiter import Waiter
from socketio_sync.types import Environ

logger = logging.getLogger(__name__)
problems = Throttle(logger)

# What the peer's WebSocket is told; reasons that aren't here close without a code, as Node does.
CLOSE_CODES = {
    "parse error": 1008,
    "transport error": 1008,
    "slow consumer": 1013,
    "server shutting down": 1001,
}


class EngineSocket(Events):
    """A session: an ordered channel of text and binary messages to one client.

    Its events, whose handlers run in greenlets that may block: ``"message"`` (called with the message),
    ``"upgrading"`` and ``"upgrade"`` (with the name of the transport that probes, and has taken over),
    ``"packet"`` (type and data of each packet that came, before it is handled), ``"packet_create"`` (the same
    for each that was sent, shortly after), ``"heartbeat"`` (no argument; the client was heard of),
    ``"drain"`` (no argument; all that was queued has left) and ``"close"`` (with reason and description).
    Types of packets are ``message``, ``ping``, ``pong``, ``open``, ``close``, ``upgrade`` and ``noop``.

    Attributes:
        id: The secret session id, which is a part of every request.
        environ: The WSGI environ of the request that opened the session, without what belongs to
            the host server.
        protocol: 3 or 4, the revision of the protocol that the client speaks.
        transport: What the session is on now.
        is_open: Whether messages can be sent.
        reason: Why it was closed; empty while it is open.
        upgrading: Whether a WebSocket probes at the moment.
        dropped: How many messages to the client were lost because it took too little; with another
            ``outbound_policy`` than ``"close"``.
    """

    __slots__ = (
        "_beat_timer",
        "_flushing",
        "_handler",
        "_heartbeat",
        "_on_closed",
        "_runtime",
        "dropped",
        "environ",
        "id",
        "is_open",
        "on_message",
        "protocol",
        "reason",
        "refused",
        "transport",
        "upgrading",
    )

    EVENTS = ("message", "upgrading", "upgrade", "packet", "packet_create", "heartbeat", "drain", "close")

    def __init__(
        self,
        sid: str,
        environ: Environ,
        protocol: int,
        options: EngineOptions,
        runtime: Runtime,
        on_closed: Callable[[EngineSocket], None],
    ) -> None:
        """Make a session; its server attaches the transport and the handler before anything happens."""
        self.id = sid
        self.environ = environ
        self.protocol = protocol
        self.is_open = True
        self.reason = ""
        # Whether it was closed because the client broke the rules.
        self.refused = False
        self.upgrading = False
        self.dropped = 0
        self.transport: Transport
        self._handler: EngineHandler
        # Takes one message from the transport: the handler's own method, but for the first message behind a
        # ping, and for those that come when the session is over.
        self.on_message: Callable[[str | bytes], None]
        self._runtime = runtime
        self._on_closed = on_closed
        self._listeners = None
        # Who waits until all has left.
        self._flushing: list[Waiter] | None = None
        timers = runtime.timers
        self._heartbeat = Heartbeat(
            revision=protocol, interval=options.ping_interval, timeout=options.ping_timeout, now=timers.now()
        )
        self._beat_timer = timers.at(self._heartbeat.deadline, self._beat)

    # -- for applications -------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether a message would leave now, with nothing queued before it."""
        self._settle()
        return self.is_open and self.transport.writable

    @property
    def buffered_bytes(self) -> int:
        """Bytes queued for the client and not taken by it (or its kernel) yet."""
        self._settle()
        return self.transport.queued_bytes

    def _settle(self) -> None:
        """Count what is collected for many, too."""
        if self._runtime.is_current():
            self._runtime.outbox.settle()

    def _on_first(self, event: str) -> None:
        """Have packets shown, which nobody has wanted to see before."""
        if event == "packet":
            watched = WatchedHandler(self._handler, self._on_received)
            if self.on_message == self._handler.on_message:
                self.on_message = watched.on_message
            self._handler = watched
        elif event == "packet_create":
            watch(self.transport)

    def send(self, data: str | bytes, *, compress: bool = True) -> None:
        """Send a message; returns at once. From any greenlet or thread; ignored once closed.

        ``compress`` tells whether it may be compressed, where the client and the options allow it.
        """
        message = message_of(data, compress=compress)
        if self._runtime.is_current():
            self.send_messages((message,))
        else:
            self._runtime.from_thread(self.send_messages, (message,))

    def flush(self) -> bool:
        """Block until all that is queued was taken by the client's kernel (or its poll).

        For who sends much to one client and wants to be no faster than it. From any greenlet or thread.

        Returns:
            False if the session is over, and with it perhaps something that was queued.
        """
        waiter = Waiter(self._runtime)
        if self._runtime.is_current():
            self._flush(waiter)
        else:
            self._runtime.from_thread(self._flush, waiter)
        waiter.wait()
        return self.is_open

    def _flush(self, waiter: Waiter) -> None:
        if self._flushing is None:
            self._flushing = []
        self._flushing.append(waiter)
        # At the end of the turn the kernel is offered what is queued.
        self._runtime.soon(self._check_flushed)

    def _check_flushed(self) -> None:
        """Have those go on who wait until all has left, if that is so."""
        if not self.is_open or not self.buffered_bytes:
            waiters, self._flushing = self._flushing or (), None
            for waiter in waiters:
                waiter.settle()

    def close(self) -> None:
        """Close the session and its connection; idempotent. From any greenlet or thread."""
        if self._runtime.is_current():
            self.shut("forced close")
        else:
            self._runtime.from_thread(self.shut, "forced close")

    # -- for the server above, on the hub's thread --------------------------------------------------

    def attach(self, transport: Transport, handler: EngineHandler) -> None:
        """Complete the session; called once by its server."""
        self.transport = transport
        self._handler = handler
        self.on_message = handler.on_message

    def send_messages(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together."""
        self._runtime.outbox.settle()
        if self.is_open:
            self.transport.send(messages)

    def shut(self, reason: str, description: str = "", *, code: int | None = None) -> None:
        """Close from our side, with the reason that the application will see.

        A polling client that isn't polling is told with its next request; the session is over at once.
        """
        if self.is_open:
            self._end(reason, description, code)

    def refuse(self, reason: str, description: str) -> None:
        """Close because the client broke the rules of the layer above."""
        if self.is_open:
            self.refused = True
            self._end(reason, description, 1008)

    # -- for the transport ------------------------------------------------------------------------

    def _on_activity(self, data: str | bytes) -> None:
        """Take the first message behind a ping: the client is there, and has more to say than a pong."""
        self._heartbeat.on_activity(self._runtime.timers.now())
        self.on_message = self._handler.on_message
        self._handler.on_message(data)

    def on_packet(self, type: int, data: str | bytes) -> None:
        """Take one packet."""
        if not self.is_open:
            return
        if type == MESSAGE:
            self.on_message(data)
            return
        heartbeat = self._heartbeat
        if self._listeners is not None:
            self._on_received(NAMES[type], data)
        if type == PING and self.protocol == 3:
            heartbeat.on_ping(self._runtime.timers.now())
            self.transport.send_control(PONG, "probe" if data == "probe" else "")
            self._on_heartbeat()
        elif type == PONG and self.protocol == 4:
            heartbeat.on_pong(self._runtime.timers.now())
            self._on_heartbeat()
        elif type in (PING, PONG):
            blame(self, "transport error", "invalid heartbeat direction")
            self.refuse("transport error", "invalid heartbeat direction")
        elif type == CLOSE and isinstance(self.transport, PollingTransport):
            self.transport.left_by_client()
            self.on_close("transport close")
        else:
            logger.debug("session %s: ignored packet of type %d: %s", self.id, type, shown(data))

    def on_close(self, reason: str, description: str = "") -> None:
        """Learn that the transport is gone; the first call counts."""
        if self.is_open:
            if reason == "slow consumer":
                blame(self, reason, description)
            self.refused = reason == "parse error"
            self._end(reason, description, CLOSE_CODES.get(reason))

    def on_fault(self, reason: str, description: str) -> None:
        """Learn that the peer broke the rules."""
        if self.is_open:
            blame(self, reason, description)
            self.on_close(reason, description)

    def on_drain(self) -> None:
        """Learn that everything queued has left."""
        if self._flushing is not None:
            self._check_flushed()
        for listener in self.listeners("drain"):
            self._runtime.workers.run(self._tell, listener)

    def may_drop(self, message: Message) -> bool:
        """Tell whether a message may be lost."""
        return self._handler.may_drop(message)

    def is_busy(self) -> bool:
        """Tell whether the application has still to do with what the client has said."""
        return self._handler.is_busy()

    def on_dropped(self, count: int) -> None:
        """Learn that messages were lost."""
        if not count:
            return
        self.dropped += count
        problems.warning(
            "SIO801",
            "SIO801 session %s at %s is %d bytes behind (%s): dropped by outbound_policy, %d messages so far",
            self.id,
            self.environ.get("REMOTE_ADDR"),
            self.transport.queued_bytes,
            self.transport.name,
            self.dropped,
        )

    # -- for the parts of the engine -----------------------------------------------------------------

    def _end(self, reason: str, description: str, code: int | None) -> None:
        """The one way out: whatever happens, the handler hears of it exactly once."""
        self.is_open = False
        self.on_message = _ignore
        self.reason = reason
        contain(logger, self._beat_timer.cancel)
        logger.debug("session %s: closed: %s %s", self.id, reason, description)
        told = description if self.refused and len(description) < 100 else reason
        contain(logger, self.transport.close, code, told)
        contain(logger, self._on_closed, self)
        if self._flushing is not None:
            contain(logger, self._check_flushed)
        contain(logger, self._handler.on_close, reason, description)
        self._emit("close", reason, description)

    def move_to(self, transport: Transport) -> None:
        """Complete an upgrade: what polling hasn't delivered goes out on the new transport, in order."""
        polling = self.transport
        self.transport = transport
        if isinstance(polling, PollingTransport):
            controls, messages = polling.detach()
            for type, data in controls:
                transport.send_control(type, data)
            if messages:
                transport.send_shared(Batch(*messages))
            if polling.paused:
                transport.pause()
        logger.debug("session %s: upgraded to %s", self.id, transport.name)
        if self.listeners("packet_create"):
            # Not before: what has waited was shown when it was sent.
            watch(transport)
        # What it takes at once never drains.
        self._runtime.soon(self._check_flushed)
        self._emit("upgrade", transport.name)

    def on_upgrading(self, name: str) -> None:
        """Learn that a client probes another transport."""
        self._emit("upgrading", name)

    def _on_received(self, type: str, data: str | bytes) -> None:
        self._emit("packet", type, data)

    def on_sent(self, type: str, data: str | bytes) -> None:
        """Learn of a packet that was handed to the transport, if somebody wants to."""
        # Not at once: whoever sends to many mustn't wait for a handler.
        self._runtime.soon(self._emit, "packet_create", type, data)

    def _emit(self, event: str, *arguments: Any) -> None:
        for listener in self.listeners(event):
            self._runtime.workers.run(self._tell, listener, *arguments)

    def _tell(self, listener: Callable[..., Any], *arguments: Any) -> None:
        """Call a handler of the application; in a worker."""
        try:
            listener(*arguments)
        except Exception:
            logger.exception("a handler of session %s failed", self.id)

    def pause(self) -> None:
        """Take in nothing for now: too much waits for the application."""
        self.transport.pause()

    def resume(self) -> None:
        """Take in packets again."""
        self.transport.resume()

    def _on_heartbeat(self) -> None:
        """Look at the heartbeat earlier, if its next deadline is earlier than the timer."""
        if self._listeners is not None:
            self._emit("heartbeat")
        if self._heartbeat.deadline < self._beat_timer.when:
            self._beat_timer.cancel()
            self._beat_timer = self._runtime.timers.at(self._heartbeat.deadline, self._beat)

    def _beat(self) -> None:
        if not self.is_open:
            return
        timers = self._runtime.timers
        heartbeat = self._heartbeat
        due = heartbeat.due(timers.now(), listening=not self.transport.paused)
        if due is Due.DEAD:
            self.on_close("ping timeout")
            return
        if due is Due.PING:
            self.on_message = self._on_activity
            self.transport.send_control(PING)
        self._beat_timer = timers.at(heartbeat.deadline, self._beat)


def message_of(data: str | bytes, *, compress: bool = True) -> Message:
    """Return what an application sends as a message; anything that isn't text is binary."""
    if isinstance(data, str):
        return Message(data.encode(), False, compress)
    return Message(bytes(data), True, compress)


def _ignore(data: str | bytes) -> None:
    """Take a message of a session that is over."""
