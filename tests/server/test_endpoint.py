"""What is done to everybody who is meant, on servers, namespaces and chains."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import gevent
import pytest
from gevent.event import Event

from socketio_sync import Disconnected, NotConnected, RoomLimitError, Server, Socket
from socketio_sync.adapters.base import LocalSockets
from socketio_sync.adapters.memory import MemoryAdapter
from socketio_sync.server.hooks import ROOM_EVENTS
from tests.support.outcomes import in_thread
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient


def pair(serve: Servers, connect: Connect, **options: Any) -> tuple[Running, list[SioClient], list[Socket]]:
    site = serve(**options)
    clients = [connect(site, auth={"name": name}) for name in ("ann", "bob")]
    for socket in site.sockets:
        socket.data["name"] = socket.handshake.auth["name"]
    return site, clients, site.sockets


@pytest.mark.feature(147)
@pytest.mark.feature(75)
def test_fetch_sockets_describes_who_is_meant(serve: Servers, connect: Connect) -> None:
    site, _, (ann, bob) = pair(serve, connect)
    ann.join("lobby")
    everybody = site.io.fetch_sockets()
    assert [socket.id for socket in everybody] == [ann.id, bob.id]
    (found,) = site.io.to("lobby").fetch_sockets()
    assert found.id == ann.id
    assert found.rooms == {ann.id, "lobby"}
    assert found.data is ann.data
    assert found.handshake.auth == {"name": "ann"}
    assert ann.id in repr(found)
    assert [each.id for each in ann.broadcast.fetch_sockets()] == [bob.id]
    assert in_thread(site.io.local.except_("lobby").fetch_sockets).get(timeout=5)[1][0].id == bob.id


def test_rooms_are_told_of_in_the_order_of_what_happened_in_any_thread(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    connect(site)
    (socket,) = site.sockets
    told: list[str] = []
    for event in ROOM_EVENTS:
        site.io.on_room(event, lambda *_, event=event: told.append(event))
    # The hub has no turn between the two.
    thread = threading.Thread(target=socket.join, args=("room",))
    thread.start()
    thread.join()
    socket.leave("room")
    eventually(lambda: len(told) == 4)
    assert told == ["create-room", "join-room", "leave-room", "delete-room"]


def test_who_is_leaving_is_not_fetched_from_its_rooms(serve: Servers, connect: Connect) -> None:
    site = serve()
    gate, leaving = Event(), Event()
    site.io.on("disconnecting", lambda socket: (leaving.set(), gate.wait(5)))
    client = connect(site)
    site.sockets[0].join("room")
    client.disconnect()
    assert leaving.wait(5)
    assert site.io.rooms() == {"room", site.sockets[0].id}
    assert site.io.to("room").fetch_sockets() == []
    gate.set()


def test_a_fetched_socket_answers_though_others_are_in_its_room(serve: Servers, connect: Connect) -> None:
    site = serve()
    clients = [connect(site), connect(site)]
    for index, client in enumerate(clients):
        client.answers["who"] = lambda index=index: [index]
    site.sockets[1].join(site.sockets[0].id)
    found = {each.id: each for each in site.io.fetch_sockets()}
    assert found[site.sockets[0].id].call("who") == 0
    assert found[site.sockets[1].id].call("who") == 1


def test_a_fetched_socket_can_be_spoken_to(serve: Servers, connect: Connect) -> None:
    site, clients, (_ann, bob) = pair(serve, connect)
    (found,) = site.io.to(bob.id).fetch_sockets()
    clients[1].answers["who"] = lambda: ["bob", 2]
    found.emit("news", 1)
    found.send("text")
    assert clients[1].expect("news") == (1,)
    assert clients[1].expect("message") == ("text",)
    assert found.call("who") == ("bob", 2)
    assert found.timeout(5).call("who") == ("bob", 2)
    found.join("a", "b")
    assert bob.rooms == {bob.id, "a", "b"}
    assert found.rooms == {bob.id}
    found.leave("a")
    assert bob.rooms == {bob.id, "b"}
    clients[1].answers["bye"] = lambda: gevent.spawn(clients[1].kill) and None
    with pytest.raises(Disconnected):
        found.timeout(60).call("bye")
    with pytest.raises(NotConnected):
        found.call("who")
    (found,) = site.io.fetch_sockets()
    found.disconnect()
    clients[0].wait(lambda: clients[0].left == ["/"])


@pytest.mark.feature(77)
@pytest.mark.feature(76)
def test_everybody_joins_leaves_and_is_disconnected(serve: Servers, connect: Connect) -> None:
    site, clients, (ann, bob) = pair(serve, connect)
    site.io.sockets_join("all", 1)
    site.io.of("/").to(ann.id).sockets_join("some")
    assert ann.rooms == {ann.id, "all", "1", "some"}
    assert bob.rooms == {bob.id, "all", "1"}
    bob.broadcast.sockets_leave("all")
    assert "all" not in ann.rooms
    assert "all" in bob.rooms
    # What is done here has happened when the call returns, from a thread, too.
    in_thread(lambda: (site.io.to("some").sockets_join("late"), site.io.to("late").emit("late"))).get(
        timeout=5
    )
    assert clients[0].expect("late") == ()
    site.io.to("some").disconnect_sockets()
    clients[0].wait(lambda: clients[0].left == ["/"])
    assert not clients[0].closed.is_set()
    site.io.disconnect_sockets(close=True)
    assert clients[1].closed.wait(5)
    assert site.reasons() == ["server namespace disconnect"] * 2


def test_who_would_be_in_too_many_rooms_is_named_and_the_others_join(
    serve: Servers, connect: Connect
) -> None:
    site, _, (ann, bob) = pair(serve, connect, max_rooms=2)
    ann.join("one")
    with pytest.raises(RoomLimitError):
        site.io.sockets_join("two")
    assert "two" in bob.rooms
    assert "two" not in ann.rooms


def test_an_emit_from_a_thread_reaches_who_is_meant_then(serve: Servers, connect: Connect) -> None:
    site, clients, (ann, _bob) = pair(serve, connect)
    site.io.sockets_join("room")

    def emit_and_leave() -> None:
        site.io.to("room").emit("news", 1)
        ann.leave("room")
        site.io.to("room").emit("news", 2)

    in_thread(emit_and_leave).get(timeout=5)
    assert clients[1].expect("news") == (1,)
    assert clients[1].expect("news") == (2,)
    clients[0].call("echo")
    assert [arguments for _, _, arguments in clients[0].events] == [(1,)]


@pytest.mark.feature(80)
def test_room_events_come_in_order(serve: Servers, connect: Connect) -> None:
    site = serve()
    steps: list[Any] = []
    for event in ROOM_EVENTS:

        @site.io.on_room(event)
        def told(*arguments: str, event: str = event) -> None:
            gevent.sleep(0)
            steps.append((event, *arguments))

    client = connect(site)
    (socket,) = site.sockets
    sid = socket.id
    socket.join("a", "b", "a")
    in_thread(socket.leave, "a", "never joined").get(timeout=5)
    other = connect(site)
    site.sockets[1].join("b")
    eventually(lambda: len(steps) == 11)
    own = site.sockets[1].id
    assert steps == [
        ("create-room", sid),
        ("join-room", sid, sid),
        ("create-room", "a"),
        ("join-room", "a", sid),
        ("create-room", "b"),
        ("join-room", "b", sid),
        ("leave-room", "a", sid),
        ("delete-room", "a"),
        ("create-room", own),
        ("join-room", own, own),
        ("join-room", "b", own),
    ]
    steps.clear()
    client.kill()
    eventually(lambda: len(steps) == 3)
    assert set(steps) == {("leave-room", sid, sid), ("delete-room", sid), ("leave-room", "b", sid)}
    assert steps.index(("leave-room", sid, sid)) < steps.index(("delete-room", sid))
    other.kill()
    eventually(lambda: ("delete-room", "b") in steps)
    with pytest.raises(ValueError, match="create-room"):
        site.io.on_room("made-room")


@pytest.mark.feature(142)
def test_counts_of_what_is_there(serve: Servers, connect: Connect) -> None:
    site = serve()
    site.of("/other")
    connect(site, "polling").join("/other")
    connect(site)
    stats = site.io.stats()
    assert stats["clients"] == 2
    assert stats["transports"] == {"polling": 1, "websocket": 1}
    assert stats["buffered_bytes"] == 0
    assert stats["namespaces"] == {"/": {"sockets": 2, "rooms": 2}, "/other": {"sockets": 1, "rooms": 1}}


@pytest.mark.feature(79)
def test_a_server_that_is_alone_has_nobody_to_ask(serve: Servers, connect: Connect) -> None:
    site, _, (ann, _) = pair(serve, connect)
    for place in (site.io, site.io.of("/x"), site.io.to("room"), ann.broadcast):
        place.server_side_emit("hello", 1)
        assert place.server_side_call("hello", 1) == []
        for name in ("connect", "connection", "new_namespace"):
            with pytest.raises(ValueError, match="reserved"):
                place.server_side_emit(name)
            with pytest.raises(ValueError, match="reserved"):
                place.server_side_call(name)
    with pytest.raises(TypeError):
        site.io.server_side_emit(5)  # type: ignore[arg-type]


class Joined(MemoryAdapter):
    """Two servers in one process, whose namespaces of one name are joined."""

    def __init__(self, local: LocalSockets, members: list[Joined]) -> None:
        super().__init__(local)
        self.members = members
        self.own = local
        members.append(self)

    @property
    def others(self) -> list[Joined]:
        return [other for other in self.members if other is not self and other.own.name == self.own.name]  # type: ignore[attr-defined]

    def server_side_emit(self, event: str, arguments: Sequence[Any]) -> None:
        for other in self.others:
            other.own.answer_server(event, arguments)

    def server_side_call(self, event: str, arguments: Sequence[Any], timeout: float | None) -> list[Any]:
        return [other.own.answer_server(event, arguments) for other in self.others]

    def server_count(self) -> int:
        return len(self.others) + 1


@pytest.mark.feature(78)
def test_other_servers_run_what_they_registered_and_answer() -> None:
    members: list[Joined] = []
    here, there = (Server(adapter=lambda local: Joined(local, members)) for _ in range(2))
    steps: list[Any] = []
    there.on_server_side("hello", lambda *arguments: steps.append(arguments))

    @there.on_server_side("hello")
    def hello(*arguments: Any) -> str:
        return "answer"

    here.on_server_side("hello", lambda *arguments: steps.append("not to itself"))
    there.of("/other").on_server_side("hello", lambda *arguments: steps.append("another namespace"))
    here.server_side_emit("hello", 1, 2)
    assert steps == [(1, 2)]
    assert here.server_side_call("hello", 3) == ["answer"]
    assert here.server_side_call("nobody's") == [None]
    assert here.of("/").adapter.server_count() == 2
    with pytest.raises(ValueError, match="reserved"):
        there.on_server_side("connection", print)


@pytest.mark.feature(74)
def test_everybody_is_taken_out_of_a_room(serve: Servers, connect: Connect) -> None:
    site = serve()
    for _ in range(2):
        connect(site)
    for socket in site.sockets:
        socket.join("a", "b")
    site.io.to("a").sockets_leave("a")
    assert "a" not in site.io.rooms()
    assert "b" in site.io.rooms()


@pytest.mark.feature(82)
@pytest.mark.feature(83)
def test_a_client_is_found_by_its_id_and_counted(serve: Servers, connect: Connect) -> None:
    site = serve()
    for _ in range(2):
        connect(site)
    socket = site.sockets[0]
    assert site.io.sockets[socket.id] is socket
    assert "nobody" not in site.io.sockets
    assert len(site.io.sockets) == site.io.engine.clients_count == site.io.stats()["clients"] == 2
