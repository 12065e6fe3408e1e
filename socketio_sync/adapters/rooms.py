"""Who is in which room: a two-way index that greenlets and OS threads share."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from itertools import chain
from typing import Any, Generic, TypeAlias, TypeVar

from gevent.monkey import get_original

M = TypeVar("M", bound=Hashable)

Change: TypeAlias = tuple[str, bool]
"""A room that was joined or left, and whether it began or ended by that."""

# The operating system's own lock, patched process or not: gevent's would serve the greenlets of one
# thread only. Nothing below switches greenlets while it is held. It is re-entrant (at no measurable
# cost) because a signal handler or a finalizer may run between any two lines and broadcast.
native_lock: Any = get_original("_thread", "RLock")


class Rooms(Generic[M]):
    """A two-way index between members and the rooms they are in.

    Members are any hashable objects; their ``__hash__`` and ``__eq__`` must not switch greenlets.
    A room exists while somebody is in it, and a member is known while it is in a room. Every method
    may be called from any greenlet and any OS thread, and none blocks. A method's changes are seen
    as a whole: no reader sees half of a ``join``.
    """

    __slots__ = ("_lock", "_members", "_rooms", "_snapshots")

    def __init__(self) -> None:
        """Begin without rooms."""
        self._lock = native_lock()
        # A dict in place of a set keeps the order of joining, and turns into a tuple faster.
        self._members: dict[str, dict[M, None]] = {}
        self._rooms: dict[M, set[str]] = {}
        self._snapshots: dict[str, tuple[M, ...]] = {}

    def join(self, member: M, rooms: Iterable[str]) -> list[Change]:
        """Add ``member`` to ``rooms``; those it is in already stay as they are.

        Returns:
            The others, each with whether it is new.
        """
        # An iterable may be a generator, whose code must not run under the lock.
        names = tuple(rooms)
        joined: list[Change] = []
        with self._lock:
            own = self._rooms.get(member, set())
            for room in names:
                if room not in own:
                    own.add(room)
                    joined.append((room, room not in self._members))
                    self._members.setdefault(room, {})[member] = None
                    self._snapshots.pop(room, None)
            if own:
                self._rooms[member] = own
        return joined

    def leave(self, member: M, rooms: Iterable[str]) -> list[Change]:
        """Remove ``member`` from ``rooms``; those it isn't in are passed over.

        Returns:
            The others, each with whether it has gone because nobody is left in it.
        """
        names = tuple(rooms)
        left: list[Change] = []
        with self._lock:
            own = self._rooms.get(member)
            if own is None:
                return left
            for room in names:
                if room in own:
                    own.discard(room)
                    left.append((room, self._remove(member, room)))
            if not own:
                self._rooms.pop(member, None)
        return left

    def leave_all(self, member: M) -> list[Change]:
        """Remove ``member`` from every room; the cost is that of its own rooms alone.

        Returns:
            These, each with whether it has gone because nobody is left in it.
        """
        with self._lock:
            own = self._rooms.pop(member, None)
            return [(room, self._remove(member, room)) for room in own] if own is not None else []

    def rooms_of(self, member: M) -> frozenset[str]:
        """Return the rooms that ``member`` is in."""
        with self._lock:
            return frozenset(self._rooms.get(member, ()))

    def members(self, room: str) -> tuple[M, ...]:
        """Return who is in ``room``, in order of joining.

        The tuple never changes and is the same object until somebody joins or leaves; without such
        a change the call takes no lock.
        """
        snapshot = self._snapshots.get(room)
        if snapshot is None and room in self._members:
            with self._lock:
                return self._snapshot(room)
        return snapshot or ()

    def all(self) -> frozenset[str]:
        """Return every room that has a member."""
        with self._lock:
            return frozenset(self._members)

    def select(self, rooms: Collection[str], except_: Collection[str]) -> tuple[M, ...]:
        """Return who is in any of ``rooms`` and in none of ``except_``, each once; without rooms, nobody.

        All rooms are looked at in the same moment, so that a member whose rooms change meanwhile
        is selected as it was before or as it is afterwards. A single room without ``except_`` gives
        the cached tuple of ``members``.
        """
        if len(rooms) == 1 and not except_:
            (room,) = rooms
            return self.members(room)
        with self._lock:
            included = [self._snapshot(room) for room in rooms]
            excluded = [self._snapshot(room) for room in except_]
        selected = dict.fromkeys(chain.from_iterable(included))
        for member in chain.from_iterable(excluded):
            selected.pop(member, None)
        return tuple(selected)

    def _snapshot(self, room: str) -> tuple[M, ...]:
        """Return the cached members of ``room``, made if need be. The lock is held."""
        snapshot = self._snapshots.get(room)
        if snapshot is None:
            members = self._members.get(room)
            if members is None:
                return ()
            snapshot = self._snapshots[room] = tuple(members)
        return snapshot

    def _remove(self, member: M, room: str) -> bool:
        """Remove ``member`` from the list of ``room``; tell whether that was the last. The lock is held."""
        members = self._members[room]
        del members[member]
        self._snapshots.pop(room, None)
        if members:
            return False
        del self._members[room]
        return True
