"""The interface between a namespace and whoever knows which socket is in which room.

An adapter belongs to one namespace. It knows no server: what it may do with the sockets of this process is
:class:`LocalSockets`, and it gets packets as the application made them, to deliver here and, in a cluster,
elsewhere. This is the contract:

- *Here* is this process, *everywhere* also the other servers of a cluster. A server that is alone is a
  cluster of one: everything below is defined for it, and nothing hangs.
- A ``selection`` means everywhere, unless ``selection.local`` is set: then only here.
- What concerns sockets here has happened when the call returns, or is on its way to the hub in the order of
  the calls; so whoever joins a socket to a room and then emits to the room reaches it. Elsewhere the order of
  the calls of one thread is kept, and nothing is promised beyond that.
- Every method may be called from any greenlet and any thread, but for what is said otherwise. Only
  ``fetch_sockets`` and ``server_side_call`` may block, no longer than their ``timeout``; other servers that
  don't answer in it cost only their own part of the answer.
- The methods that change rooms report to ``LocalSockets.room_changed`` what came of it, after the fact and in
  the order in which it happened, whichever threads did it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from socketio_sync.exceptions import SocketIOError


class Outgoing(Protocol):
    """A packet on its way to many sockets, encoded at most once."""

    @property
    def packet(self) -> Any:
        """The packet, for adapters that carry it to other servers."""


class Selection(NamedTuple):
    """Which sockets are meant, and how they are reached.

    Attributes:
        rooms: Sockets in any of these rooms, each once; empty means all.
        except_: But not those in any of these.
        volatile: Only sockets that can take a message now.
        local: Only sockets of this server.
        compress: Whether what is sent may be compressed.
    """

    rooms: frozenset[str] = frozenset()
    except_: frozenset[str] = frozenset()
    volatile: bool = False
    local: bool = False
    compress: bool = True


class SocketDetails(NamedTuple):
    """What ``fetch_sockets`` tells of one socket, here or elsewhere.

    Attributes:
        id: The socket's id.
        handshake: How its client came.
        rooms: The rooms that it is in.
        data: The application's own; of a socket here the very object, of one elsewhere a copy.
    """

    id: str
    handshake: Any
    rooms: frozenset[str]
    data: Any


class Answers(Protocol):
    """Where the acknowledgements of a broadcast are collected. For the hub's thread only."""

    @property
    def awaited(self) -> bool:
        """Whether a handler may be waiting for them, so that the clients have to be read meanwhile."""

    def expect(self, sids: Sequence[str]) -> None:
        """Learn that these clients, too, got the event; before any of them answers.

        An adapter that is only told how many there are makes up names.
        """

    def answer(self, sid: str, values: Sequence[Any]) -> None:
        """Take a client's acknowledgement."""

    def miss(self, sid: str, error: SocketIOError) -> None:
        """Learn that a client that was expected to answer never will."""

    def complete(self) -> None:
        """Learn that no further ``expect`` comes from this namespace; exactly once."""

    def on_over(self, clean_up: Callable[[], None]) -> None:
        """Have ``clean_up`` called once nobody waits any more, whether all have answered or not."""


class LocalSockets(Protocol):
    """What an adapter may do with the sockets of its namespace on this server.

    From any greenlet or thread. A sequence of sockets that is passed mustn't change afterwards.
    """

    @property
    def watches_rooms(self) -> bool:
        """Whether ``room_changed`` leads anywhere; an adapter may spare the call if not."""

    def all_sockets(self) -> Sequence[Any]:
        """Return all of them; the same object as long as they are the same."""

    def send_many(self, sockets: Sequence[Any], outgoing: Outgoing, selection: Selection) -> None:
        """Send a packet to some of them.

        Where ``sockets`` is the same object as for the packet before, both are sent at the cost of one.
        """

    def send_many_with_ack(
        self, sockets: Sequence[Any], outgoing: Outgoing, selection: Selection, answers: Answers
    ) -> None:
        """Send a packet to some of them, and collect their acknowledgements.

        ``answers`` learns who is expected, and what comes of each; its ``complete`` is left to the adapter.
        """

    def on_hub(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call ``function`` on the hub's thread: now if this is it, else soon, in order of the calls."""

    def details(self, sockets: Sequence[Any]) -> list[SocketDetails]:
        """Describe those of them that are connected."""

    def join(self, sockets: Sequence[Any], rooms: Sequence[str]) -> None:
        """Have each of them join rooms, as if by itself.

        Raises:
            RoomLimitError: Some would be in too many; the others have joined.
        """

    def leave(self, sockets: Sequence[Any], rooms: Sequence[str]) -> None:
        """Have each of them leave rooms."""

    def disconnect(self, sockets: Sequence[Any], close: bool) -> None:
        """Disconnect them from the namespace, with ``close`` from the server."""

    def room_changed(self, event: str, room: str, socket: Any) -> None:
        """Learn what became of a room.

        Args:
            event: ``"create-room"``, ``"join-room"``, ``"leave-room"`` or ``"delete-room"``.
            room: Its name.
            socket: Who joined or left; None for the other two.
        """

    def answer_server(self, event: str, arguments: Sequence[Any]) -> Any:
        """Run the application's handlers of what another server has emitted; return their answer.

        Blocks as long as they do: to be called in a greenlet of its own.
        """


class Adapter(Protocol):
    """Rooms, and the ways between servers. See the contract at the top of this module."""

    def join(self, socket: Hashable, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""

    def leave(self, socket: Hashable, rooms: Iterable[str]) -> None:
        """Take a socket out of rooms; those that it isn't in are ignored."""

    def leave_all(self, socket: Hashable) -> None:
        """Forget a socket."""

    def rooms_of(self, socket: Hashable) -> frozenset[str]:
        """Return the rooms that a socket is in."""

    def rooms(self) -> frozenset[str]:
        """Return the rooms that exist here."""

    def broadcast(self, outgoing: Outgoing, selection: Selection) -> None:
        """Deliver a packet to everyone who is meant: who that is, is decided before the call returns."""

    def broadcast_with_ack(self, outgoing: Outgoing, selection: Selection, answers: Answers) -> None:
        """Deliver a packet to everyone who is meant; ``answers`` learns what comes of it."""

    def fetch_sockets(self, selection: Selection, timeout: float | None) -> list[SocketDetails]:
        """Return who is meant. ``timeout`` is in seconds, None leaves it to the adapter."""

    def sockets_join(self, selection: Selection, rooms: Sequence[str]) -> None:
        """Have everyone who is meant join rooms.

        Raises:
            RoomLimitError: Somebody here would be in too many; the others have joined.
        """

    def sockets_leave(self, selection: Selection, rooms: Sequence[str]) -> None:
        """Have everyone who is meant leave rooms."""

    def disconnect_sockets(self, selection: Selection, close: bool) -> None:
        """Disconnect everyone who is meant, with ``close`` from their servers and not only the namespace."""

    def server_side_emit(self, event: str, arguments: Sequence[Any]) -> None:
        """Have the other servers run their handlers of an event."""

    def server_side_call(self, event: str, arguments: Sequence[Any], timeout: float | None) -> list[Any]:
        """Have the other servers run their handlers of an event, and return an answer of each.

        Raises:
            AckTimeout: Some didn't answer in ``timeout`` seconds; it has the answers of those that did.
        """

    def server_count(self) -> int:
        """Return how many servers there are, this one included."""

    def close(self) -> None:
        """Let go of what the adapter holds."""


AdapterFactory = Callable[[LocalSockets], Adapter]
