"""The adapter of a server that is alone fulfils the interface, and delivers to whom is meant."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from socketio_sync.adapters.base import Adapter, LocalSockets, Outgoing, Selection
from socketio_sync.adapters.memory import MemoryAdapter
from socketio_sync.server.namespace import Namespace


class Local:
    """The sockets of a namespace: here, just names."""

    watches_rooms = True

    def __init__(self, *sockets: str) -> None:
        self.sockets = sockets
        self.sent: list[list[str]] = []
        self.done: list[Any] = []

    def room_changed(self, event: str, room: str, socket: Any) -> None:
        self.done.append((event, room, socket))

    def details(self, sockets: Iterable[Any]) -> list[Any]:
        return sorted(sockets)

    def join(self, sockets: Iterable[Any], rooms: Sequence[str]) -> None:
        self.done.append(("join", sorted(sockets), rooms))

    def leave(self, sockets: Iterable[Any], rooms: Sequence[str]) -> None:
        self.done.append(("leave", sorted(sockets), rooms))

    def disconnect(self, sockets: Iterable[Any], close: bool) -> None:
        self.done.append(("disconnect", sorted(sockets), close))

    def send_many_with_ack(
        self, sockets: Iterable[Any], outgoing: Outgoing, selection: Selection, answers: Any
    ) -> None:
        self.done.append(("ask", sorted(sockets)))

    def on_hub(self, function: Any, *arguments: Any) -> None:
        function(*arguments)

    def answer_server(self, event: str, arguments: Sequence[Any]) -> Any:
        raise AssertionError("there is no other server")

    def all_sockets(self) -> Sequence[str]:
        return self.sockets

    def send_many(self, sockets: Iterable[Any], outgoing: Outgoing, selection: Selection) -> None:
        self.sent.append(sorted(sockets))


class Answers:
    """Counts how often it is told that nobody else is expected."""

    awaited = False
    completed = 0

    def complete(self) -> None:
        self.completed += 1

    def expect(self, sids: Sequence[str]) -> None: ...

    def answer(self, sid: str, values: Sequence[Any]) -> None: ...

    def miss(self, sid: str, error: Exception) -> None: ...

    def on_over(self, clean_up: Any) -> None: ...


class Packet:
    """Something to deliver."""

    packet = "packet"


@pytest.fixture
def local() -> Local:
    return Local("ada", "bob", "cyd")


@pytest.fixture
def adapter(local: Local) -> MemoryAdapter:
    adapter = MemoryAdapter(local)
    for name in local.sockets:
        adapter.join(name, [name])
    adapter.join("ada", ["red", "blue"])
    adapter.join("bob", ["blue"])
    return adapter


def test_it_has_every_method_of_the_interface() -> None:
    methods = {name for name, _ in inspect.getmembers(Adapter, inspect.isfunction) if name[0] != "_"}
    assert methods <= {name for name, _ in inspect.getmembers(MemoryAdapter, inspect.isfunction)}
    for name in methods:
        wanted = list(inspect.signature(getattr(Adapter, name)).parameters)
        assert list(inspect.signature(getattr(MemoryAdapter, name)).parameters) == wanted
    assert {name for name in vars(LocalSockets) if name[0] != "_"} <= {*dir(Namespace)} & {*dir(Local)}


@pytest.mark.parametrize(
    ("rooms", "except_", "meant"),
    [
        ((), (), ["ada", "bob", "cyd"]),
        ((), ("bob",), ["ada", "cyd"]),
        ((), ("blue", "cyd"), []),
        (("blue",), (), ["ada", "bob"]),
        (("red", "blue", "ada"), (), ["ada", "bob"]),
        (("blue",), ("red",), ["bob"]),
        (("nobody",), (), []),
        (("cyd",), ("nobody",), ["cyd"]),
    ],
)
def test_a_broadcast_reaches_whom_is_meant_each_once(
    adapter: MemoryAdapter, local: Local, rooms: Any, except_: Any, meant: Any
) -> None:
    selection = Selection(frozenset(rooms), frozenset(except_))
    local.done.clear()
    adapter.broadcast(Packet(), selection)
    assert local.sent == [meant]
    assert adapter.fetch_sockets(selection, None) == meant
    adapter.sockets_join(selection, ["new"])
    adapter.sockets_leave(selection, ["old"])
    adapter.disconnect_sockets(selection, True)
    answers = Answers()
    adapter.broadcast_with_ack(Packet(), selection, answers)
    assert local.done == [
        ("join", meant, ["new"]),
        ("leave", meant, ["old"]),
        ("disconnect", meant, True),
        ("ask", meant),
    ]
    assert answers.completed == 1


@pytest.mark.feature(81)
def test_rooms_of_one_and_of_all(adapter: MemoryAdapter) -> None:
    assert adapter.rooms_of("ada") == {"ada", "red", "blue"}
    assert adapter.rooms() == {"ada", "bob", "cyd", "red", "blue"}
    adapter.leave("ada", ["red", "never joined"])
    assert adapter.rooms() == {"ada", "bob", "cyd", "blue"}
    adapter.leave_all("ada")
    assert adapter.rooms_of("ada") == frozenset()
    assert adapter.rooms() == {"bob", "cyd", "blue"}
    adapter.close()


def test_what_becomes_of_a_room_is_told_after_the_fact(adapter: MemoryAdapter, local: Local) -> None:
    local.done.clear()
    adapter.join("cyd", ["red", "new", "red"])
    adapter.leave("ada", ["red", "never joined"])
    adapter.leave_all("cyd")
    assert local.done[:4] == [
        ("join-room", "red", "cyd"),
        ("create-room", "new", None),
        ("join-room", "new", "cyd"),
        ("leave-room", "red", "ada"),
    ]
    told = local.done[4:]
    assert len(told) == 6
    for room in ("cyd", "red", "new"):
        assert told.index(("leave-room", room, "cyd")) < told.index(("delete-room", room, None))
    local.watches_rooms = False
    local.done.clear()
    adapter.join("cyd", ["more"])
    assert local.done == []


def test_there_are_no_other_servers(adapter: MemoryAdapter) -> None:
    adapter.server_side_emit("event", [1])
    assert adapter.server_side_call("event", [1], None) == []
    assert adapter.server_count() == 1
