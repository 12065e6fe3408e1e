"""The adapter of a server that is alone: everything is in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from socketio_sync.adapters.base import Answers, LocalSockets, Outgoing, Selection, SocketDetails
from socketio_sync.adapters.rooms import Change, Rooms, native_lock


class MemoryAdapter:
    """Rooms in memory; a broadcast goes to the sockets of this server. See :class:`Adapter`."""

    __slots__ = ("_changes", "_local", "_lock", "_rooms")

    def __init__(self, local: LocalSockets) -> None:
        """Serve the namespace whose sockets are ``local``."""
        self._local = local
        self._rooms: Rooms[Any] = Rooms()
        # What is to be reported, in the order in which it happened: it is appended under the lock.
        self._changes: deque[tuple[str, str, Any]] = deque()
        self._lock = native_lock()

    # -- rooms ------------------------------------------------------------------------------------

    def join(self, socket: Any, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        if not self._local.watches_rooms:
            self._rooms.join(socket, rooms)
            return
        # An iterable may be a generator, whose code must not run under the lock.
        names = tuple(rooms)
        with self._lock:
            for room, is_new in self._rooms.join(socket, names):
                if is_new:
                    self._changes.append(("create-room", room, None))
                self._changes.append(("join-room", room, socket))
        self._local.on_hub(self._tell)

    def leave(self, socket: Any, rooms: Iterable[str]) -> None:
        """Take a socket out of rooms."""
        self._leave(socket, self._rooms.leave, socket, tuple(rooms))

    def leave_all(self, socket: Any) -> None:
        """Forget a socket."""
        self._leave(socket, self._rooms.leave_all, socket)

    def _leave(self, socket: Any, leave: Callable[..., Sequence[Change]], *arguments: Any) -> None:
        if not self._local.watches_rooms:
            leave(*arguments)
            return
        with self._lock:
            for room, is_gone in leave(*arguments):
                self._changes.append(("leave-room", room, socket))
                if is_gone:
                    self._changes.append(("delete-room", room, None))
        self._local.on_hub(self._tell)

    def _tell(self) -> None:
        """Report what has changed; on the hub's thread, as threads report in another order than they act."""
        while self._changes:
            self._local.room_changed(*self._changes.popleft())

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
