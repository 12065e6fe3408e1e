"""R14: greenlets and OS threads share the rooms, and all agree on who is where. See also test_locks."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import gevent
import pytest

from socketio_sync import Socket
from socketio_sync.adapters.rooms import Rooms
from tests.reliability.conftest import Scale
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import TEXT

SEED = 20261122
GREENLETS, THREADS = 64, 8
NAMES = [f"room {number}" for number in range(12)]
# Whoever enters or leaves one does so with the other, in one call.
TWINS = ["left twin", "right twin"]
# Members whose rooms everybody changes, and how many belong to each worker.
SHARED, OWN = 8, 10

Pause = Callable[[], None]


def in_greenlets_and_threads(task: Callable[[int, Pause], Iterable[object]], *, deadline: float) -> int:
    """Let every worker do its steps, all at once; return how many there were.

    Raises:
        BaseException: What the first of them raised.
    """
    errors: list[BaseException] = []
    steps: list[int] = []

    def run(worker: int, pause: Pause) -> None:
        number = 0
        try:
            for _ in task(worker, pause):
                number += 1
                if errors:
                    break
        except BaseException as error:
            errors.append(error)
        steps.append(number)

    # They interrupt each other more often than Python would have it.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        # Their pauses are to give way in between, which is the subject.
        threads = [
            threading.Thread(target=run, args=(number, lambda: time.sleep(0))) for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for number in range(THREADS, THREADS + GREENLETS):
            gevent.spawn(run, number, lambda: gevent.sleep(0))
        eventually(lambda: len(steps) == GREENLETS + THREADS, deadline=deadline)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
    return sum(steps)


# -- the index ----------------------------------------------------------------------------------------


def audit(rooms: Rooms[Any]) -> None:
    """See that both directions of the index agree, that no room is empty and no snapshot old."""
    with rooms._lock:
        backward = {(room, member) for member, own in rooms._rooms.items() for room in own}
        forward = {(room, member) for room, members in rooms._members.items() for member in members}
        assert forward == backward
        assert all(rooms._members.values())
        assert all(rooms._rooms.values())
        for room, snapshot in rooms._snapshots.items():
            assert snapshot == tuple(rooms._members[room])


class Worker:
    """The only owner of some members, whose rooms it therefore knows; the shared ones are everybody's."""

    def __init__(self, rooms: Rooms[Any], number: int, pause: Pause) -> None:
        self.rooms = rooms
        self.dice = Random(SEED + number)
        self.pause = pause
        self.model: dict[Any, set[str]] = {(number, index): set() for index in range(OWN)}

    def steps(self, operations: int) -> Iterator[None]:
        acts = (*((self.enter, self.leave) * 3), self.drop, self.twins, self.share, self.share)
        reads = (self.select, self.iterate, self.read_twins, self.read_shared)
        for number in range(operations):
            member = self.dice.choice(tuple(self.model))
            self.dice.choice((*acts, *reads))(member)
            assert self.rooms.rooms_of(member) == self.model[member]
            if number % 500 == 0:
                audit(self.rooms)
            if number % 10 == 0:
                self.pause()
            yield

    def some(self) -> list[str]:
        return self.dice.sample(NAMES, 2)

    def enter(self, member: Any) -> None:
        some = self.some()
        joined = self.rooms.join(member, iter(some))
        assert {room for room, _ in joined} == set(some) - self.model[member]
        self.model[member].update(some)

    def leave(self, member: Any) -> None:
        some = self.some()
        left = self.rooms.leave(member, iter(some))
        assert {room for room, _ in left} == set(some) & self.model[member]
        self.model[member].difference_update(some)

    def drop(self, member: Any) -> None:
        assert {room for room, _ in self.rooms.leave_all(member)} == self.model[member]
        self.model[member].clear()

    def twins(self, member: Any) -> None:
        if TWINS[0] in self.model[member]:
            self.rooms.leave(member, TWINS)
            self.model[member].difference_update(TWINS)
        else:
            self.rooms.join(member, TWINS)
            self.model[member].update(TWINS)

    def share(self, _: Any) -> None:
        """Change the rooms of a member as others do at the same time."""
        member = self.dice.randrange(SHARED)
        act = self.dice.choice((self.rooms.join, self.rooms.leave, None))
        if act is None:
            self.rooms.leave_all(member)
        else:
            act(member, self.dice.choice((TWINS, self.some())))

    def select(self, _: Any) -> None:
        some, out = self.some(), NAMES[0]
        selected = self.rooms.select(some, [out])
        assert len(set(selected)) == len(selected)
        mine = {member for member, own in self.model.items() if own & set(some) and out not in own}
        assert mine == self.model.keys() & set(selected)

    def iterate(self, _: Any) -> None:
        """Go over a snapshot as a broadcast does, while others change the room."""
        (room,) = self.dice.sample(NAMES, 1)
        snapshot = self.rooms.members(room)
        seen = []
        for number, member in enumerate(snapshot):
            seen.append(member)
            if number % 100 == 50:
                self.pause()
        assert tuple(seen) == snapshot
        assert len(set(seen)) == len(seen)
        assert {each for each, own in self.model.items() if room in own} == self.model.keys() & set(seen)

    def read_twins(self, _: Any) -> None:
        left, right = self.dice.sample(TWINS, 2)
        assert self.rooms.select([left], [right]) == ()

    def read_shared(self, _: Any) -> None:
        own = self.rooms.rooms_of(self.dice.randrange(SHARED))
        assert own <= {*NAMES, *TWINS}
        assert len(own.intersection(TWINS)) != 1


def test_the_index_agrees_with_every_model_however_many_change_it(
    scale: Scale, figure: Callable[[str], None]
) -> None:
    operations = scale(30_000, 1_000_000) // (GREENLETS + THREADS) + 1
    rooms: Rooms[Any] = Rooms()
    workers: list[Worker] = []

    def task(number: int, pause: Pause) -> Iterator[None]:
        worker = Worker(rooms, number, pause)
        workers.append(worker)
        return worker.steps(operations)

    begin = time.monotonic()
    done = in_greenlets_and_threads(task, deadline=scale(60, 1_200))
    audit(rooms)
    for worker in workers:
        for member, own in worker.model.items():
            assert rooms.rooms_of(member) == own
            rooms.leave_all(member)
    # Only the shared ones are left.
    assert set(rooms.select(rooms.all(), ())) <= set(range(SHARED))
    for member in range(SHARED):
        rooms.leave_all(member)
    assert (rooms.all(), rooms._rooms, rooms._members, rooms._snapshots) == (frozenset(), {}, {}, {})
    figure(
        f"rooms: {done:,} operations of {GREENLETS} greenlets and {THREADS} threads on one index in "
        f"{time.monotonic() - begin:.0f} s: all as the models say, both directions agree, nothing left"
    )


def test_the_audit_is_sharp() -> None:
    # It proves something only if an index that is wrong fails it.
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one"])
    audit(rooms)
    rooms._rooms["a"].add("two")
    with pytest.raises(AssertionError):
        audit(rooms)


# -- the server ---------------------------------------------------------------------------------------


class Owner:
    """A client, its socket, and who alone changes that one's rooms."""

    def __init__(self, site: Running) -> None:
        self.site = site
        self.ws = site.websocket()
        self.socket: Socket = site.io.sockets[self.ws.join()]
        self.ws.bytes.sock.settimeout(None)
        self.model: set[str] = {self.socket.id}
        self.sent = self.received = 0
        self.reader = gevent.spawn(self._read)

    def _read(self) -> None:
        while True:
            opcode, payload = self.ws.frame()
            assert opcode == TEXT
            if payload == b"2":
                self.ws.send("3")
            elif payload.startswith(b'42["mine",'):
                assert json.loads(payload[2:]) == ["mine", self.received]
                self.received += 1

    def steps(self, number: int, operations: int, shared: list[Socket], pause: Pause) -> Iterator[None]:
        self.dice = Random(SEED + number)
        acts = (self._enter, self._enter, self._leave, self._leave_all, self._fetch, self._emit, self._emit)
        for _ in range(operations):
            some = self.dice.sample(NAMES, 2)
            self.dice.choice(acts)(some)
            other = self.dice.choice(shared)
            self.dice.choice((other.join, other.leave))(*some)
            assert self.socket.rooms == self.model
            assert self.site.io.rooms() >= self.model
            pause()
            self._keep_pace(pause)
            yield

    def has_all(self) -> None:
        """Wait until all that was sent has come."""
        eventually(lambda: self.received == self.sent)

    def _keep_pace(self, pause: Pause) -> None:
        """Send no faster than is read."""
        until = time.monotonic() + 60
        while self.sent - self.received > 20:
            assert not self.reader.dead, "the reader has failed"
            assert time.monotonic() < until, "what was sent doesn't come"
            pause()

    def _enter(self, some: list[str]) -> None:
        if self.dice.random() < 0.5:
            self.socket.join(*some)
        else:
            self.site.io.in_(self.socket.id).sockets_join(*some)
        self.model.update(some)

    def _leave(self, some: list[str]) -> None:
        if self.dice.random() < 0.5:
            self.socket.leave(*some)
        else:
            self.site.io.in_(self.socket.id).sockets_leave(*some)
        self.model.difference_update(some)

    def _leave_all(self, _: list[str]) -> None:
        self.socket.leave(*NAMES)
        self.model.difference_update(NAMES)

    def _fetch(self, some: list[str]) -> None:
        ids = Counter(each.id for each in self.site.io.in_(some[0]).fetch_sockets())
        assert set(ids.values()) <= {1}
        assert (self.socket.id in ids) is (some[0] in self.model)

    def _emit(self, some: list[str]) -> None:
        """Send to a room, where it may reach anybody, and to this one client, where it must come."""
        if self.dice.random() < 0.2:
            self.site.io.to(some[0]).except_(some[1]).emit("anybody's")
        self.site.io.to(self.socket.id).emit("mine", self.sent)
        self.sent += 1


@pytest.mark.parametrize("watched", [False, True])
def test_the_server_agrees_with_every_model_and_delivers_every_message_once(
    serve: Servers, scale: Scale, figure: Callable[[str], None], watched: bool
) -> None:
    operations = scale(3_000, 100_000) // (GREENLETS + THREADS) + 1
    site = serve()
    rooms: dict[str, set[str]] = {}
    if watched:
        # In the order in which it happened, or this raises.
        site.io.on_room("create-room", lambda room: rooms.update({room: set()}))
        site.io.on_room("join-room", lambda room, sid: rooms[room].add(sid))
        site.io.on_room("leave-room", lambda room, sid: rooms[room].remove(sid))
        site.io.on_room("delete-room", lambda room: rooms.pop(room).update())
    owners = [Owner(site) for _ in range(GREENLETS + THREADS)]
    others = [Owner(site) for _ in range(SHARED)]
    shared = [other.socket for other in others]

    def task(number: int, pause: Pause) -> Iterable[None]:
        return owners[number].steps(number, operations, shared, pause)

    begin = time.monotonic()
    done = in_greenlets_and_threads(task, deadline=scale(60, 1_200))
    for owner in owners:
        owner.has_all()
        assert owner.socket.rooms == owner.model
        assert not owner.reader.dead
    if watched:
        real = {room: {each.id for each in site.io.in_(room).fetch_sockets()} for room in site.io.rooms()}
        eventually(lambda: rooms == real)
    figure(
        f"rooms of a server{' that is listened to' * watched}: {2 * done:,} operations of {GREENLETS} "
        f"greenlets and {THREADS} threads in {time.monotonic() - begin:.0f} s; "
        f"{sum(owner.sent for owner in owners):,} messages, each once, in order"
    )
    for owner in (*owners, *others):
        owner.reader.kill()
    site.io.close()
    eventually(lambda: not site.io.rooms())
