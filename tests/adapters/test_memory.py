"""The adapter of a server that is alone fulfils the interface, and delivers to whom is meant."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from socketio_sync.adapters.base import Adapter, LocalSockets, Outgoing, Selection
from socketio_sync.adapters.memory import MemoryAdapter


class Local:
    """The sockets of a namespace: here, just names."""

    def __init__(self, *sockets: str) -> None:
        self.sockets = sockets
        self.sent: list[list[str]] = []

    def all_sockets(self) -> Sequence[str]:
        return self.sockets

    def send_many(self, sockets: Iterable[Any], outgoing: Outgoing, selection: Selection) -> None:
        self.sent.append(sorted(sockets))


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
    assert {"all_sockets", "send_many"} <= set(dir(LocalSockets))


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
    adapter.broadcast(Packet(), Selection(frozenset(rooms), frozenset(except_)))
    assert local.sent == [meant]


def test_rooms_of_one_and_of_all(adapter: MemoryAdapter) -> None:
    assert adapter.rooms_of("ada") == {"ada", "red", "blue"}
    assert adapter.rooms() == {"ada", "bob", "cyd", "red", "blue"}
    adapter.leave("ada", ["red", "never joined"])
    assert adapter.rooms() == {"ada", "bob", "cyd", "blue"}
    adapter.leave_all("ada")
    assert adapter.rooms_of("ada") == frozenset()
    assert adapter.rooms() == {"bob", "cyd", "blue"}
    adapter.close()
