from __future__ import annotations

import time
from typing import Any

import gevent
import pytest

from socketio_sync import (
    AckLimitError,
    AckTimeout,
    Disconnected,
    NotConnected,
    RoomLimitError,
    Socket,
)
from tests.support.client import Poller
from tests.support.logged import Logged
from tests.support.outcomes import outcome
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])
NESTED = {"list": [b"\x00\xff", {"deep": [b"", "text"]}], "plain": 1.5}


def one(serve: Servers, connect: Connect, transport: str = "websocket", **options: Any) -> Any:
    """A server, one client of it, and the client's socket."""
    site = serve(**options)
    client = connect(site, transport)
    return site, client, site.sockets[0]


# -- from us to the client ------------------------------------------------------------------------


@BOTH
def test_what_is_emitted_arrives_in_order(serve: Servers, connect: Connect, transport: str) -> None:
    _, client, socket = one(serve, connect, transport)
    for number in range(300):
        socket.emit("count", number)
    assert [client.expect("count")[0] for _ in range(300)] == list(range(300))


@pytest.mark.feature(95)
@BOTH
@pytest.mark.feature(23)
def test_binary_travels_at_any_depth_both_ways(serve: Servers, connect: Connect, transport: str) -> None:
    _, client, socket = one(serve, connect, transport)
    socket.emit("nested", NESTED, b"last")
    assert client.expect("nested") == (NESTED, b"last")
    # The server's "echo" handler returns what it got.
    assert client.call("echo", NESTED, b"x" * 70_000) == [NESTED, b"x" * 70_000]


@pytest.mark.feature(48)
def test_send_emits_a_message_event(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect)
    socket.send("a", 1)
    assert client.expect("message") == ("a", 1)


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener"])
def test_reserved_names_cannot_be_emitted(serve: Servers, connect: Connect, name: str) -> None:
    _, _, socket = one(serve, connect)
    with pytest.raises(ValueError, match="reserved"):
        socket.emit(name)
    with pytest.raises(ValueError, match="reserved"):
        socket.call(name)


def test_what_cannot_be_sent_is_the_callers_error_and_leaves_nothing_behind(
    serve: Servers, connect: Connect
) -> None:
    _, client, socket = one(serve, connect, max_pending_acks=1)
    client.answers["good"] = lambda: ["fine"]
    for _ in range(3):
        with pytest.raises(TypeError):
            socket.emit("bad", object())
        with pytest.raises(TypeError):
            socket.call("bad", b"attachment", object())
        with pytest.raises(TypeError):
            socket.emit("bad", {1, object()}, ack=lambda *values: None)
    # Had one of them been registered, this would be one acknowledgement too many.
    assert socket.call("good") == "fine"
    assert client.events == [("/", "good", ())]


@pytest.mark.feature(69)
def test_nobody_hears_of_an_emit_after_the_client_has_left(serve: Servers, connect: Connect) -> None:
    site, client, socket = one(serve, connect)
    client.disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    socket.emit("late")
    socket.emit("late", ack=lambda *values: None)
    socket.join("room")
    socket.disconnect()
    client.join()
    assert client.call("echo", 1) == [1]
    assert client.events == []
    assert site.io.to("room").emit("anybody") is None
    assert socket.rooms == frozenset()


# -- acknowledgements of the client's ----------------------------------------------------------------


@pytest.mark.parametrize(("values", "result"), [([], None), ([7], 7), ([[1]], [1]), ([1, b"2"], (1, b"2"))])
@BOTH
def test_call_returns_the_acknowledgement(
    serve: Servers, connect: Connect, transport: str, values: list[Any], result: Any
) -> None:
    _, client, socket = one(serve, connect, transport)
    client.answers["question"] = lambda *arguments: values
    assert socket.call("question", b"binary") == result


@pytest.mark.feature(51)
def test_call_works_inside_handlers(serve: Servers, connect: Connect) -> None:
    site = serve()

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        socket.data["name"] = socket.call("who are you")

    @site.io.on("sum")
    def sum_up(socket: Socket, *names: str) -> int:
        return sum(socket.call("value of", name) for name in names)

    client = connect(site, join=False)
    client.answers["who are you"] = lambda: ["bob"]
    client.answers["value of"] = lambda name: [{"a": 1, "b": 2}[name]]
    client.join()
    assert client.call("sum", "a", "b") == [3]
    assert site.sockets[0].data == {"name": "bob"}


@pytest.mark.feature(50)
def test_the_callback_gets_the_acknowledgements_values(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect)
    client.answers["question"] = lambda: [1, {"two": b"3"}]
    got: list[Any] = []
    socket.emit("question", ack=lambda *values: got.append(values))
    eventually(lambda: got)
    assert got == [(1, {"two": b"3"})]


def test_a_callback_that_raises_is_logged_and_harms_nobody(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    _, client, socket = one(serve, connect)
    client.answers["question"] = lambda: [0]
    socket.emit("question", ack=lambda value: 1 // value)
    records = eventually(logged.take)
    assert "acknowledgement" in records[0].getMessage()
    assert client.call("echo", "alive") == ["alive"]


def test_a_callback_may_block(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect)
    client.answers["first"] = client.answers["second"] = lambda: [1]
    got: list[Any] = []
    socket.emit("first", ack=lambda value: got.append(value + socket.call("second")))
    eventually(lambda: got == [2])


def test_whoever_is_not_connected_yet_or_any_more_cannot_be_called(serve: Servers, connect: Connect) -> None:
    site = serve()
    errors: list[Any] = []

    def ask(socket: Socket) -> None:
        errors.append(outcome(socket.call, "question"))

    site.io.use(ask)
    site.io.on("disconnect", ask)
    connect(site).disconnect()
    eventually(lambda: len(errors) == 2)
    assert [type(error) for error in errors] == [NotConnected, NotConnected]


@pytest.mark.feature(38)
def test_what_the_connection_handler_emits_comes_behind_the_answer_to_the_connect(
    serve: Servers, connect: Connect
) -> None:
    site = serve()

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("first")
        site.io.emit("second")

    client = site.websocket()
    client.send("40")
    assert [str(client.receive())[:4] for _ in range(3)] == ['40{"', '42["', '42["']


def test_call_times_out(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect, max_pending_acks=1)
    for _ in range(2):
        with pytest.raises(AckTimeout):
            socket.call("unanswered", timeout=0.02)
    client.answers["answered"] = lambda: [True]
    assert socket.call("answered") is True


def test_call_takes_its_timeout_from_the_option(serve: Servers, connect: Connect) -> None:
    _, _, socket = one(serve, connect, ack_timeout=0.02)
    with pytest.raises(AckTimeout, match=r"0\.02 s"):
        socket.call("unanswered")


def test_a_late_acknowledgement_is_ignored(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect)
    with pytest.raises(AckTimeout):
        socket.call("slow", timeout=0.02)
    client.send("430[1]", "430[1]")
    assert client.call("echo", 1) == [1]


@pytest.mark.feature(52)
@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (SioClient.disconnect, "client namespace disconnect"),
        (SioClient.close, "transport close"),
        (SioClient.kill, "transport error"),
    ],
)
def test_t8_a_call_ends_at_once_when_the_client_leaves(
    serve: Servers, connect: Connect, leave: Any, reason: str
) -> None:
    _, client, socket = one(serve, connect)
    calling = gevent.spawn(outcome, socket.call, "question", timeout=30)
    client.expect("question")
    leave(client)
    error = calling.get(timeout=2)
    assert isinstance(error, Disconnected)
    assert error.reason == reason
    began = time.monotonic()
    with pytest.raises(NotConnected):
        socket.call("question", timeout=30)
    assert time.monotonic() - began < 1


def test_a_client_may_owe_n_acknowledgements_and_no_more(serve: Servers, connect: Connect) -> None:
    _, _, socket = one(serve, connect, max_pending_acks=3)
    for _ in range(3):
        socket.emit("question", ack=lambda *values: None)
    with pytest.raises(AckLimitError, match="too many"):
        socket.emit("question", ack=lambda *values: None)
    with pytest.raises(AckLimitError):
        socket.call("question")


# -- rooms ------------------------------------------------------------------------------------------


@pytest.mark.feature(71)
def test_a_socket_is_in_the_room_of_its_id_and_in_those_it_joins(serve: Servers, connect: Connect) -> None:
    site, client, socket = one(serve, connect)
    assert socket.id == client.joined["/"]
    socket.join("a", 7)
    socket.join("a")
    assert socket.rooms == {socket.id, "a", "7"}
    socket.leave("a", "never joined")
    assert socket.rooms == {socket.id, "7"}
    client.close()
    site.reached("disconnect", "/", "transport close")
    assert socket.rooms == frozenset()
    assert site.io.rooms() == frozenset()


@pytest.mark.feature(73)
@pytest.mark.feature(112)
def test_the_rooms_are_still_known_to_disconnecting_but_not_to_disconnect(
    serve: Servers, connect: Connect
) -> None:
    site, client, socket = one(serve, connect)
    seen: dict[str, Any] = {}
    socket.join("room")
    socket.on("disconnecting", lambda: seen.update(disconnecting=socket.rooms))
    socket.on("disconnect", lambda: seen.update(disconnect=socket.rooms))
    client.disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    assert seen == {"disconnecting": {socket.id, "room"}, "disconnect": frozenset()}


def test_the_number_of_rooms_is_limited(serve: Servers, connect: Connect) -> None:
    _, _, socket = one(serve, connect, max_rooms=4)
    socket.join("a", "b", "c")
    socket.join("c", "b")
    with pytest.raises(RoomLimitError, match="4"):
        socket.join("d")
    with pytest.raises(RoomLimitError):
        socket.join("a", "e", "f")
    assert socket.rooms == {socket.id, "a", "b", "c"}
    socket.leave("a")
    socket.join("d")


# -- leaving ----------------------------------------------------------------------------------------


@pytest.mark.feature(94)
@BOTH
def test_disconnect_leaves_one_namespace(serve: Servers, connect: Connect, transport: str) -> None:
    site = serve()
    other = site.of("/other")
    client = connect(site, transport)
    client.join("/other")
    site.sockets[0].disconnect()
    client.wait(lambda: client.left == ["/"])
    assert site.reasons() == ["server namespace disconnect"]
    other.on("ping", lambda socket: "pong")
    assert client.call("ping", namespace="/other") == ["pong"]
    assert client.join() != site.sockets[0].id


@BOTH
@pytest.mark.feature(113)
def test_disconnect_with_close_leaves_every_namespace_and_ends_the_connection(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve()
    for name in ("/b", "/a"):
        site.of(name)
    client = connect(site, transport)
    client.join("/b")
    client.join("/a")
    site.watch(client.sid)
    site.sockets[1].disconnect(close=True)
    assert client.closed.wait(5)
    assert client.left == ["/", "/b", "/a"]
    assert site.reasons() == ["server namespace disconnect"] * 3
    assert site.reached("close", "forced close")


@pytest.mark.parametrize("parked", [True, False])
def test_t12_disconnecting_a_polling_client_never_waits_for_it(serve: Servers, parked: bool) -> None:
    site: Running = serve()
    client = Poller(site.port).open()
    client.join()
    if parked:
        client.hold()
        eventually(lambda: site.session(client.sid).transport.held)  # type: ignore[attr-defined]
    began = time.monotonic()
    site.sockets[0].disconnect(close=True)
    assert time.monotonic() - began < 1
    assert site.reasons() == ["server namespace disconnect"]
    assert site.io.engine.clients_count == 0
    assert (client.held() if parked else client.poll()) == ["41"]
    client.close()


def test_a_socket_that_has_left_does_not_close_the_connection(serve: Servers, connect: Connect) -> None:
    site = serve()
    chat = site.of("/chat")
    client = connect(site)
    client.join("/chat")
    chat.on("disconnect", lambda socket: socket.disconnect(close=True))
    client.disconnect("/chat")
    site.reached("disconnect", "/chat", "client namespace disconnect")
    assert client.call("echo", 1) == [1]


# -- what a socket knows -----------------------------------------------------------------------------


@pytest.mark.feature(28)
def test_a_socket_knows_its_client(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site, auth={"token": "t"}, query="&room=a%20b&room=c", headers=[("X-Custom", "v")])
    socket = site.sockets[0]
    assert socket.namespace is site.io.of("/")
    assert socket.connected
    assert not socket.recovered
    assert socket.handshake.auth == {"token": "t"}
    assert socket.handshake.query["room"] == "c"
    assert socket.handshake.headers["x-custom"] == "v"
    assert socket.handshake.address == "127.0.0.1"
    assert socket.conn is site.session(client.sid)
    assert (socket.conn.protocol, socket.conn.transport.name) == (4, "websocket")
    assert repr(socket) == f"<Socket {socket.id} in />"
    assert client.sid != socket.id


@pytest.mark.feature(63)
def test_a_sockets_own_handlers_get_the_arguments_only(serve: Servers, connect: Connect) -> None:
    _, client, socket = one(serve, connect)
    calls: list[Any] = []

    @socket.on("news")
    def first(*arguments: Any) -> None:
        calls.append(("first", arguments))

    socket.once("news", lambda *arguments: calls.append(("once", arguments)))
    client.call("echo", client.emit("news", 1, [2]))
    client.call("echo", client.emit("news"))
    assert calls == [("first", (1, [2])), ("once", (1, [2])), ("first", ())]
    socket.off("news", first)
    client.call("echo", client.emit("news"))
    assert len(calls) == 3


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_a_sockets_disconnect_handler_takes_what_it_wants(
    serve: Servers, connect: Connect, takes: int
) -> None:
    site, client, socket = one(serve, connect)
    calls: list[Any] = []
    handlers: list[Any] = [
        lambda: calls.append(()),
        lambda reason: calls.append((reason,)),
        lambda reason, description: calls.append((reason, description)),
    ]
    socket.on("disconnect", handlers[takes])
    client.close()
    site.reached("disconnect", "/", "transport close")
    assert calls == [("transport close", site.descriptions[0])[:takes]]


@pytest.mark.feature(47)
def test_a_tuple_is_one_argument_and_none_is_one(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    for emit in (site.sockets[0].emit, site.io.emit):
        for arguments, expected in (
            ((), ()),
            ((None,), (None,)),
            (((1, 2),), ([1, 2],)),
            (([1], 2), ([1], 2)),
        ):
            emit("news", *arguments)
            assert client.expect("news") == expected
