"""What can be done to many clients at once: ``io.to("a").except_("b").emit(...)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import Selection
from socketio_sync.protocol.socketio.packet import EVENT, Packet
from socketio_sync.server.answers import Gathering
from socketio_sync.server.chain import EVERYBODY, Chain, Flags, checked_timeout, room_name
from socketio_sync.server.dispatch import run_plain
from socketio_sync.server.outgoing import Broadcast, check_event_name, check_server_side_name
from socketio_sync.server.remote import RemoteSocket
from socketio_sync.transports.waiter import Waiter

if TYPE_CHECKING:
    from socketio_sync.server.endpoint import Endpoint
    from socketio_sync.server.namespace import Namespace


class Broadcaster(Chain, Flags["BroadcastOperator"]):
    """What can be done to everybody who is meant, in one namespace or, for a parent, in all its children.

    May be called from any greenlet and any thread. Only ``call``, ``call_each``, ``fetch_sockets`` and
    ``server_side_call`` block, the latter two only in a cluster.
    """

    __slots__ = ()

    def _flagged(self) -> BroadcastOperator:
        return self._operator()

    # -- events -----------------------------------------------------------------------------------

    def emit(self, event: str, *arguments: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to everyone who is meant; returns at once.

        Who that is, is decided now: who leaves a room afterwards still gets it.

        Args:
            event: The name.
            arguments: Anything JSON can say, with ``bytes`` at any depth.
            ack: Called once all clients have acknowledged, or can't any more, or the time is over, with the
                error and the list of answers: ``ack(None, responses)``, or ``ack(AckTimeout, responses)``
                with those that did come. The time is that of ``timeout``, else of the option
                ``ack_timeout``, else 30 s.

        Raises:
            ValueError: The name is reserved, or an argument is nested too deeply.
            TypeError: An argument can't be sent.
        """
        self._operator()._emit(event, arguments, ack)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event to everyone who is meant."""
        self._operator()._emit("message", arguments, None)

    def call(self, event: str, *arguments: Any) -> list[Any]:
        """Send an event to everyone who is meant, and block until all have acknowledged it.

        Returns:
            The first value of each client's acknowledgement, in the order of their coming; empty, at once, if
            nobody is there.

        Raises:
            AckTimeout: Somebody hasn't acknowledged in time (see ``emit``), or has left; ``responses`` has
                the answers that did come.
        """
        return self._operator()._call(event, arguments)

    def call_each(self, event: str, *arguments: Any) -> dict[str, Any]:
        """Send an event to everyone who is meant, and block until all have acknowledged it or can't.

        Returns:
            By socket id, the acknowledgement in Python's terms (None, a value, or a tuple of several), or the
            exception that tells why there is none: ``AckTimeout`` or ``Disconnected``.
        """
        return self._operator()._call_each(event, arguments)

    # -- the sockets ------------------------------------------------------------------------------

    def fetch_sockets(self) -> list[RemoteSocket]:
        """Return everyone who is meant, those of other servers of a cluster among them.

        On one server the list is there at once. In a cluster it blocks until the others have answered; those
        that don't, within ``timeout``, cost only their own part.
        """
        return self._operator()._fetch_sockets()

    def sockets_join(self, *rooms: str | int) -> None:
        """Have everyone who is meant join rooms.

        Raises:
            RoomLimitError: Some would be in more than ``max_rooms``; the others have joined.
        """
        self._operator()._sockets_join(rooms)

    def sockets_leave(self, *rooms: str | int) -> None:
        """Have everyone who is meant leave rooms."""
        self._operator()._sockets_leave(rooms)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect everyone who is meant from the namespace, with ``close`` from the server altogether."""
        self._operator()._disconnect_sockets(close)

    # -- the servers ------------------------------------------------------------------------------

    def server_side_emit(self, event: str, *arguments: Any) -> None:
        """Have the other servers of a cluster run what they registered by ``on_server_side``.

        A server that is alone has no others: nothing happens. The chosen recipients don't matter.

        Raises:
            ValueError: The name is reserved.
        """
        self._operator()._server_side_emit(event, arguments)

    def server_side_call(self, event: str, *arguments: Any) -> list[Any]:
        """Do the same, and block until the others have answered.

        Returns:
            An answer of each other server: what the first of its handlers returned that wasn't None. Empty,
            at once, for a server that is alone.

        Raises:
            ValueError: The name is reserved.
            AckTimeout: Some didn't answer within ``timeout``; ``responses`` has the answers that did come.
        """
        return self._operator()._server_side_call(event, arguments)


class BroadcastOperator(Broadcaster):
    """An immutable choice of recipients, made by the steps of :class:`Chain` and :class:`Broadcaster`."""

    __slots__ = ("_selection", "_target", "_timeout")

    def __init__(
        self, target: Endpoint, selection: Selection = EVERYBODY, timeout: float | None = None
    ) -> None:
        """Mean ``selection`` of the namespaces of ``target``; ``timeout`` is None until one is chosen."""
        self._target = target
        self._selection = selection
        self._timeout = timeout

    def _operator(self) -> BroadcastOperator:
        return self

    def _with_rooms(self, rooms: tuple[str | int, ...]) -> BroadcastOperator:
        return self._with(rooms=self._selection.rooms.union(map(room_name, rooms)))

    def _without_rooms(self, rooms: tuple[str | int, ...]) -> BroadcastOperator:
        return self._with(except_=self._selection.except_.union(map(room_name, rooms)))

    def _with(self, **changes: Any) -> BroadcastOperator:
        return BroadcastOperator(self._target, self._selection._replace(**changes), self._timeout)

    def _with_timeout(self, seconds: float) -> BroadcastOperator:
        return BroadcastOperator(self._target, self._selection, checked_timeout(seconds))

    # -- events -----------------------------------------------------------------------------------

    def _emit(self, event: str, arguments: Sequence[Any], ack: Callable[..., Any] | None) -> None:
        check_event_name(event)
        if ack is not None:
            self._emit_with_ack(event, arguments, ack)
            return
        for namespace in self._target.members():
            outgoing = self._outgoing(namespace, event, arguments)
            namespace.adapter.broadcast(outgoing, self._selection)

    def _outgoing(
        self, namespace: Namespace, event: str, arguments: Sequence[Any], ack_id: int | None = None
    ) -> Broadcast:
        packet = Packet(EVENT, namespace.name, [event, *arguments], ack_id)
        outgoing = Broadcast(packet, namespace.codec, compress=self._selection.compress)
        # Now, so that what can't be sent is an error of the caller's, and what it changes afterwards isn't
        # sent.
        outgoing.batch()
        return outgoing

    def _emit_with_ack(self, event: str, arguments: Sequence[Any], ack: Callable[..., Any]) -> None:
        timeout = self._ack_timeout()

        def on_over() -> None:
            values = (gathering.error(timeout), gathering.responses)
            runtime.workers.run(run_plain, "acknowledgement", ack, *values)

        engine = self._target.engine
        if not engine.is_bound:
            run_plain("acknowledgement", ack, None, [])
            return
        runtime = engine.runtime
        namespaces = self._target.members()
        gathering = Gathering(len(namespaces), on_over, awaited=False)
        outgoing = [self._outgoing(each, event, arguments, each.next_ack_id()) for each in namespaces]
        self._target.on_hub(gathering.limit, runtime.timers, timeout)
        self._send(namespaces, outgoing, gathering)

    def _send(
        self, namespaces: Sequence[Namespace], outgoing: Sequence[Broadcast], answers: Gathering
    ) -> None:
        for namespace, each in zip(namespaces, outgoing, strict=True):
            namespace.adapter.broadcast_with_ack(each, self._selection, answers)
        if not namespaces:
            self._target.on_hub(answers.check)

    def _gathered(self, event: str, arguments: Sequence[Any], timeout: float) -> Gathering:
        """Send an event and block until everybody has acknowledged it, or the time is over."""
        check_event_name(event)
        namespaces = self._target.members()
        outgoing = [self._outgoing(each, event, arguments, each.next_ack_id()) for each in namespaces]
        engine = self._target.engine
        if not engine.is_bound:
            # Nobody has ever connected.
            return Gathering(0, lambda: None, awaited=True)
        waiter = Waiter(engine.runtime)
        gathering = Gathering(len(namespaces), waiter.settle, awaited=True)
        try:
            self._send(namespaces, outgoing, gathering)
            waiter.wait(timeout)
        finally:
            self._target.on_hub(gathering.end)
        return gathering

    def _call(self, event: str, arguments: Sequence[Any]) -> list[Any]:
        timeout = self._ack_timeout()
        gathering = self._gathered(event, arguments, timeout)
        error = gathering.error(timeout)
        if error is not None:
            raise error
        return gathering.responses

    def _call_each(self, event: str, arguments: Sequence[Any]) -> dict[str, Any]:
        timeout = self._ack_timeout()
        return self._gathered(event, arguments, timeout).each(timeout)

    def _ack_timeout(self) -> float:
        return self._target.options.ack_timeout_or(self._timeout)

    # -- the sockets ------------------------------------------------------------------------------

    def _fetch_sockets(self) -> list[RemoteSocket]:
        return [
            RemoteSocket(namespace, details)
            for namespace in self._target.members()
            for details in namespace.adapter.fetch_sockets(self._selection, self._timeout)
        ]

    def _sockets_join(self, rooms: Sequence[str | int]) -> None:
        names = [room_name(room) for room in rooms]
        for namespace in self._target.members():
            namespace.adapter.sockets_join(self._selection, names)

    def _sockets_leave(self, rooms: Sequence[str | int]) -> None:
        names = [room_name(room) for room in rooms]
        for namespace in self._target.members():
            namespace.adapter.sockets_leave(self._selection, names)

    def _disconnect_sockets(self, close: bool) -> None:
        for namespace in self._target.members():
            namespace.adapter.disconnect_sockets(self._selection, close)

    # -- the servers ------------------------------------------------------------------------------

    def _server_side_emit(self, event: str, arguments: Sequence[Any]) -> None:
        check_server_side_name(event)
        for namespace in self._target.members():
            namespace.adapter.server_side_emit(event, arguments)

    def _server_side_call(self, event: str, arguments: Sequence[Any]) -> list[Any]:
        check_server_side_name(event)
        return [
            answer
            for namespace in self._target.members()
            for answer in namespace.adapter.server_side_call(event, arguments, self._timeout)
        ]
