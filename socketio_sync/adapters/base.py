"""The interface between a namespace and whoever knows which socket is in which room.

An adapter belongs to one namespace. It knows no server: what it may do with sockets is :class:`LocalSockets`,
and it gets packets as the application made them, to deliver here and, in a cluster, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol


class Outgoing(Protocol):
    """A packet on its way to many sockets, encoded at most once."""

    @property
    def packet(self) -> Any:
        """The packet, for adapters that carry it to other servers."""


class Selection(NamedTuple):
    """Which sockets are meant.

    Attributes:
        rooms: Sockets in any of these rooms, each once; empty means all.
        except_: But not those in any of these.
        volatile: Only sockets that can take a message now.
        local: Only sockets of this server.
    """

    rooms: frozenset[str] = frozenset()
    except_: frozenset[str] = frozenset()
    volatile: bool = False
    local: bool = False


class LocalSockets(Protocol):
    """What an adapter may do with the sockets of its namespace on this server."""

    def all_sockets(self) -> Sequence[Any]:
        """Return all of them; the same object as long as they are the same."""

    def send_many(self, sockets: Sequence[Any], outgoing: Outgoing, selection: Selection) -> None:
        """Send a packet to some of them. On the hub's thread only.

        The sequence mustn't change afterwards. Where it is the same object as for the packet before,
        both are sent at the cost of one.
        """


class Adapter(Protocol):
    """Rooms, and the way of a broadcast.

    ``join`` to ``rooms`` may be called from any greenlet or thread, ``broadcast`` on the hub's thread only.
    """

    def join(self, socket: Hashable, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""

    def leave(self, socket: Hashable, rooms: Iterable[str]) -> None:
        """Take a socket out of rooms; those that it isn't in are ignored."""

    def leave_all(self, socket: Hashable) -> None:
        """Forget a socket."""

    def rooms_of(self, socket: Hashable) -> frozenset[str]:
        """Return the rooms that a socket is in."""

    def rooms(self) -> frozenset[str]:
        """Return the rooms that exist on this server."""

    def broadcast(self, outgoing: Outgoing, selection: Selection) -> None:
        """Deliver a packet to everyone who is meant."""

    def close(self) -> None:
        """Let go of what the adapter holds."""


AdapterFactory = Callable[[LocalSockets], Adapter]
