"""The room index against a model, under contention, and its costs."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import timeit
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from socketio_sync.adapters.rooms import Rooms

MEMBERS = st.sampled_from(range(6))
ROOM = st.sampled_from(["", "a", "b", "c", "d", "\N{BEETLE}"])
ROOMS = st.lists(ROOM, max_size=4)


def names_of(changes: list[tuple[str, bool]]) -> set[str]:
    return {room for room, _ in changes}


class RoomsAgainstModel(RuleBasedStateMachine):
    """Does the same to the index and to a dict of sets."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: Rooms[int] = Rooms()
        self.model: dict[str, set[int]] = {}

    def model_leave(self, member: int, names: list[str]) -> set[str]:
        left = {name for name in names if member in self.model.get(name, ())}
        for name in left:
            self.model[name].discard(member)
            if not self.model[name]:
                del self.model[name]
        return left

    @rule(member=MEMBERS, names=ROOMS)
    def join(self, member: int, names: list[str]) -> None:
        joined = [
            (name, name not in self.model)
            for name in dict.fromkeys(names)
            if member not in self.model.get(name, ())
        ]
        assert self.rooms.join(member, iter(names)) == joined
        for name in names:
            self.model.setdefault(name, set()).add(member)

    @rule(member=MEMBERS, names=ROOMS)
    def leave(self, member: int, names: list[str]) -> None:
        left = dict(self.rooms.leave(member, iter(names)))
        assert left.keys() == self.model_leave(member, names)
        assert all(gone is (name not in self.model) for name, gone in left.items())

    @rule(member=MEMBERS)
    def leave_all(self, member: int) -> None:
        assert names_of(self.rooms.leave_all(member)) == self.model_leave(member, list(self.model))

    @rule(names=ROOMS, except_=ROOMS)
    def select(self, names: list[str], except_: list[str]) -> None:
        expected: set[int] = set().union(*(self.model.get(name, ()) for name in names))
        expected.difference_update(*(self.model.get(name, ()) for name in except_))
        selected = self.rooms.select(names, except_)
        assert set(selected) == expected
        assert len(selected) == len(expected)

    @rule(name=ROOM)
    def a_snapshot_is_kept_until_a_change(self, name: str) -> None:
        assert self.rooms.members(name) is self.rooms.members(name)

    @invariant()
    def agree(self) -> None:
        assert self.rooms.all() == set(self.model)
        for name, members in self.model.items():
            snapshot = self.rooms.members(name)
            assert set(snapshot) == members
            assert len(snapshot) == len(members)
        for member in range(6):
            assert self.rooms.rooms_of(member) == {name for name in self.model if member in self.model[name]}


RoomsAgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRoomsAgainstModel = RoomsAgainstModel.TestCase


def test_members_come_in_order_of_joining() -> None:
    rooms: Rooms[str] = Rooms()
    for name in ("zoe", "adam", "mia"):
        rooms.join(name, ["lobby"])
    rooms.join("adam", ["lobby", "kitchen"])
    assert rooms.members("lobby") == ("zoe", "adam", "mia")
    assert rooms.select(["kitchen", "lobby"], ["nowhere"]) == ("adam", "zoe", "mia")


def test_a_snapshot_never_changes_and_only_its_own_room_invalidates_it() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one", "two"])
    one, two = rooms.members("one"), rooms.members("two")
    rooms.join("b", ["one"])
    assert one == ("a",)
    assert rooms.members("one") == ("a", "b")
    assert rooms.members("two") is two


def test_changes_that_change_nothing_keep_the_snapshot() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one"])
    snapshot = rooms.members("one")
    rooms.join("a", ["one", "one"])
    rooms.leave("b", ["one"])
    rooms.leave("a", ["two"])
    assert rooms.members("one") is snapshot


def test_one_room_without_exception_selects_the_cached_tuple() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one"])
    for names in (["one"], ("one",), {"one"}, frozenset({"one"})):
        assert rooms.select(names, ()) is rooms.members("one")


def test_selecting_without_rooms_selects_nobody() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one"])
    assert rooms.select((), ()) == ()
    assert rooms.select((), ["one"]) == ()


def test_nothing_is_kept_of_rooms_and_members_that_are_gone() -> None:
    rooms: Rooms[int] = Rooms()
    for member in range(100):
        rooms.join(member, ["everyone", f"own {member}"])
        rooms.join(member, [])
        rooms.members(f"own {member}")
        rooms.members("everyone")
        rooms.select(["everyone", "nowhere"], ["nobody"])
    for member in range(100):
        if member % 2:
            rooms.leave_all(member)
        else:
            rooms.leave(member, ["everyone", f"own {member}", "nowhere"])
    assert (rooms._members, rooms._rooms, rooms._snapshots) == ({}, {}, {})


def test_an_iterable_of_rooms_runs_outside_the_lock() -> None:
    rooms: Rooms[str] = Rooms()

    def names() -> Iterator[str]:
        yield "one"
        other = gevent.spawn(rooms.join, "b", ["two"])
        other.get(timeout=5)
        assert rooms.members("two") == ("b",)
        in_thread(rooms.leave, "b", ["two"])
        yield "three"

    rooms.join("a", names())
    assert rooms.rooms_of("a") == {"one", "three"}
    assert rooms.all() == {"one", "three"}


def test_a_snapshot_is_read_without_the_lock() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("a", ["one"])
    snapshot = rooms.members("one")
    with rooms._lock:
        assert in_thread(lambda: (rooms.members("one"), rooms.select(["one"], ()))) == (snapshot, snapshot)
        assert in_thread(rooms.members, "nowhere") == ()


def test_code_that_interrupts_a_change_can_read() -> None:
    rooms: Rooms[Any] = Rooms()

    class Interrupted:
        """Stands for a signal handler: the first time it is hashed, it uses the index itself."""

        interruptions = count()

        def __hash__(self) -> int:
            if next(self.interruptions) == 1:
                rooms.join("interrupter", ["one", "two"])
                assert rooms.select(["one", "two"], ["three"]) == ("interrupter",)
            return 1

        def __eq__(self, other: object) -> bool:
            return self is other

    member = Interrupted()
    in_thread(rooms.join, member, ["one", "three"])
    assert names_of(in_thread(rooms.leave_all, member)) == {"one", "three"}
    assert next(Interrupted.interruptions) > 2
    assert rooms.all() == {"one", "two"}


def test_the_cost_of_leaving_is_that_of_the_own_rooms() -> None:
    hashed = count()

    class Counted:
        def __hash__(self) -> int:
            next(hashed)
            return id(self)

    rooms: Rooms[Counted] = Rooms()
    others = [Counted() for _ in range(2_000)]
    for index, other in enumerate(others):
        rooms.join(other, ["everyone", f"own {index}"])
    leaver = Counted()
    rooms.join(leaver, ["everyone", "own"])
    rooms.members("everyone")
    before = next(hashed)
    assert sorted(rooms.leave_all(leaver)) == [("everyone", False), ("own", True)]
    # One look into the members, one removal for each of the two rooms.
    assert next(hashed) - before - 1 == 3


def test_reading_a_snapshot_costs_about_as_much_as_a_dictionary_look_up() -> None:
    rooms: Rooms[int] = Rooms()
    for member in range(1_000):
        rooms.join(member, ["everyone"])
    names = ["everyone"]
    assert best(lambda: rooms.members("everyone")) < 5e-6
    assert best(lambda: rooms.select(names, ())) < 5e-6


def test_threads_and_greenlets_share_the_index() -> None:
    hammer(seconds=1.0)


def test_threads_and_greenlets_share_the_index_in_a_patched_process() -> None:
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "from tests.adapters.test_rooms import hammer\n"
        "hammer(seconds=0.5)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr.decode()


def test_a_member_that_moves_is_never_missed_nor_met_twice() -> None:
    rooms: Rooms[str] = Rooms()
    rooms.join("mover", ["left"])
    rooms.join("stayer", ["left", "right"])
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            rooms.join("mover", ["right"])
            rooms.leave("mover", ["left"])
            rooms.join("mover", ["left"])
            rooms.leave("mover", ["right"])

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(5_000):
            assert sorted(rooms.select(["left", "right"], ())) == ["mover", "stayer"]
            assert rooms.select(["left", "right"], ["left", "right"]) == ()
    finally:
        stop.set()
        thread.join()


def in_thread(function: Callable[..., Any], *args: object) -> Any:
    """Return the function's result from an OS thread; fail where it doesn't come in time."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()
    thread.join(10)
    if not results:
        pytest.fail("the thread hangs or raised")
    return results[0]


def best(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes, in the quickest of a few rounds."""
    return min(timeit.repeat(function, number=2_000, repeat=5)) / 2_000


def work(rooms: Rooms[int], worker: int, pause: Callable[[], None], over: Callable[[], bool]) -> int:
    """Join, leave and select at random as the only owner of ten members; return the operations done.

    What is known whatever the others do is asserted: the own members' rooms, no duplicates, and
    that a snapshot only has members that belong to somebody.
    """
    dice = random.Random(worker)
    own = [worker * 10 + index for index in range(10)]
    model: dict[int, set[str]] = {member: set() for member in own}
    names = [f"room {index}" for index in range(12)]
    operations = 0
    while not over():
        member, some = dice.choice(own), dice.sample(names, 2)
        choice = dice.randrange(8)
        if choice < 3:
            rooms.join(member, some)
            model[member].update(some)
        elif choice < 5:
            rooms.leave(member, some)
            model[member].difference_update(some)
        elif choice == 5:
            assert names_of(rooms.leave_all(member)) == model[member]
            model[member].clear()
        elif choice == 6:
            selected = rooms.select(some, names[:1])
            assert len(set(selected)) == len(selected)
            mine = {member for member in own if model[member] & set(some) and names[0] not in model[member]}
            assert mine == set(own).intersection(selected)
        else:
            snapshot = rooms.members(some[0])
            assert len(set(snapshot)) == len(snapshot)
            assert {member for member in own if some[0] in model[member]} == set(own).intersection(snapshot)
        assert rooms.rooms_of(member) == model[member]
        operations += 1
        if operations % 10 == 0:
            pause()
    for member in own:
        rooms.leave_all(member)
    return operations


def hammer(*, seconds: float, threads: int = 8, greenlets: int = 64) -> int:
    """Let OS threads and greenlets work on one index until the time is up; return the operations done."""
    rooms: Rooms[int] = Rooms()
    real_thread: Any = get_original("_thread", "start_new_thread")
    real_lock: Any = get_original("_thread", "allocate_lock")
    real_sleep: Any = get_original("time", "sleep")
    stop: list[bool] = []
    counts: list[int] = []
    errors: list[BaseException] = []
    finished = []

    def run(worker: int, pause: Callable[[], None], done: Callable[[], object]) -> None:
        try:
            counts.append(work(rooms, worker, pause, lambda: bool(stop)))
        except BaseException as exc:
            errors.append(exc)
            stop.append(True)
        finally:
            done()

    for worker in range(threads):
        lock = real_lock()
        lock.acquire()
        finished.append(lock)
        real_thread(run, (worker, lambda: real_sleep(0), lock.release))
    for worker in range(threads, threads + greenlets):
        # Its pause is to give way in between, which is the subject.
        gevent.spawn(run, worker, lambda: gevent.sleep(0), lambda: None)
    # How long they hammer; no result depends on it.
    gevent.sleep(seconds)
    stop.append(True)
    assert gevent.wait(timeout=30)
    assert all(lock.acquire(timeout=30) for lock in finished)
    if errors:
        raise errors[0]
    assert len(counts) == threads + greenlets
    assert min(counts) > 0
    assert (rooms.all(), rooms._rooms, rooms._snapshots) == (frozenset(), {}, {})
    return sum(counts)


def test_the_model_of_the_hammer_is_sharp() -> None:
    # The hammer proves something only if a broken index fails it.
    class Forgetful(Rooms[int]):
        def leave_all(self, member: int) -> Any:
            left = self.rooms_of(member)
            self.leave(member, sorted(left)[1:])
            return [(room, False) for room in left]

    steps = count()
    with pytest.raises(AssertionError):
        work(Forgetful(), 1, lambda: None, lambda: next(steps) > 2_000)
