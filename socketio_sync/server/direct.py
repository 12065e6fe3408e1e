"""Ways of sending to one client: ``socket.volatile.compress(False).emit(...)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import Selection
from socketio_sync.exceptions import AckLimitError, Disconnected, NotConnected
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import EVENT, Packet
from socketio_sync.server.acks import Call, CallbackAck, PendingAck, TimedAck, not_taken
from socketio_sync.server.broadcast import BroadcastOperator
from socketio_sync.server.chain import EVERYBODY, Chain, Flags, checked_timeout
from socketio_sync.server.dispatch import run_callback, run_outgoing
from socketio_sync.server.outgoing import check_event_name, messages_of, snapshot

if TYPE_CHECKING:
    from socketio_sync.server.socket import Socket


def everybody_else(
    socket: Socket, selection: Selection = EVERYBODY, timeout: float | None = None
) -> BroadcastOperator:
    """Return everyone in a socket's namespace but itself, reached in the way that ``selection`` says."""
    selection = selection._replace(except_=selection.except_ | {socket.id})
    return BroadcastOperator(socket.namespace, selection, timeout)


class SocketOperator(Chain, Flags["SocketOperator"]):
    """One client, and how to send to it. Immutable; what a socket's ``volatile`` and the like return.

    ``to``, ``broadcast`` and the like lead to the others, with the flags that are set.
    """

    __slots__ = ("_selection", "_socket", "_timeout")

    def __init__(
        self, socket: Socket, selection: Selection = EVERYBODY, timeout: float | None = None
    ) -> None:
        """Send to ``socket``; of ``selection`` only the flags count."""
        self._socket = socket
        self._selection = selection
        self._timeout = timeout

    def _operator(self) -> BroadcastOperator:
        return everybody_else(self._socket, self._selection, self._timeout)

    def _flagged(self) -> SocketOperator:
        return self

    def _with(self, **changes: Any) -> SocketOperator:
        return SocketOperator(self._socket, self._selection._replace(**changes), self._timeout)

    def _with_timeout(self, seconds: float) -> SocketOperator:
        return SocketOperator(self._socket, self._selection, checked_timeout(seconds))

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone in the namespace but this socket."""
        return self._operator()

    def emit(
        self, event: str, *arguments: Any, ack: Callable[..., Any] | None = None, wait: bool = False
    ) -> None:
        """Send an event to this client; see :meth:`Socket.emit`.

        An event that is volatile and can't be sent now is lost: ``ack`` then gets ``AckTimeout`` at once
        where a time is set, else it is never called.
        """
        check_event_name(event)
        if wait:
            self._check_connected()
        if ack is None:
            self._emit((event, *arguments))
        else:
            self._emit_with_callback((event, *arguments), ack)
        if wait:
            session = self._socket.conn
            if not session.flush():
                raise Disconnected(session.reason)

    def _check_connected(self) -> None:
        if not self._socket.connected:
            raise NotConnected(f"socket {self._socket.id} is not connected")

    def _emit_with_callback(self, event: Sequence[Any], callback: Callable[..., Any]) -> None:
        socket = self._socket
        workers = socket.connection.workers

        def run(values: Sequence[Any]) -> None:
            workers.run(run_callback, socket, callback, values)

        timeout = self._timeout if self._timeout is not None else socket.options.ack_timeout
        self._emit_with_ack(event, CallbackAck(run) if timeout is None else TimedAck(run, timeout))

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event to this client."""
        self.emit("message", *arguments)

    def call(self, event: str, *arguments: Any) -> Any:
        """Send an event, and block until the client acknowledges it; see :meth:`Socket.call`.

        Raises:
            AckTimeout: No acknowledgement came in time, or the event was volatile and couldn't be sent.
            Disconnected: The client left meanwhile.
            NotConnected: It had left before.
        """
        check_event_name(event)
        self._check_connected()
        socket = self._socket
        connection, on_hub = socket.connection, socket.namespace.on_hub
        call = Call(connection.runtime)
        ack_id = self._emit_with_ack((event, *arguments), call)
        on_hub(connection.on_call, 1)
        try:
            return call.wait(socket.options.ack_timeout_or(self._timeout))
        finally:
            socket.forget_ack(ack_id)
            on_hub(connection.on_call, -1)

    # -- events without an acknowledgement ----------------------------------------------------------

    def _emit(self, event: Sequence[Any]) -> None:
        socket = self._socket
        on_hub = socket.namespace.on_hub
        self._tell_outgoing(event)
        if socket.journal is None:
            on_hub(self._send, self._encoded(event))
        elif socket.connection.runtime.is_current():
            self._send_kept(event)
        else:
            # What can't be sent is an error of the caller's; what can is encoded once more, on the hub, and
            # mustn't change until then.
            self._encoded(event)
            on_hub(self._send_kept, snapshot(event))

    def _send(self, encoded: Encoded) -> bool:
        """Queue an encoded packet, if the client is here and can take it; tell whether it was."""
        socket = self._socket
        session = socket.connection.session
        if not socket.connected or (self._selection.volatile and not session.writable):
            return False
        if self._selection.compress:
            socket.connection.send_now(encoded)
        else:
            session.send_messages(messages_of(encoded, compress=False))
        return True

    def _send_kept(self, event: Sequence[Any]) -> None:
        """Queue an event with its offset, and keep it in case the client goes and comes back."""
        socket = self._socket
        namespace, journal = socket.namespace, socket.journal
        recovery = namespace.recovery
        assert recovery is not None
        assert journal is not None
        if self._selection.volatile:
            self._send(self._encoded(recovery.timeline.marked(event)))
        elif socket.connected or recovery.is_kept(journal.pid):
            offset, text = recovery.timeline.next_offset()
            encoded = self._encoded((*event, text))
            recovery.record(journal, offset, encoded, namespace.now(), sid=socket.id)
            namespace.sweep_later()
            self._send(encoded)

    def _encoded(self, event: Sequence[Any], ack_id: int | None = None) -> Encoded:
        namespace = self._socket.namespace
        return namespace.codec.encode(Packet(EVENT, namespace.name, event, ack_id))

    def _tell_outgoing(self, event: Sequence[Any]) -> None:
        if self._socket.namespace.watched:
            run_outgoing(self._socket, event)

    # -- events with an acknowledgement -------------------------------------------------------------

    def _emit_with_ack(self, event: Sequence[Any], pending: PendingAck) -> int:
        socket = self._socket
        self._tell_outgoing(event)
        ack_id = socket.namespace.next_ack_id()
        # Before it is registered: what can't be encoded leaves nothing behind.
        encoded = self._encoded(event, ack_id)
        if not socket.expect(ack_id, pending):
            raise AckLimitError(f"socket {socket.id} owes too many acknowledgements")
        socket.namespace.on_hub(self._send_awaited, encoded, ack_id, pending)
        return ack_id

    def _send_awaited(self, encoded: Encoded, ack_id: int, pending: PendingAck) -> None:
        socket = self._socket
        if not socket.connected:
            # It left between the check and now: nobody else would ever settle this.
            socket.fail_ack(ack_id, Disconnected("transport close"))
        elif not self._send(encoded):
            socket.fail_ack(ack_id, not_taken())
        elif isinstance(pending, TimedAck):
            timers = socket.connection.runtime.timers
            pending.begin(timers, lambda error: socket.fail_ack(ack_id, error))
