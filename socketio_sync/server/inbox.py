"""What one client sends: packets in order, bounded until the application has handled them.

Specification: socket.io-protocol, "Packet types"; wire.md 2.3; limits.md 3.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from socketio_sync.engine.faults import blame
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.exceptions import PacketError
from socketio_sync.logs import shown
from socketio_sync.protocol.socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, NotJoined, Packet
from socketio_sync.server.dispatch import run_event, run_lifecycle
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.workers import Backlog

if TYPE_CHECKING:
    from socketio_sync.server.server import Server
    from socketio_sync.server.socket import Socket

# While a handler waits in call(), events are taken in beyond the bound of the inbox, or the
# answer would never be read; up to this many times the bound.
HARD_LIMIT_FACTOR = 16


class Inbox:
    """Takes the messages of one Engine.IO session apart. For the hub's thread only.

    Attributes:
        session: The client's.
        sockets: Those of the client, by namespace.
        backlog: What waits for the application.
    """

    __slots__ = (
        "_attachment_timer",
        "_calls",
        "_feed",
        "_partials",
        "_server",
        "_size",
        "backlog",
        "runtime",
        "session",
        "sockets",
        "workers",
    )

    def __init__(self, server: Server, session: EngineSocket) -> None:
        """Take what comes by ``session``."""
        self._server = server
        self.session = session
        self.runtime = server.engine.runtime
        self.workers = self.runtime.workers
        self.sockets: dict[str, Socket] = {}
        self._feed = server.codec.decoder(self.sockets).feed
        self._calls = 0
        # The bytes of a packet whose attachments are still due, and how many such packets there were.
        self._size = 0
        self._partials = 0
        self.backlog = Backlog(self._on_shorter)
        self._attachment_timer: Any = None

    @abstractmethod
    def _connect(self, name: str, auth: dict[str, Any]) -> None:
        """Take a CONNECT to a namespace."""

    # -- packets ----------------------------------------------------------------------------------

    def on_message(self, data: str | bytes) -> None:
        """Take one message of the session."""
        try:
            packet = self._feed(data)
        except NotJoined as offence:
            self._close_for_offence(str(offence))
            return
        except PacketError as error:
            self._malformed(str(error))
            return
        size = len(data)
        if packet is None:
            if not self._size:
                self._partials += 1
                if self._attachment_timer is None:
                    self._watch_attachments()
            self._size += size
            return
        type_, namespace, payload, ack_id = packet
        if self._size:
            size += self._size
            self._size = 0
            if namespace not in self.sockets:
                self._close_for_offence(f"attachments for {shown(namespace)}, which it has left")
                return
        if type_ == EVENT:
            # Handled after those before it.
            socket = self.sockets[namespace]
            socket.lane.submit(size, run_event, (socket, payload, ack_id))
            if self.backlog.jobs:
                self._bound_inbox()
        else:
            self._on_rare(packet)

    def _on_rare(self, packet: Packet) -> None:
        """Take what isn't an event."""
        if packet.type == ACK:
            if not self.sockets[packet.namespace].on_ack(packet.id, packet.data):
                self._malformed("acknowledgements that nobody asked for")
        elif packet.type == CONNECT:
            self._connect(packet.namespace, packet.data if packet.data is not None else {})
        elif packet.type == DISCONNECT:
            self.sockets.pop(packet.namespace).on_close("client namespace disconnect")
        else:
            self._malformed("a CONNECT_ERROR from a client")

    def _malformed(self, description: str) -> None:
        blame(self.session, "parse error", description)
        for socket in tuple(self.sockets.values()):
            self.workers.run(run_lifecycle, socket, "error", description)
        self.session.refuse("parse error", description)

    def _close_for_offence(self, description: str) -> None:
        blame(self.session, "forced close", description)
        transport = self.session.transport
        deferred = isinstance(transport, PollingTransport) and not transport.held
        self.session.refuse("forced server close" if deferred else "forced close", description)

    def _watch_attachments(self) -> None:
        """See to it that the attachments of the packet that has begun come in time.

        Busy clients have one timer for many packets: a packet that begins while one runs may take up to
        twice the time.
        """
        watched = self._partials

        def on_timeout() -> None:
            self._attachment_timer = None
            if not self._size:
                return
            if self._partials == watched:
                self._malformed("the attachments of a packet didn't come in time")
            else:
                self._watch_attachments()

        timeout = self._server.options.attachment_timeout
        self._attachment_timer = self.runtime.timers.after(timeout, on_timeout)

    # -- the bounds -------------------------------------------------------------------------------

    def _bound_inbox(self) -> None:
        options = self._server.options
        waiting, size = self.backlog.jobs, self.backlog.bytes
        if waiting < options.max_queued_events and size <= options.max_queued_event_bytes:
            return
        if not self._calls:
            self.session.pause()
        elif (
            waiting >= options.max_queued_events * HARD_LIMIT_FACTOR
            or size > options.max_queued_event_bytes * HARD_LIMIT_FACTOR
        ):
            self._close_for_offence("too many events while a handler waits for an acknowledgement")

    def _on_shorter(self) -> None:
        """Read on, when the inbox is half empty again."""
        options = self._server.options
        if (
            self.backlog.jobs <= options.max_queued_events // 2
            and self.backlog.bytes <= options.max_queued_event_bytes // 2
        ):
            self.session.resume()

    def on_call(self, change: int) -> None:
        """Count the handlers that wait for this client's answer: it has to be read."""
        self._calls += change
        if self._calls:
            self.session.resume()
