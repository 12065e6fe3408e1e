"""Connection state recovery; with the official client: tests/interop/test_recovery.py."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from gevent.event import Event

from socketio_sync import ConnectionRefused, Server, Socket
from socketio_sync.options import RecoveryOptions
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.recovery import Recovery
from tests.support.came_back import Client
from tests.support.client import Poller
from tests.support.outcomes import in_thread
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect

Arrive = Callable[..., tuple[Running, Client, Socket]]


@pytest.fixture
def arrive(serve: Servers, connect: Connect) -> Arrive:
    def arrive(**options: Any) -> tuple[Running, Client, Socket]:
        site = serve(connection_state_recovery=options.pop("recovery", True), **options)
        client = Client(site, connect)
        return site, client, site.sockets[0]

    return arrive


@pytest.mark.feature(146)
def test_who_comes_back_has_id_rooms_data_and_what_was_missed(arrive: Arrive, connect: Connect) -> None:
    site, client, socket = arrive()
    socket.join("lobby")
    socket.data["name"] = "ann"
    site.io.emit("before", 1)
    client.read()
    client.cut()
    assert site.reasons() == ["transport close"] or site.reasons() == ["transport error"]
    site.io.emit("all", 2)
    site.io.to("lobby").emit("lobby", b"binary")
    site.io.to("elsewhere").emit("elsewhere")
    site.io.except_("lobby").emit("except")
    site.io.to(socket.id).emit("private")
    socket.emit("direct", {"deep": [b"x"]})
    site.io.volatile.emit("volatile", "text")
    again = client.arrive()
    assert again.recovered
    assert again.recovery_failure is None
    assert again is not socket
    assert again.id == socket.id
    assert again.data is socket.data
    assert again.rooms == {socket.id, "lobby"}
    assert client.got == [
        ("before", 1),
        ("all", 2),
        ("lobby", b"binary"),
        ("private",),
        ("direct", {"deep": [b"x"]}),
    ]
    assert [entry[0] for entry in site.record] == ["connection", "disconnect", "connection"]
    # It goes on as if nothing had been.
    site.io.to("lobby").emit("more")
    assert client.read() == [("more",)]


def test_nothing_needs_to_have_been_sent_before(arrive: Arrive) -> None:
    site, client, _socket = arrive()
    client.cut()
    site.io.emit("missed", 1)
    assert client.offset is None
    again = client.arrive()
    assert again.recovered
    assert client.got == [("missed", 1)]


def test_a_volatile_text_does_not_pass_for_an_offset(arrive: Arrive) -> None:
    site, client, socket = arrive()
    site.io.emit("kept", 1)
    site.io.volatile.emit("volatile", "text")
    socket.volatile.emit("own", "text")
    socket.volatile.emit("number", 5)
    assert client.read() == [("kept", 1), ("volatile", "text"), ("own", "text"), ("number", 5)]
    client.cut()
    site.io.emit("missed")
    assert client.arrive().recovered
    assert client.got[-1] == ("missed",)


def test_each_event_is_got_once_whatever_the_order(arrive: Arrive) -> None:
    site, client, _socket = arrive()
    expected = []
    for number in range(60):
        current = site.sockets[-1]
        if number % 3:
            site.io.emit("all", number)
            expected.append(("all", number))
        else:
            current.emit("own", number)
            expected.append(("own", number))
        if number % 20 == 7:
            client.read()
        if number % 20 == 12:
            # What is on its way when the connection goes is sent again.
            client.cut()
        if number % 20 == 17:
            assert client.arrive().recovered
    client.read()
    assert client.got == expected


def test_what_was_lost_on_the_way_of_a_return_is_sent_at_the_next_one(arrive: Arrive) -> None:
    site, client, _ = arrive(ping_interval=0.1, ping_timeout=0.1)
    runtime = site.io.engine.runtime
    client.cut()
    site.io.emit("missed")
    sent = runtime.timers.now()
    # By then whoever is connected has answered a heartbeat, and has got what was sent before.
    eventually(lambda: runtime.timers.now() > sent + 0.25)
    for _ in range(2):
        assert client.arrive().recovered
        # As if it had been cut off before that came.
        client.offset = None
        client.cut()
    assert client.got == [("missed",)] * 2


def test_a_session_is_good_for_one_return(arrive: Arrive) -> None:
    site, client, socket = arrive()
    first = client.pid
    client.cut()
    assert client.arrive().recovered
    # The connection that has come back is closed, as its client has come back once more.
    third = client.arrive(pid=first)
    assert third.recovered
    assert third.id == socket.id
    assert len(site.io.sockets) == 1
    client.wire.disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    fourth = client.arrive(pid=first)
    assert not fourth.recovered
    assert fourth.id != socket.id
    assert fourth.recovery_failure == "the session is unknown, expired, or was recovered already"


def test_an_older_connection_that_still_lives_is_closed_first(arrive: Arrive) -> None:
    site, client, socket = arrive()
    old = client.wire
    again = client.arrive()
    assert again.recovered
    assert old.closed.wait(5)
    assert [entry[0] for entry in site.record] == ["connection", "disconnect", "connection"]
    assert site.io.sockets[socket.id] is again
    site.io.emit("news")
    assert client.read() == [("news",)]


@pytest.mark.parametrize("pid", ["unknown", "", 5, None, ["pid"], {"pid": 1}])
def test_a_secret_that_nobody_was_given_leads_to_a_new_session(arrive: Arrive, pid: Any) -> None:
    site, client, socket = arrive()
    site.io.emit("news")
    client.read()
    client.cut()
    again = client.arrive(pid=pid)
    assert not again.recovered
    assert "unknown, expired" in str(again.recovery_failure)
    assert again.id != socket.id
    assert again.rooms == {again.id}
    assert client.pid


WRONG_OFFSETS = ["zz", "", "1" * 100, 5, ["1"], {}, True, "x.1", "\u0663"]


@pytest.mark.parametrize(
    "offset", [*WRONG_OFFSETS, "{}-1", "{}0_1", "{} 1", "{}", "{}fffff", "{}" + "1" * 17]
)
def test_an_offset_that_is_none_of_ours_means_that_nothing_was_seen(arrive: Arrive, offset: Any) -> None:
    # Official clients never forget an offset, not even that of another server that ran here before.
    site, client, socket = arrive()
    socket.emit("news", 1)
    client.read()
    client.cut()
    site.io.emit("news", 2)
    mark = client.offset.partition(".")[0] + "."
    again = client.arrive(offset=offset.format(mark) if isinstance(offset, str) else offset)
    assert again.recovered
    assert client.got == [("news", 1), ("news", 1), ("news", 2)]


def test_an_offset_of_an_earlier_session_means_that_nothing_was_seen_in_this_one(arrive: Arrive) -> None:
    site, client, socket = arrive()
    site.io.emit("news", 1)
    client.read()
    socket.disconnect()
    eventually(lambda: site.reasons())
    assert not client.arrive().recovered
    site.io.emit("news", 2)
    client.cut()
    site.io.emit("news", 3)
    assert client.arrive().recovered
    assert client.got == [("news", 1), ("news", 2), ("news", 3)]


def test_who_has_sent_too_often_may_come_back(arrive: Arrive) -> None:
    site, client, _ = arrive(rate_limit={"events": 0.01, "events_burst": 5})
    for _ in range(5):
        client.wire.emit("nothing")
    site.reached("disconnect", "/", "rate limit")
    site.io.emit("missed")
    assert client.arrive().recovered
    assert client.got == [("missed",)]


@pytest.mark.parametrize("how", ["client", "server"])
def test_who_left_on_purpose_is_not_recovered(arrive: Arrive, how: str) -> None:
    site, client, socket = arrive()
    if how == "client":
        client.wire.disconnect()
    else:
        socket.disconnect()
    eventually(lambda: site.reasons())
    assert not client.arrive().recovered


def test_an_expired_session_is_forgotten(arrive: Arrive) -> None:
    site, client, socket = arrive(recovery={"max_disconnection_duration": 0.05})
    socket.emit("news", "x" * 1000)
    client.cut()
    recovery = site.io.of("/").recovery
    assert recovery is not None
    assert recovery.size > 1000
    eventually(lambda: not recovery.is_kept(client.pid))
    assert not client.arrive().recovered


def test_a_session_without_events_is_forgotten_in_time_too(arrive: Arrive) -> None:
    site, client, _ = arrive(recovery={"max_disconnection_duration": 0.05})
    client.cut()
    recovery = site.io.of("/").recovery
    assert recovery is not None
    eventually(lambda: not recovery.is_kept(client.pid))


def test_what_was_missed_comes_behind_the_answer_to_the_connect(arrive: Arrive) -> None:
    # A client keeps what comes before it, and would get it twice if it were cut off in between.
    site, client, _ = arrive()
    client.cut()
    site.io.emit("missed")
    client.arrive()
    assert client.order[-2:] == [0, 2]


def test_middlewares_are_skipped_unless_they_are_wanted(serve: Servers, connect: Connect) -> None:
    for skip in (True, False):
        site = serve(connection_state_recovery={"skip_middlewares": skip})
        asked: list[bool] = []
        site.io.use(lambda socket, asked=asked: asked.append(socket.recovered))
        client = Client(site, connect)
        client.cut()
        site.io.emit("missed")
        assert client.arrive().recovered
        assert client.got == [("missed",)]
        assert asked == ([False] if skip else [False, True])


def test_a_middleware_that_refuses_ends_the_session(serve: Servers, connect: Connect) -> None:
    site = serve(connection_state_recovery={"skip_middlewares": False})

    def check(socket: Socket) -> None:
        if socket.recovered:
            raise ConnectionRefused("not again")

    site.io.use(check)
    client = Client(site, connect)
    site.sockets[0].emit("kept", "x" * 1000)
    client.cut()
    with pytest.raises(AssertionError, match="not again"):
        client.arrive()
    recovery = site.io.of("/").recovery
    assert recovery is not None
    assert recovery.size == 0
    assert not client.arrive().recovered


@pytest.mark.parametrize("how", ["refused", "gone"])
def test_nothing_is_kept_of_a_session_whose_return_fails(serve: Servers, connect: Connect, how: str) -> None:
    site = serve(connection_state_recovery={"skip_middlewares": False})
    recovery = site.io._main.recovery
    assert recovery is not None
    asked: list[Socket] = []
    go = Event()

    def check(socket: Socket) -> None:
        if not socket.recovered:
            return
        asked.append(socket)
        if how == "gone":
            go.wait()
        raise ConnectionRefused("not again")

    site.io.use(check)
    client = Client(site, connect)
    site.sockets[0].emit("for this one only")
    assert recovery.size
    client.cut()
    wire = connect(site, join=False)
    wire.ask_to_join(auth={"pid": client.pid})
    eventually(lambda: asked)
    if how == "gone":
        wire.kill()
        eventually(lambda: not asked[0].conn.is_open)
        go.set()
    eventually(lambda: not recovery.size)
    assert site.io._main.joining == 0


@pytest.mark.feature(120)
def test_what_had_to_go_is_told(arrive: Arrive) -> None:
    site, client, _socket = arrive(recovery={"max_events": 3})
    site.io.emit("seen")
    client.read()
    client.cut()
    for number in range(4):
        site.io.emit("missed", number)
    again = client.arrive()
    assert not again.recovered
    assert again.recovery_failure == "events that were missed aren't kept any more"
    client.cut()
    for number in range(3):
        site.io.emit("missed", number)
    assert client.arrive().recovered
    assert client.got[-3:] == [("missed", number) for number in range(3)]


def test_clients_of_revision_3_see_no_offsets(serve: Servers, connect: Connect) -> None:
    site = serve(connection_state_recovery=True)
    old = Poller(site.port, eio=3).open()
    assert old.poll() == ["40"]
    new = connect(site)
    site.io.emit("news", 1)
    site.sockets[0].emit("own", 2)
    assert old.poll() == ['42["news",1]', '42["own",2]']
    name, offset = new.expect("news")
    assert (name, isinstance(offset, str)) == (1, True)
    old.close()


def test_who_is_cut_off_again_while_middlewares_are_asked_may_still_come_back(
    arrive: Arrive, connect: Connect
) -> None:
    site, client, socket = arrive(recovery={"skip_middlewares": False})
    client.cut()
    socket.emit("missed", 1)
    asked: list[Socket] = []
    gate = Event()

    def ask(another: Socket) -> None:
        asked.append(another)
        if len(asked) == 1:
            gate.wait(5)

    site.io.use(ask)
    lost = connect(site, join=False)
    lost.ask_to_join(auth={"pid": client.pid})
    eventually(lambda: asked)
    lost.kill()
    eventually(lambda: site.io.engine.clients_count == 0)
    socket.emit("missed", 2)
    gate.set()
    again = client.arrive()
    assert again.recovered
    assert again.id == socket.id
    assert client.got == [("missed", 1), ("missed", 2)]
    assert len(site.record) == 3


def test_of_two_that_claim_a_session_only_one_gets_it(arrive: Arrive, connect: Connect) -> None:
    site, client, _ = arrive(recovery={"skip_middlewares": False})
    client.cut()
    gate = Event()
    asked: list[Socket] = []

    def ask(another: Socket) -> None:
        asked.append(another)
        if len(asked) == 1:
            gate.wait(5)

    site.io.use(ask)
    slow = connect(site, join=False)
    slow.ask_to_join(auth={"pid": client.pid})
    eventually(lambda: asked)
    again = client.arrive()
    gate.set()
    assert slow.closed.wait(5)
    assert again.connected
    assert list(site.io.sockets.values()) == [again]


def test_what_was_sent_before_a_client_was_let_in_is_not_sent_when_it_comes_back(
    serve: Servers, connect: Connect
) -> None:
    site = serve(connection_state_recovery=True)
    site.io.use(lambda socket: site.io.emit("early", 1))
    client = Client(site, connect)
    client.cut()
    assert client.arrive().recovered
    assert client.got == []


def test_who_is_sent_away_by_the_end_of_its_earlier_connection_does_not_join(
    serve: Servers, connect: Connect
) -> None:
    site = serve(connection_state_recovery=True)
    other = site.of("/other")
    client = Client(site, connect)
    site.io.on("disconnect", lambda socket: other.disconnect_sockets(True))
    again = connect(site, join=False)
    again.join("/other")
    again.ask_to_join(auth={"pid": client.pid})
    assert again.closed.wait(5)
    assert not site.io.sockets
    assert site.record.count(("connection", "/")) == 1
    assert again.joined.keys() == {"/other"}


def test_what_was_missed_does_not_wait_for_a_client_that_reads_nothing(
    arrive: Arrive, connect: Connect
) -> None:
    site, client, _ = arrive(outbound_policy="block", max_outbound_bytes=20_000)
    client.cut()
    for number in range(50):
        site.io.emit("news", "x" * 1000, number)
    again = connect(site, "polling", join=False)
    again.ask_to_join(auth={"pid": client.pid})
    site.reached("disconnect", "/", "slow consumer")
    again.kill()
    assert site.io.sockets == {}
    assert site.io.rooms() == frozenset()
    assert [entry[0] for entry in site.record] == ["connection", "disconnect"] * 2


def test_a_child_namespace_is_kept_as_long_as_somebody_may_come_back(
    serve: Servers, connect: Connect
) -> None:
    site = serve(
        connection_state_recovery={"max_disconnection_duration": 0.2}, cleanup_empty_child_namespaces=True
    )
    site.io.of(re.compile("/child"))
    client = connect(site)
    client.join("/child")
    child = site.io.namespaces["/child"]
    client.kill()
    eventually(lambda: not child.sockets)
    assert child.recovery is not None
    assert child.recovery.waits
    assert site.io.namespaces["/child"] is child
    eventually(lambda: "/child" not in site.io.namespaces)


def test_acknowledged_events_have_no_offset(arrive: Arrive) -> None:
    site, client, socket = arrive()
    seen: list[Any] = []
    client.wire.answers["who"] = lambda *arguments: seen.append(arguments) or ["me"]
    assert socket.call("who", 1) == "me"
    assert site.io.call("who", 2) == ["me"]
    assert seen == [(1,), (2,)]


def test_events_from_threads_are_kept_in_order_as_they_were(arrive: Arrive) -> None:
    site, client, socket = arrive()

    def emit() -> None:
        for number in range(50):
            value = [number]
            site.io.emit("all", value)
            socket.emit("own", value)
            value.append("changed")
        with pytest.raises(TypeError):
            socket.emit("own", object())

    assert in_thread(emit).get(timeout=5)[1] is None
    eventually(lambda: len(client.read()) or len(client.got) == 100)
    eventually(lambda: client.read() or len(client.got) == 100)
    assert client.got == [(name, [number]) for number in range(50) for name in ("all", "own")]


def test_binary_from_threads_is_kept_as_it_was(arrive: Arrive) -> None:
    site, client, socket = arrive()
    data = bytearray(b"as it was")

    def emit() -> None:
        for target in (site.io, socket):
            target.emit("news", memoryview(data), {"deep": [data, {1}]})
        data[:] = b"changed"

    # The hub has no turn before all is said.
    thread = threading.Thread(target=emit)
    thread.start()
    thread.join()
    client.read()
    assert client.got == [("news", b"as it was", {"deep": [b"as it was", [1]]})] * 2


def test_what_cannot_be_sent_is_the_callers_error(arrive: Arrive) -> None:
    site, client, socket = arrive()
    for emit in (socket.emit, site.io.emit, socket.volatile.emit):
        with pytest.raises(TypeError):
            emit("news", object())
    socket.emit("news", 1)
    assert client.read() == [("news", 1)]


@pytest.mark.parametrize("wrong", [{"max_events": 0}, {"max_bytes": -1}, {"max_sessions": 0}])
def test_bounds_must_be_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Server(connection_state_recovery=wrong)
    with pytest.raises(TypeError):
        Server(connection_state_recovery={"unknown": 1})
    assert Server(connection_state_recovery=False).of("/").recovery is None
    assert Server(connection_state_recovery={}).of("/").recovery is not None


def test_events_are_kept_as_long_as_somebody_may_have_missed_them() -> None:
    recovery = Recovery(RecoveryOptions(max_disconnection_duration=100), max_delay=45.0)
    offset, _ = recovery.timeline.next_offset()
    recovery.record(None, offset, Encoded(b"news"), 0.0)
    assert recovery.sweep(144.0)
    assert not recovery.sweep(146.0)
    assert recovery.size == 0
