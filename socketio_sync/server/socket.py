"""One client in one namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import Selection
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.exceptions import AckLimitError, NotConnected, RoomLimitError
from socketio_sync.options import ServerOptions
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import ACK, DISCONNECT, EVENT, Packet
from socketio_sync.server.acks import Call, CallbackAck, PendingAck
from socketio_sync.server.broadcast import Broadcaster, BroadcastOperator, room_name
from socketio_sync.server.dispatch import run_callback, run_lifecycle
from socketio_sync.server.handlers import Handler, Handlers
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.outgoing import check_event_name
from socketio_sync.transports.workers import Lane

if TYPE_CHECKING:
    from socketio_sync.server.connection import Connection
    from socketio_sync.server.namespace import Namespace

# Half the time of calling the class of a named tuple.
new_packet = tuple.__new__

# The events of a socket's life, and how many arguments their handlers get.
LIFECYCLE = {"disconnect": 2, "disconnecting": 2, "error": 1}


class Socket(Broadcaster):
    """One client in one namespace: events in both directions, acknowledgements, rooms.

    Every public method may be called from any greenlet and any thread. ``emit`` and ``disconnect`` return at
    once; ``call`` blocks.

    Attributes:
        id: Public and unguessable; differs in each namespace and after each reconnection.
        namespace: Where the client is.
        handshake: How it came.
        data: The application's own; anything.
        connected: Whether the client is here.
        recovered: Whether the state of an earlier connection was restored.
    """

    __slots__ = (
        "_acks",
        "_ready",
        "_unknown_acks",
        "connected",
        "connection",
        "data",
        "handlers",
        "handshake",
        "id",
        "lane",
        "namespace",
        "recovered",
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
        self.handlers: Handlers | None = None
        self.lane = Lane(connection.workers, connection.backlog)
        self._acks: dict[int, PendingAck] = {}
        self._unknown_acks = 0
        self._ready = False

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

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of this client; a call or a decorator. The handler gets the event's arguments.

        Also ``"disconnect"`` and ``"disconnecting"`` (reason and description, as many as it takes) and
        ``"error"``. Handlers of the namespace run before those of the socket.
        """
        return self._own_handlers().add(event, handler)

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle only the next event of this name."""
        return self._own_handlers().add(event, handler, once=True)

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event."""
        self._own_handlers().remove(event, handler)

    def _own_handlers(self) -> Handlers:
        if self.handlers is None:
            self.handlers = Handlers(LIFECYCLE)
        return self.handlers

    # -- sending ----------------------------------------------------------------------------------

    def emit(self, event: str, *arguments: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to this client; ignored once it has left.

        Args:
            event: The name.
            arguments: Anything JSON can say, with ``bytes`` at any depth.
            ack: Called with the values of the client's acknowledgement; never, if it leaves before.

        Raises:
            ValueError: The name is reserved, or an argument is nested too deeply.
            TypeError: An argument can't be sent.
            AckLimitError: The client owes too many acknowledgements already.
        """
        check_event_name(event)
        if ack is None:
            self.send_packet(Packet(EVENT, self.namespace.name, (event, *arguments)))
            return
        callback = ack
        workers = self.connection.workers
        pending = CallbackAck(lambda values: workers.run(run_callback, self, callback, values))
        self._emit_with_ack(event, arguments, pending)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *arguments)

    def call(self, event: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event, and block until the client acknowledges it. Works inside handlers, too.

        Args:
            event: The name.
            arguments: As for ``emit``.
            timeout: Seconds; None is the option ``call_timeout``.

        Returns:
            None where the acknowledgement has no values, the value where it has one, else a tuple.

        Raises:
            AckTimeout: No acknowledgement came in time.
            Disconnected: The client left meanwhile.
            NotConnected: It had left before.
        """
        check_event_name(event)
        if not self.connected:
            raise NotConnected(f"socket {self.id} is not connected")
        connection = self.connection
        call = Call(connection.runtime)
        ack_id = self._emit_with_ack(event, arguments, call)
        self.namespace.on_hub(connection.on_call, 1)
        try:
            return call.wait(self.options.call_timeout if timeout is None else timeout)
        finally:
            self._acks.pop(ack_id, None)
            self.namespace.on_hub(connection.on_call, -1)

    def _emit_with_ack(self, event: str, arguments: Sequence[Any], pending: PendingAck) -> int:
        ack_id = self.namespace.next_ack_id()
        packet = Packet(EVENT, self.namespace.name, (event, *arguments), ack_id)
        # Before it is registered: what can't be encoded leaves nothing behind.
        encoded = self.namespace.codec.encode(packet)
        if len(self._acks) >= self.options.max_pending_acks:
            raise AckLimitError(f"socket {self.id} owes {len(self._acks)} acknowledgements")
        self._acks[ack_id] = pending
        self.namespace.on_hub(self._send_awaited, encoded, ack_id, pending)
        return ack_id

    def _send_awaited(self, encoded: Encoded, ack_id: int, pending: PendingAck) -> None:
        if self.connected:
            self.connection.send_now(encoded)
        elif self._acks.pop(ack_id, None) is not None:
            # It left between the check and now: nobody else would ever settle this.
            pending.fail("transport close")

    def send_packet(self, packet: Packet) -> None:
        """Encode a packet and queue it, if the client is here."""
        encoded = self.namespace.codec.encode(packet)
        if self.connected:
            self.connection.send(encoded)

    def send_ack(self, ack_id: int, values: Sequence[Any]) -> None:
        """Acknowledge one of the client's events; on the hub's thread."""
        namespace = self.namespace
        encoded = namespace.codec.encode(new_packet(Packet, (ACK, namespace.name, values, ack_id)))
        if self.connected:
            self.connection.send_now(encoded)

    # -- rooms ------------------------------------------------------------------------------------

    def join(self, *rooms: str | int) -> None:
        """Join rooms; ignored once the client has left.

        Raises:
            RoomLimitError: The socket would be in more than ``max_rooms``.
        """
        names = [room_name(room) for room in rooms]
        limit = self.options.max_rooms
        if len(self.rooms.union(names)) > limit:
            raise RoomLimitError(f"socket {self.id} would be in more than {limit} rooms")
        if self.connected:
            self.namespace.adapter.join(self, names)
            if self.namespace.connected.get(self.id) is not self:
                # It left in another thread, after the check: its rooms must not outlive it.
                self.namespace.adapter.leave_all(self)

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
        return BroadcastOperator(self.namespace, Selection(except_=frozenset((self.id,))))

    # -- leaving ----------------------------------------------------------------------------------

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client from this namespace; its JavaScript client won't reconnect by itself.

        Args:
            close: Whether to leave every namespace and close the connection below, too.
        """
        self.namespace.on_hub(self.connection.disconnect_socket, self, close)

    # -- for the connection, on the hub's thread ----------------------------------------------------

    def on_connected(self) -> None:
        """Tell the application that the client is here, before any of its events."""
        self.lane.submit(0, Socket._connected, self)

    def _connected(self) -> None:
        run_lifecycle(self, "connection")
        self._ready = True

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

    def on_close(self, reason: str, description: str = "") -> None:
        """Leave: at once as far as others can see, then tell the application, exactly once."""
        if not self.connected:
            return
        self.connected = False
        self.namespace.remove(self)
        # One by one, in the same table: another thread may enter or remove one meanwhile.
        for ack_id in tuple(self._acks):
            pending = self._acks.pop(ack_id, None)
            if pending is not None:
                pending.fail(reason)
        if self._ready:
            # Beside a handler that still runs: the close isn't held up by it.
            self.connection.workers.run(self._closed, (reason, description))
        else:
            # But never before the application has heard of the connection.
            self.lane.submit(0, self._closed, (reason, description))

    def _closed(self, why: tuple[str, str]) -> None:
        reason, description = why
        run_lifecycle(self, "disconnecting", reason, description)
        self.namespace.adapter.leave_all(self)
        run_lifecycle(self, "disconnect", reason, description)

    def disconnect_packet(self) -> Packet:
        """Return the packet that tells the client that it was disconnected."""
        return Packet(DISCONNECT, self.namespace.name)
