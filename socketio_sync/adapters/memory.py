"""The adapter of a server that is alone: everything is in this process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from socketio_sync.adapters.base import LocalSockets, Outgoing, Selection
from socketio_sync.adapters.rooms import Rooms


class MemoryAdapter:
    """Rooms in memory; a broadcast goes to the sockets of this server. See :class:`Adapter`."""

    __slots__ = ("_local", "_rooms")

    def __init__(self, local: LocalSockets) -> None:
        """Serve the namespace whose sockets are ``local``."""
        self._local = local
        self._rooms: Rooms[Any] = Rooms()

    def join(self, socket: Any, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        self._rooms.join(socket, rooms)

    def leave(self, socket: Any, rooms: Iterable[str]) -> None:
        """Take a socket out of rooms."""
        self._rooms.leave(socket, rooms)

    def leave_all(self, socket: Any) -> None:
        """Forget a socket."""
        self._rooms.leave_all(socket)

    def rooms_of(self, socket: Any) -> frozenset[str]:
        """Return the rooms that a socket is in."""
        return self._rooms.rooms_of(socket)

    def rooms(self) -> frozenset[str]:
        """Return all rooms."""
        return self._rooms.all()

    def broadcast(self, outgoing: Outgoing, selection: Selection) -> None:
        """Deliver a packet to everyone who is meant."""
        sockets: Sequence[Any]
        if selection.rooms:
            sockets = self._rooms.select(selection.rooms, selection.except_)
        else:
            sockets = self._local.all_sockets()
            if selection.except_:
                left_out = set(self._rooms.select(selection.except_, ()))
                sockets = [socket for socket in sockets if socket not in left_out]
        self._local.send_many(sockets, outgoing, selection)

    def close(self) -> None:
        """Nothing is held."""
