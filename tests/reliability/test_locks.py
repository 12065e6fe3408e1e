"""R14: no lock is held while the application runs, wherever it is called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from socketio_sync import Socket
from socketio_sync.adapters.rooms import Rooms
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect


def elsewhere(site: Running, socket: Socket) -> None:
    """Change rooms and broadcast in a thread, and wait for it with the hub's thread: a held lock hangs it."""

    def work() -> None:
        socket.join("elsewhere")
        site.io.to("elsewhere").emit("from elsewhere")
        assert [each.id for each in site.io.in_("elsewhere").fetch_sockets()] == [socket.id]
        assert "elsewhere" in site.io.rooms()
        socket.leave("elsewhere")
        done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert done, "a lock is held while the application runs"


def test_whatever_the_application_is_called_for_no_lock_is_held(serve: Servers, connect: Connect) -> None:
    site = serve()
    places: set[str] = set()

    def reached(place: str, socket: Socket) -> None:
        # Each once: what is done there would lead here again.
        if place not in places:
            places.add(place)
            elsewhere(site, socket)

    def sockets() -> Socket:
        return next(iter(site.io.sockets.values()))

    def iterate(me: Socket) -> int:
        """Join, leave and emit for each of those that an iteration is at."""
        for number, each in enumerate(site.io.in_("all").fetch_sockets()):
            me.join(f"another {number}")
            site.io.in_(each.id).sockets_leave("all")
            site.io.to("all").emit("one less")
            site.io.in_(each.id).sockets_join("all")
            reached(f"iteration {number}", me)
        return len(site.io.in_("all").fetch_sockets())

    site.io.on("connection", lambda socket: reached("connection", socket))
    site.io.on("disconnect", lambda socket: reached("disconnect", sockets()))
    site.io.on("iterate", iterate)
    site.io.on_any_outgoing(lambda socket, event, *arguments: reached("outgoing", socket))
    for event in ("create-room", "delete-room"):
        site.io.on_room(event, lambda room, event=event: reached(event, sockets()))
    for event in ("join-room", "leave-room"):
        site.io.on_room(event, lambda room, sid, event=event: reached(event, sockets()))
    site.io.use(lambda socket: socket.data.update(asked=True))
    clients = [connect(site) for _ in range(3)]
    for socket in site.io.sockets.values():
        socket.join("all")
    for client in clients:
        client.answers["question"] = lambda: [1]
    assert clients[0].call("iterate", timeout=20) == [3]
    site.io.to("all").emit("question", ack=lambda error, values: reached("acknowledgement", sockets()))
    eventually(lambda: "acknowledgement" in places)
    clients[1].close()
    kinds = {"connection", "disconnect", "outgoing", "acknowledgement"}
    kinds |= {"create-room", "join-room", "leave-room", "delete-room"}
    eventually(lambda: places == kinds | {f"iteration {number}" for number in range(3)})


def test_an_iterable_of_rooms_runs_while_no_lock_is_held() -> None:
    rooms: Rooms[str] = Rooms()

    def names() -> Iterator[str]:
        for number in count():
            thread = threading.Thread(target=rooms.join, args=("b", [f"room {number}"]), daemon=True)
            thread.start()
            thread.join(10)
            if thread.is_alive():
                pytest.fail("a lock is held while the application runs")
            yield f"room {number}"
            if number == 5:
                return

    rooms.join("a", names())
    assert rooms.rooms_of("a") == rooms.rooms_of("b") == {f"room {number}" for number in range(6)}
    rooms.leave("a", names())
    assert rooms.all() == {f"room {number}" for number in range(6)}
