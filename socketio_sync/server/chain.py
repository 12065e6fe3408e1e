"""Choosing recipients and ways of sending, step by step: ``socket.volatile.to("a").except_("b")``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from socketio_sync.adapters.base import Selection

if TYPE_CHECKING:
    from typing_extensions import Self

    from socketio_sync.server.broadcast import BroadcastOperator

EVERYBODY = Selection()


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


# What native locks and the timers of the loop can wait for, with room to spare: 100 years.
MAX_TIMEOUT = 100 * 366 * 24 * 3600.0


def checked_timeout(seconds: float) -> float:
    """Return ``seconds`` if that is a time to wait; what is longer than 100 years, infinity too, is that.

    Raises:
        TypeError: It isn't a number.
        ValueError: It isn't positive.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"a timeout must be a number of seconds, not {seconds!r}")
    if not seconds > 0:
        raise ValueError(f"a timeout must be positive, not {seconds!r}")
    return min(float(seconds), MAX_TIMEOUT)


class Chain:
    """The steps that choose recipients, on servers, namespaces, sockets and what the steps return.

    Each step returns a new object; the one it is called on doesn't change, and may be kept and used again.
    From any greenlet and any thread.
    """

    __slots__ = ()

    @abstractmethod
    def _operator(self) -> BroadcastOperator:
        """Return everybody who is meant so far."""

    def to(self, *rooms: str | int) -> BroadcastOperator:
        """Add rooms: sockets in any of them are meant, each once. A socket's id is a room of its own."""
        return self._operator()._with_rooms(rooms)

    def in_(self, *rooms: str | int) -> BroadcastOperator:
        """Do the same as ``to``, for those who read it better."""
        return self._operator()._with_rooms(rooms)

    def except_(self, *rooms: str | int) -> BroadcastOperator:
        """Leave out the sockets in any of these rooms."""
        return self._operator()._without_rooms(rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Mean only the sockets of this server, not those of a cluster."""
        return self._operator()._with(local=True)


class Flagged(Protocol):
    """What the steps of :class:`Flags` are taken on."""

    def _with(self, **changes: Any) -> Self: ...

    def _with_timeout(self, seconds: float) -> Self: ...


Operator = TypeVar("Operator", bound=Flagged)


class Flags(Generic[Operator]):
    """The steps that choose how to send. As those of :class:`Chain`, each returns a new object."""

    __slots__ = ()

    @abstractmethod
    def _flagged(self) -> Operator:
        """Return what is chosen so far."""

    @property
    def volatile(self) -> Operator:
        """Send only to who can take the message now, with nothing queued before it; for others it is lost."""
        return self._flagged()._with(volatile=True)

    def compress(self, compress: bool = True) -> Operator:
        """Say whether what is sent may be compressed, where the client and the options allow it."""
        return self._flagged()._with(compress=compress)

    def timeout(self, seconds: float) -> Operator:
        """Say how long acknowledgements, and in a cluster the answers of other servers, may take.

        Raises:
            TypeError: It isn't a number.
            ValueError: It isn't positive.
        """
        return self._flagged()._with_timeout(seconds)
