"""Choosing recipients, step by step: ``io.to("a").except_("b").emit(...)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import Selection
from socketio_sync.protocol.socketio.packet import EVENT, Packet
from socketio_sync.server.outgoing import Broadcast, check_event_name

if TYPE_CHECKING:
    from socketio_sync.server.namespace import Namespace


def room_name(room: str | int) -> str:
    """Return a room's name as text.

    Raises:
        TypeError: It is neither a string nor an integer.
        ValueError: It is longer than 512 characters.
    """
    if isinstance(room, str):
        name = room
    elif isinstance(room, int) and not isinstance(room, bool):
        name = str(room)
    else:
        raise TypeError(f"a room must be a string or an integer, not {room!r}")
    if len(name) > 512:
        raise ValueError(f"a room's name of {len(name)} characters, 512 are allowed")
    return name


class Broadcaster:
    """What servers, namespaces, sockets and chains have in common; written, and documented, once.

    Each step returns a new :class:`BroadcastOperator`; the object it is called on doesn't change. Everything
    here may be called from any greenlet and any thread, and returns at once.
    """

    __slots__ = ()

    def _operator(self) -> BroadcastOperator:
        raise NotImplementedError

    def to(self, *rooms: str | int) -> BroadcastOperator:
        """Add rooms: sockets in any of them are meant, each once. A socket's id is a room of its own."""
        return self._operator().with_rooms(rooms)

    def in_(self, *rooms: str | int) -> BroadcastOperator:
        """Do the same as ``to``, for those who read it better."""
        return self._operator().with_rooms(rooms)

    def except_(self, *rooms: str | int) -> BroadcastOperator:
        """Leave out the sockets in any of these rooms."""
        return self._operator().without_rooms(rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Mean only the sockets of this server, not those of a cluster."""
        return self._operator().with_flags(local=True)

    @property
    def volatile(self) -> BroadcastOperator:
        """Mean only sockets that can take the message now; for the others it is lost."""
        return self._operator().with_flags(volatile=True)


class BroadcastOperator(Broadcaster):
    """An immutable choice of recipients in one namespace."""

    __slots__ = ("_namespace", "_selection")

    def __init__(self, namespace: Namespace, selection: Selection) -> None:
        """Mean ``selection`` of ``namespace``."""
        self._namespace = namespace
        self._selection = selection

    def _operator(self) -> BroadcastOperator:
        return self

    def with_rooms(self, rooms: tuple[str | int, ...]) -> BroadcastOperator:
        """Return a choice with more rooms."""
        names = self._selection.rooms.union(map(room_name, rooms))
        return BroadcastOperator(self._namespace, self._selection._replace(rooms=names))

    def without_rooms(self, rooms: tuple[str | int, ...]) -> BroadcastOperator:
        """Return a choice with more rooms left out."""
        names = self._selection.except_.union(map(room_name, rooms))
        return BroadcastOperator(self._namespace, self._selection._replace(except_=names))

    def with_flags(self, *, local: bool = False, volatile: bool = False) -> BroadcastOperator:
        """Return a choice with flags set."""
        selection = self._selection
        return BroadcastOperator(
            self._namespace,
            selection._replace(local=local or selection.local, volatile=volatile or selection.volatile),
        )

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to everyone who is meant.

        Raises:
            ValueError: The name is reserved, or an argument is nested too deeply.
            TypeError: An argument can't be sent.
        """
        check_event_name(event)
        namespace = self._namespace
        packet = Packet(EVENT, namespace.name, [event, *arguments])
        outgoing = Broadcast(packet, namespace.codec)
        # Now, so that what can't be sent is an error of the caller's, and what
        # it changes afterwards isn't sent.
        outgoing.batch()
        run: Callable[..., Any] = namespace.adapter.broadcast
        namespace.on_hub(run, outgoing, self._selection)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *arguments)
