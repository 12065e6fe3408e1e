"""One client in one namespace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from socketio_sync.engine.socket import EngineSocket
from socketio_sync.exceptions import Disconnected, RoomLimitError, SocketIOError
from socketio_sync.logs import contain
from socketio_sync.options import ServerOptions
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import ACK, DISCONNECT, EVENT, Packet
from socketio_sync.server.acks import PendingAck
from socketio_sync.server.broadcast import BroadcastOperator
from socketio_sync.server.chain import Chain, Flags, room_name
from socketio_sync.server.direct import SocketOperator, everybody_else
from socketio_sync.server.dispatch import run_lifecycle
from socketio_sync.server.handlers import Handlers
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.listening import Listening
from socketio_sync.server.outgoing import check_event_name
from socketio_sync.transports.workers import Lane

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer
    from socketio_sync.server.connection import Connection
    from socketio_sync.server.journal import Journal
    from socketio_sync.server.namespace import Namespace

logger = logging.getLogger(__name__)

# Half the time of calling the class of a named tuple.
new_packet = tuple.__new__

# The events of a socket's life, and how many arguments their handlers get.
LIFECYCLE = {"disconnect": 2, "disconnecting": 2, "error": 1}


class Socket(Chain, Flags["SocketOperator"], Listening):
    """One client in one namespace: events in both directions, acknowledgements, rooms.

    ``volatile``, ``compress`` and ``timeout`` lead to this client; ``to``, ``in_``, ``except_``, ``local``
    and ``broadcast`` to all others that are meant, never to this one.

    Every public method may be called from any greenlet and any thread. ``emit`` and ``disconnect`` return at
    once; ``call`` blocks, and ``emit`` with ``wait``.

    Attributes:
        id: Public and unguessable; differs in each namespace and after each reconnection.
        namespace: Where the client is.
        handshake: How it came.
        data: The application's own; anything.
        connected: Whether the client is here.
        recovered: Whether the state of an earlier connection was restored.
        recovery_failure: Why not, where the client asked for it; else None.
    """

    __slots__ = (
        "_acks",
        "_over",
        "_ready",
        "_unknown_acks",
        "connected",
        "connection",
        "data",
        "handlers",
        "handshake",
        "id",
        "journal",
        "lane",
        "namespace",
        "recovered",
        "recovery_failure",
    )

    def __init__(self, sid: str, namespace: Namespace, connection: Connection, handshake: Handshake) -> None:
        """Make a socket that isn't connected yet."""
        self.id = sid
        self.namespace = namespace
        self.connection = connection
        self.handshake = handshake
        self.data: dict[str, Any] = {}
        self.connected = False
        self.recovered = False
        self.recovery_failure: str | None = None
        # What is kept in case it has to be recovered; None if that can't be.
        self.journal: Journal | None = None
        self.handlers: Handlers | None = None
        self.lane = Lane(connection.workers, connection.backlog)
        self._acks: dict[int, PendingAck] = {}
        self._unknown_acks = 0
        self._ready = False
        # Whether it has left, or was refused.
        self._over = False

    def __repr__(self) -> str:
        """Name the socket and its namespace."""
        return f"<Socket {self.id} in {self.namespace.name}>"

    @property
    def conn(self) -> EngineSocket:
        """The connection below: ``transport.name``, ``protocol``, ``on("upgrade")``, ``buffered_bytes``."""
        return self.connection.session

    @property
    def options(self) -> ServerOptions:
        """The server's options."""
        return self.namespace.options

    # -- handlers ---------------------------------------------------------------------------------

    def use(self, check: Callable[[str, list[Any]], Any]) -> Callable[[str, list[Any]], Any]:
        """Ask ``check(event, arguments)`` before each event of this client is handled; it may block.

        It may change the list of arguments. It refuses the event by raising :class:`EventRefused`: no handler
        runs and nothing is acknowledged (but for ``error_acks``); the ``error`` handlers get the text.
        """
        self._own_handlers().add_filter(check)
        return check

    def _tables(self, event: str | None = None) -> Sequence[Handlers]:
        return (self._own_handlers(),)

    def _engine(self) -> EngineServer:
        return self.namespace.engine

    def _own_handlers(self) -> Handlers:
        if self.handlers is None:
            self.handlers = Handlers(LIFECYCLE, leading=0)
        return self.handlers

    def _on_outgoing(self) -> None:
        self.namespace.watched = True

    # -- sending ----------------------------------------------------------------------------------

    def emit(
        self, event: str, *arguments: Any, ack: Callable[..., Any] | None = None, wait: bool = False
    ) -> None:
        """Send an event to this client; ignored once it has left.

        Args:
            event: The name.
            arguments: Anything JSON can say, with ``bytes`` at any depth.
            ack: Called with the values of the client's acknowledgement; never, if it leaves before. Where a
                time is set, by ``timeout`` or the option ``ack_timeout``, the first argument is the error, or
                None: ``AckTimeout``, or ``Disconnected`` at once when the client leaves.
            wait: Whether to block until this and all that was queued before is with the kernel (or the
                client's poll): for who sends much, and no faster than the client takes it.

        Raises:
            ValueError: The name is reserved, or an argument is nested too deeply.
            TypeError: An argument can't be sent.
            AckLimitError: The client owes too many acknowledgements already.
            NotConnected: With ``wait``, the client had left before.
            Disconnected: With ``wait``, it has left meanwhile, perhaps without the event.
        """
        check_event_name(event)
        if ack is None and not wait and self.journal is None and not self.namespace.watched:
            self.send_packet(Packet(EVENT, self.namespace.name, (event, *arguments)))
        else:
            SocketOperator(self).emit(event, *arguments, ack=ack, wait=wait)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *arguments)

    def call(self, event: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event, and block until the client acknowledges it. Works inside handlers, too.

        Args:
            event: The name.
            arguments: As for ``emit``.
            timeout: Seconds; None is the option ``ack_timeout``, or 30.

        Returns:
            None where the acknowledgement has no values, the value where it has one, else a tuple.

        Raises:
            AckTimeout: No acknowledgement came in time.
            Disconnected: The client left meanwhile.
            NotConnected: It had left before.
            TypeError: The time isn't a number.
            ValueError: It isn't positive.
        """
        operator = SocketOperator(self)
        return (operator if timeout is None else operator.timeout(timeout)).call(event, *arguments)

    # -- rooms ------------------------------------------------------------------------------------

    def join(self, *rooms: str | int) -> None:
        """Join rooms; ignored once the client has left. In a middleware: as soon as it is let in.

        Raises:
            RoomLimitError: The socket would be in more than ``max_rooms``.
        """
        names = [room_name(room) for room in rooms]
        limit = self.options.max_rooms
        if len(self.rooms.union(names)) > limit:
            raise RoomLimitError(f"socket {self.id} would be in more than {limit} rooms")
        # By a name: for mypy, what was read of an attribute stays true below.
        was_over = self._over
        if not was_over:
            self.namespace.adapter.join(self, names)
            if self._over:
                # It left in another thread, after the check: its rooms must not outlive it.
                self.namespace.adapter.leave(self, names)

    def leave(self, *rooms: str | int) -> None:
        """Leave rooms; those that it isn't in are ignored."""
        self.namespace.adapter.leave(self, [room_name(room) for room in rooms])

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms that the socket is in, its own (its id) among them; empty once it has left."""
        return self.namespace.adapter.rooms_of(self)

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone in the namespace but this socket."""
        return self._operator()

    def _operator(self) -> BroadcastOperator:
        return everybody_else(self)

    def _flagged(self) -> SocketOperator:
        return SocketOperator(self)

    # -- leaving ----------------------------------------------------------------------------------

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client from this namespace; its JavaScript client won't reconnect by itself.

        Ignored where the client isn't in the namespace: its other ones aren't this socket's business then.

        Args:
            close: Whether to leave every namespace and close the connection below, too.
        """
        self.namespace.on_hub(self.connection.disconnect_socket, self, close)

    # -- for the parts of the server, mostly on the hub's thread --------------------------------------

    def send_packet(self, packet: Packet) -> None:
        """Encode a packet and queue it, if the client is here."""
        encoded = self.namespace.codec.encode(packet)
        runtime = self.connection.runtime
        if not runtime.is_current():
            runtime.from_thread(self._send, encoded)
        elif self.connected:
            self.connection.send_now(encoded)

    def _send(self, encoded: Encoded) -> None:
        # It may have left since a thread has emitted, and be here with another socket.
        if self.connected:
            self.connection.send_now(encoded)

    def send_ack(self, ack_id: int, values: Sequence[Any]) -> None:
        """Acknowledge one of the client's events; on the hub's thread."""
        namespace = self.namespace
        encoded = namespace.codec.encode(new_packet(Packet, (ACK, namespace.name, values, ack_id)))
        if self.connected:
            self.connection.send_now(encoded)

    def on_connected(self) -> None:
        """Tell the application that the client is here, before any of its events."""
        self.lane.submit(0, Socket.on_admitted, self)

    def on_admitted(self) -> None:
        """Tell the application that the client is here; in the socket's lane."""
        try:
            run_lifecycle(self, "connection")
        finally:
            self._ready = True

    def on_refused(self) -> None:
        """Leave as if it had never been here; in the socket's lane."""
        self.lane.clear()
        if self.connected:
            self._leave("client namespace disconnect")
        self.namespace.adapter.leave_all(self)
        self.namespace.check_empty()

    def expect(self, ack_id: int, pending: PendingAck) -> bool:
        """Enter who waits for an acknowledgement; tell whether there was room."""
        if len(self._acks) >= self.options.max_pending_acks:
            return False
        self._acks[ack_id] = pending
        return True

    def forget_ack(self, ack_id: int) -> PendingAck | None:
        """Return who waits for an acknowledgement, who then doesn't any more; None if there is nobody."""
        return self._acks.pop(ack_id, None)

    def fail_ack(self, ack_id: int, error: SocketIOError) -> None:
        """Tell whoever waits for an acknowledgement, if anybody, that there will be none."""
        pending = self._acks.pop(ack_id, None)
        if pending is not None:
            pending.fail(error)

    def on_ack(self, ack_id: int | None, values: Sequence[Any] | None) -> bool:
        """Take an acknowledgement; tell whether the client still behaves."""
        # One without a payload answers nothing: whoever asked still waits.
        pending = self._acks.pop(ack_id, None) if ack_id is not None and values is not None else None
        if pending is None or values is None:
            self._unknown_acks += 1
            return self._unknown_acks < self.options.max_unknown_acks
        self._unknown_acks = 0
        pending.resolve(values)
        return True

    def abandon(self) -> None:
        """Let go of a socket whose client wasn't let in; ignored if it was."""
        if not self.connected and not self._over:
            self._over = True
            self.namespace.adapter.leave_all(self)

    def on_close(self, reason: str, description: str = "") -> None:
        """Leave: at once as far as others can see, then tell the application, exactly once."""
        if not self.connected:
            return
        self._leave(reason)
        if self._ready:
            # Beside a handler that still runs: the close isn't held up by it.
            self.connection.workers.run(self._closed, (reason, description))
        else:
            # But never before the application has heard of the connection.
            self.lane.submit(0, self._closed, (reason, description))

    def _leave(self, reason: str) -> None:
        self.connected = False
        self._over = True
        namespace = self.namespace
        if self.journal is not None and namespace.recovery is not None:
            contain(logger, namespace.recovery.leave, self, self.journal, reason, namespace.now())
            contain(logger, namespace.sweep_later)
        contain(logger, namespace.remove, self)
        # One by one, in the same table: another thread may enter or remove one meanwhile.
        for ack_id in tuple(self._acks):
            contain(logger, self.fail_ack, ack_id, Disconnected(reason))

    def _closed(self, why: tuple[str, str]) -> None:
        reason, description = why
        try:
            run_lifecycle(self, "disconnecting", reason, description)
        finally:
            # Whatever a handler raises that nobody may contain, SystemExit for one.
            contain(logger, self.namespace.adapter.leave_all, self)
            try:
                run_lifecycle(self, "disconnect", reason, description)
            finally:
                self.namespace.check_empty()

    def disconnect_packet(self) -> Packet:
        """Return the packet that tells the client that it was disconnected."""
        return Packet(DISCONNECT, self.namespace.name)
