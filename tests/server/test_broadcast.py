from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from socketio_sync import BroadcastOperator, Server, Socket
from socketio_sync.adapters.memory import MemoryAdapter
from tests.server.test_outgoing import CountingCodec
from tests.support.client import Poller
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient
from tests.support.ws_client import CLOSE, TEXT, WebSocket, frame


class Crowd:
    """Clients a, b, c and d: a and b are in room 1, b and c in room 2, b is in room 3; d is in none."""

    def __init__(
        self, serve: Servers, connect: Connect, *, transports: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        self.site: Running = serve(**options)
        self.io = self.site.io
        kinds = dict.fromkeys("abcd", "websocket") | dict(transports or {})
        self.clients: dict[str, SioClient] = {name: connect(self.site, kind) for name, kind in kinds.items()}
        self.sockets: dict[str, Socket] = dict(zip("abcd", self.site.sockets, strict=True))
        for name, rooms in {"a": [1], "b": [1, 2, 3], "c": [2]}.items():
            self.sockets[name].join(*rooms)

    def reached(self) -> str:
        """Name those who got an event, as often as they got it."""
        for client in self.clients.values():
            client.call("echo")
        got = "".join(name * len(client.events) for name, client in self.clients.items())
        for client in self.clients.values():
            client.events.clear()
        return got


@pytest.fixture
def crowd(serve: Servers, connect: Connect) -> Crowd:
    return Crowd(serve, connect)


CHOICES: list[tuple[str, Callable[[Server, dict[str, Socket]], Any]]] = [
    ("abcd", lambda io, s: io),
    ("ab", lambda io, s: io.to("1")),
    ("ab", lambda io, s: io.in_(1)),
    ("abc", lambda io, s: io.to(1, 2)),
    ("abc", lambda io, s: io.to(1).to(2, 3).in_("nobody's")),
    ("", lambda io, s: io.to("nobody's")),
    ("cd", lambda io, s: io.except_(1)),
    ("d", lambda io, s: io.except_(1, 2)),
    ("ac", lambda io, s: io.to(1, 2).except_(3)),
    ("a", lambda io, s: io.to(1).except_("2").except_("nobody's")),
    ("d", lambda io, s: io.to(s["d"].id)),
    ("ad", lambda io, s: io.to(s["d"].id, s["a"].id)),
    ("abc", lambda io, s: io.except_(s["d"].id)),
    ("ab", lambda io, s: io.local.to(1)),
    ("ab", lambda io, s: io.to(1).volatile),
    ("bcd", lambda io, s: s["a"].broadcast),
    ("acd", lambda io, s: s["b"].broadcast.local),
    ("b", lambda io, s: s["a"].to(1)),
    ("bc", lambda io, s: s["a"].to(1, 2)),
    ("c", lambda io, s: s["a"].in_(2).except_(3)),
    ("d", lambda io, s: s["a"].except_(1, 2)),
    ("b", lambda io, s: s["a"].compress(False).timeout(1).to(1)),
    ("a", lambda io, s: s["a"].volatile),
    ("a", lambda io, s: s["a"].compress(False).timeout(1)),
    ("ab", lambda io, s: io.timeout(1).compress(False).compress().to(1)),
    ("bcd", lambda io, s: s["a"].volatile.broadcast),
]


@pytest.mark.feature(72)
@pytest.mark.feature(60)
@pytest.mark.feature(59)
@pytest.mark.feature(58)
@pytest.mark.parametrize(("names", "choose"), CHOICES)
def test_who_is_meant_is_reached_once(crowd: Crowd, names: str, choose: Any) -> None:
    choose(crowd.io, crowd.sockets).emit("news")
    assert crowd.reached() == names


def test_leaving_a_room_ends_its_broadcasts(crowd: Crowd) -> None:
    crowd.sockets["a"].leave(1)
    crowd.io.to(1).emit("news")
    assert crowd.reached() == "b"
    crowd.clients["b"].disconnect()
    crowd.site.reached("disconnect", "/", "client namespace disconnect")
    crowd.io.to(1).emit("news")
    crowd.clients.pop("b")
    assert crowd.reached() == ""


def test_a_chain_is_immutable(crowd: Crowd) -> None:
    room = crowd.io.to(1)
    assert isinstance(room, BroadcastOperator)
    room.to(2)
    room.except_(3)
    room.emit("news")
    assert crowd.reached() == "ab"


def test_rooms_belong_to_their_namespace(crowd: Crowd) -> None:
    crowd.site.of("/other")
    crowd.clients["a"].join("/other")
    crowd.site.sockets[-1].join(1)
    crowd.io.of("/other").to(1).emit("news")
    assert crowd.clients["a"].expect("news", namespace="/other") == ()
    assert crowd.reached() == ""


def test_what_is_changed_after_the_emit_is_not_sent(crowd: Crowd) -> None:
    value = {"list": [1]}
    crowd.io.emit("news", value)
    value["list"].append(2)
    assert crowd.clients["a"].expect("news") == ({"list": [1]},)


def test_what_cannot_be_sent_is_the_callers_error(crowd: Crowd) -> None:
    for choice in (crowd.io, crowd.io.to(1), crowd.sockets["a"].broadcast):
        with pytest.raises(TypeError):
            choice.emit("news", object())
        with pytest.raises(ValueError, match="reserved"):
            choice.emit("disconnect")
    assert crowd.reached() == ""


def test_an_event_is_encoded_once_for_all_recipients(serve: Servers, connect: Connect) -> None:
    codec = CountingCodec()
    crowd = Crowd(serve, connect, parser=codec)
    before = codec.count
    crowd.io.emit("news", b"binary")
    assert codec.count == before + 1
    for client in crowd.clients.values():
        assert client.expect("news") == (b"binary",)


def test_one_broadcast_reaches_clients_of_every_kind(serve: Servers, connect: Connect) -> None:
    site = serve()
    clients = [connect(site, "websocket"), connect(site, "polling")]
    old_socket = WebSocket(site.port, "EIO=3&transport=websocket").open()
    old_poller = Poller(site.port, eio=3).open()
    assert old_socket.receive() == "40"
    assert old_poller.poll() == ["40"]
    site.io.emit("news", "ä", [b"\x00\x01"])
    site.io.emit("text", "ä")
    for client in clients:
        assert client.expect("news") == ("ä", [b"\x00\x01"])
        assert client.expect("text") == ("ä",)
    head = '451-["news","ä",[{"_placeholder":true,"num":0}]]'
    assert [old_socket.receive() for _ in range(3)] == [head, b"\x04\x00\x01", '42["text","ä"]']
    body = old_poller.get().content
    # The binary payload of revision 3: lengths in bytes, and binary data begins with its type byte.
    assert body == b"".join(
        b"%b%b\xff%b" % (kind, bytes(map(int, str(len(data)))), data)
        for kind, data in [
            (b"\x00", head.encode()),
            (b"\x01", b"\x04\x00\x01"),
            (b"\x00", '42["text","ä"]'.encode()),
        ]
    )
    old_socket.close()
    old_poller.close()


def test_a_volatile_event_is_lost_for_whoever_cannot_take_it_now(serve: Servers, connect: Connect) -> None:
    site = serve()
    poller = Poller(site.port).open()
    poller.join()
    present = connect(site)
    # No GET is held: nobody waits for it.
    site.io.volatile.emit("lost")
    site.sockets[0].broadcast.volatile.emit("present")
    site.io.emit("kept")
    assert poller.poll() == ['42["kept"]']
    poller.hold()
    eventually(lambda: site.session(poller.sid).writable)
    site.io.volatile.emit("taken")
    assert poller.held() == ['42["taken"]']
    for event in ("lost", "present", "kept", "taken"):
        assert present.expect(event) == ()
    poller.close()


@pytest.mark.parametrize("seed", range(10))
def test_each_client_gets_what_is_meant_for_it_in_order_whatever_is_mixed(
    serve: Servers, connect: Connect, seed: int
) -> None:
    random = Random(seed)
    crowd = Crowd(serve, connect, transports={"c": "polling"})
    io, sockets = crowd.io, crowd.sockets
    expected: dict[str, list[int]] = {name: [] for name in "abcd"}

    def mix(socket: Socket) -> str:
        here = "abcd"
        for number in range(60):
            if number == 40:
                # What was said before reaches it, what is said afterwards doesn't.
                sockets["b"].disconnect()
                here = "acd"
            for _ in range(random.choice([1, 1, 4])):
                names, choose = random.choice(CHOICES[:-1])
                choose(io, sockets).emit("news", number)
                for name in set(names) & set(here):
                    expected[name].append(number)
            if random.random() < 0.3:
                name = random.choice(here)
                sockets[name].emit("news", number, b"binary")
                expected[name].append(number)
        return "mixed"

    io.on("mix", mix)
    assert crowd.clients["a"].call("mix") == ["mixed"]
    crowd.clients["b"].wait(lambda: crowd.clients["b"].left == ["/"])
    assert [numbers for _, _, (numbers, *_) in crowd.clients["b"].events] == expected["b"]
    for name in "acd":
        crowd.clients[name].call("echo")
        assert [numbers for _, _, (numbers, *_) in crowd.clients[name].events] == expected[name]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_broadcasts_of_one_turn_reach_a_client_before_it_is_closed(
    serve: Servers, connect: Connect, transport: str
) -> None:
    crowd = Crowd(serve, connect, transports={"b": transport, "c": transport})

    def farewell(socket: Socket) -> None:
        crowd.io.emit("news", 1)
        crowd.io.emit("news", 2)
        crowd.sockets["b"].conn.close()
        crowd.sockets["c"].disconnect(close=True)

    crowd.io.on("farewell", farewell)
    crowd.clients["a"].emit("farewell")
    for name in "bc":
        assert crowd.clients[name].closed.wait(5)
        assert [arguments for _, _, arguments in crowd.clients[name].events] == [(1,), (2,)]


@pytest.mark.parametrize(
    "last", [frame(CLOSE, b"\x03\xe8"), frame(TEXT, b"9"), frame(TEXT, b"49"), b"\x81\x01x"]
)
def test_broadcasts_of_one_turn_reach_a_client_that_goes_or_errs_behind_them(
    serve: Servers, last: bytes
) -> None:
    site = serve()
    site.io.on("go", lambda socket: site.io.emit("news"))
    client = WebSocket(site.port).open()
    client.join()
    client.bytes.send(frame(TEXT, b'42["go"]') + last)
    assert client.receive() == '42["news"]'
    client.close()


def test_what_is_collected_counts_as_queued(crowd: Crowd) -> None:
    seen: list[tuple[bool, bool]] = []

    def go(socket: Socket) -> None:
        crowd.io.emit("news", "x" * 1000)
        seen.append((socket.conn.buffered_bytes > 1000, socket.conn.writable))

    crowd.io.on("go", go)
    crowd.clients["a"].emit("go")
    crowd.clients["a"].expect("news")
    assert seen == [(True, True)]


@pytest.mark.parametrize("room", [None, 1.5, b"a", True, ("a",), ["a"]])
def test_a_room_is_a_string_or_an_integer(crowd: Crowd, room: Any) -> None:
    for call in (crowd.io.to, crowd.io.except_, crowd.sockets["a"].join, crowd.sockets["a"].leave):
        with pytest.raises(TypeError, match="a room must be"):
            call(room)


@pytest.mark.feature(57)
def test_local_means_this_server_only(serve: Servers, connect: Connect) -> None:
    seen: list[bool] = []

    class Recording(MemoryAdapter):
        def broadcast(self, outgoing: Any, selection: Any) -> None:
            # What an adapter of a cluster looks at before it tells the others.
            seen.append(selection.local)
            super().broadcast(outgoing, selection)

    site = serve(adapter=Recording)
    client = connect(site)
    site.io.emit("all")
    site.io.local.emit("here")
    site.io.to(site.sockets[0].id).local.volatile.emit("here")
    site.sockets[0].local.emit("others here")
    assert seen == [False, True, True, True]
    assert client.expect("all") == ()
