"""The adapter of a server that is alone: everything is in this process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from socketio_sync.adapters.base import Answers, LocalSockets, Outgoing, Selection, SocketDetails
from socketio_sync.adapters.rooms import Rooms


class MemoryAdapter:
    """Rooms in memory; a broadcast goes to the sockets of this server. See :class:`Adapter`."""

    __slots__ = ("_local", "_rooms")

    def __init__(self, local: LocalSockets) -> None:
        """Serve the namespace whose sockets are ``local``."""
        self._local = local
        self._rooms: Rooms[Any] = Rooms()

    # -- rooms ------------------------------------------------------------------------------------

    def join(self, socket: Any, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        joined = self._rooms.join(socket, rooms)
        if self._local.watches_rooms:
            for room, is_new in joined:
                if is_new:
                    self._local.room_changed("create-room", room, None)
                self._local.room_changed("join-room", room, socket)

    def leave(self, socket: Any, rooms: Iterable[str]) -> None:
        """Take a socket out of rooms."""
        self._tell_left(socket, self._rooms.leave(socket, rooms))

    def leave_all(self, socket: Any) -> None:
        """Forget a socket."""
        self._tell_left(socket, self._rooms.leave_all(socket))

    def _tell_left(self, socket: Any, left: Sequence[tuple[str, bool]]) -> None:
        if self._local.watches_rooms:
            for room, is_gone in left:
                self._local.room_changed("leave-room", room, socket)
                if is_gone:
                    self._local.room_changed("delete-room", room, None)

    def rooms_of(self, socket: Any) -> frozenset[str]:
        """Return the rooms that a socket is in."""
        return self._rooms.rooms_of(socket)

    def rooms(self) -> frozenset[str]:
        """Return all rooms."""
        return self._rooms.all()

    def select(self, selection: Selection) -> Sequence[Any]:
        """Return the sockets here that are meant; the same object as before, where that is cheap."""
        if selection.rooms:
            return self._rooms.select(selection.rooms, selection.except_)
        sockets = self._local.all_sockets()
        if selection.except_:
            left_out = set(self._rooms.select(selection.except_, ()))
            sockets = [socket for socket in sockets if socket not in left_out]
        return sockets

    # -- broadcasts -------------------------------------------------------------------------------

    def broadcast(self, outgoing: Outgoing, selection: Selection) -> None:
        """Deliver a packet to everyone who is meant."""
        self._local.send_many(self.select(selection), outgoing, selection)

    def broadcast_with_ack(self, outgoing: Outgoing, selection: Selection, answers: Answers) -> None:
        """Deliver a packet to everyone who is meant, and collect their answers."""
        self._local.send_many_with_ack(self.select(selection), outgoing, selection, answers)
        self._local.on_hub(answers.complete)

    # -- everyone who is meant ----------------------------------------------------------------------

    def fetch_sockets(self, selection: Selection, timeout: float | None) -> list[SocketDetails]:
        """Return who is meant; at once."""
        return self._local.details(self.select(selection))

    def sockets_join(self, selection: Selection, rooms: Sequence[str]) -> None:
        """Have everyone who is meant join rooms."""
        self._local.join(self.select(selection), rooms)

    def sockets_leave(self, selection: Selection, rooms: Sequence[str]) -> None:
        """Have everyone who is meant leave rooms."""
        self._local.leave(self.select(selection), rooms)

    def disconnect_sockets(self, selection: Selection, close: bool) -> None:
        """Disconnect everyone who is meant."""
        self._local.disconnect(self.select(selection), close)

    # -- the other servers, of which there are none -------------------------------------------------

    def server_side_emit(self, event: str, arguments: Sequence[Any]) -> None:
        """Reach nobody."""

    def server_side_call(self, event: str, arguments: Sequence[Any], timeout: float | None) -> list[Any]:
        """Return no answers, at once."""
        return []

    def server_count(self) -> int:
        """Return 1."""
        return 1

    def close(self) -> None:
        """Nothing is held."""
