"""The events that wait for their client's running handler: how many there may be, and what happens then."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from socketio_sync import Disconnected, Socket
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])


def stuck(
    serve: Servers, connect: Connect, transport: str, **options: Any
) -> tuple[Running, SioClient, Event]:
    """A client whose handler runs until the event is set."""
    site = serve(**options)
    go, runs = Event(), Event()
    site.io.on("stuck", lambda socket: (runs.set(), go.wait()))
    site.collect("number")
    client = connect(site, transport)
    client.emit("stuck")
    assert runs.wait(5)
    return site, client, go


@BOTH
def test_reading_stops_at_the_bound_and_goes_on_when_there_is_room(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site, client, go = stuck(serve, connect, transport, max_queued_events=10)
    socket = site.sockets[0]
    for number in range(9):
        client.emit("number", number)
    eventually(lambda: len(socket.lane.queue) == 9)
    assert not socket.conn.transport.paused
    for number in range(9, 200):
        client.emit("number", number)
    eventually(lambda: socket.conn.transport.paused)
    waiting = len(socket.lane.queue)
    # Others are served meanwhile.
    assert connect(site).call("echo", 1) == [1]
    assert len(socket.lane.queue) == waiting
    go.set()
    assert client.call("echo", "last") == ["last"]
    assert site.events() == [("number", number) for number in range(200)]
    assert not socket.conn.transport.paused


def test_no_more_than_a_burst_is_taken_in_beyond_the_bound(serve: Servers, connect: Connect) -> None:
    site, client, go = stuck(serve, connect, "polling", max_queued_events=10)
    socket = site.sockets[0]
    client.send(*[f'42["number",{number}]' for number in range(1000)])
    eventually(lambda: socket.conn.transport.paused)
    assert len(socket.lane.queue) == 10
    go.set()
    assert client.call("echo", "last") == ["last"]
    assert len(site.events()) == 1000


def test_the_bound_is_in_bytes_too(serve: Servers, connect: Connect) -> None:
    site, client, go = stuck(serve, connect, "websocket", max_queued_event_bytes=1000)
    socket = site.sockets[0]
    client.emit("number", "x" * 400)
    client.emit("number", "x" * 400)
    eventually(lambda: len(socket.lane.queue) == 2)
    assert not socket.conn.transport.paused
    client.emit("number", b"x" * 400)
    eventually(lambda: socket.conn.transport.paused)
    go.set()
    assert client.call("echo", 1) == [1]
    assert len(site.events()) == 3


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_bound_in_bytes_is_what_may_wait(serve: Servers, connect: Connect, beyond: int) -> None:
    site, client, go = stuck(serve, connect, "websocket", max_queued_event_bytes=1000)
    socket = site.sockets[0]
    # Without the type of Engine.IO.
    empty = len('2["number",""]')
    for size in (400, 600 + beyond):
        client.send(f'42["number","{"x" * (size - empty)}"]')
    eventually(lambda: len(socket.lane.queue) == 2)
    assert socket.conn.transport.paused is bool(beyond)
    go.set()
    assert client.call("echo", 1) == [1]


@BOTH
def test_a_client_that_is_not_read_for_long_does_not_lose_its_heartbeat(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site, client, go = stuck(
        serve, connect, transport, max_queued_events=4, ping_interval=0.05, ping_timeout=0.05
    )
    for number in range(100):
        client.emit("number", number)
    eventually(lambda: site.sockets[0].conn.transport.paused)
    # Time passes for another client: a few intervals.
    other = connect(site, "websocket")
    for _ in range(300):
        other.call("echo")
    go.set()
    assert client.call("echo", 1) == [1]
    assert site.reasons() == []


@BOTH
def test_the_answer_to_a_call_is_read_past_the_bound(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve(max_queued_events=8)
    site.collect("number")
    answers: list[Any] = []
    client = connect(site, transport)

    @site.io.on("ask")
    def ask(socket: Socket) -> None:
        eventually(lambda: socket.conn.transport.paused)
        answers.append(socket.call("question"))

    client.answers["question"] = lambda: ["answer"]
    client.emit("ask")
    for number in range(100):
        client.emit("number", number)
    assert client.call("echo", 1) == [1]
    assert answers == ["answer"]
    assert site.events() == [("number", number) for number in range(100)]


def test_there_is_a_hard_limit_even_then(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve(max_queued_events=4)
    site.collect("number")
    client = connect(site)
    site.io.on("ask", lambda socket: socket.call("never answered"))
    client.emit("ask")
    client.expect("never answered")
    client.send(*[f'42["number",{number}]' for number in range(63)])
    eventually(lambda: len(site.sockets[0].lane.queue) == 63)
    assert not client.closed.is_set()
    client.emit("number", 63)
    assert client.closed.wait(5)
    assert site.reasons() == ["forced close"]
    # The handler that waited for the answer has learnt it.
    (record,) = eventually(logged.take)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Disconnected)


def test_a_post_that_waits_for_room_is_finished_by_an_upgrade_and_nothing_is_lost(serve: Servers) -> None:
    site = serve(max_queued_events=4)
    go = Event()
    site.io.on("stuck", lambda socket: go.wait())
    poller = site.join_poller("number")
    session = site.session(poller.sid)
    events = [f'42["number",{number}]' for number in range(50)]
    posting = gevent.spawn(poller.say, '42["stuck"]', *events)
    eventually(lambda: session.transport.paused)
    ws = site.probe(poller)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    # Stock clients wait for the answer to their POST; others mustn't be held for ever.
    ws.send("5", '42["number",50]')
    posting.get(timeout=5)
    assert session.transport.name == "websocket"
    assert session.transport.paused
    go.set()
    ws.send('42["number",51]')
    eventually(lambda: len(site.events()) == 52)
    assert site.events() == [("number", number) for number in range(52)]


def test_the_full_inbox_of_a_socket_that_was_disconnected_holds_nobody_up(serve: Servers) -> None:
    site = serve(max_queued_events=4)
    site.of("/other")
    site.collect("e", namespace="/other")
    go = Event()
    site.io.on("stuck", lambda socket: go.wait())
    ws = site.join_websocket()
    ws.join("/other")
    ws.send(*['42["stuck"]'] * 5)
    session = site.sockets[0].conn
    eventually(lambda: session.transport.paused)
    site.sockets[0].disconnect()
    ws.send('42/other,["e"]')
    site.reached("event", "/other", "e")
    go.set()


def test_leaving_and_joining_again_does_not_escape_the_bound(serve: Servers) -> None:
    site = serve(max_queued_events=20)
    go = Event()
    site.io.on("stuck", lambda socket: go.wait())
    ws = site.join_websocket()
    session = site.sockets[0].conn
    for _ in range(10):
        ws.send(*['42["stuck"]'] * 5, "41", "40")
    eventually(lambda: session.transport.paused)
    # Five rounds of four that wait and one that runs.
    assert 5 <= len(site.sockets) <= 7
    go.set()
    # What a client said before it left by itself is still handled, and nothing of it is lost.
    eventually(lambda: len(site.sockets) == 11 and not session.transport.paused)


def test_what_a_client_said_before_the_server_sent_it_away_is_void(serve: Servers) -> None:
    site = serve()
    go = Event()
    site.io.on("stuck", lambda socket: go.wait())
    ws = site.join_websocket("e")
    ws.send('42["stuck"]', '42["e"]')
    socket = site.sockets[0]
    eventually(lambda: socket.lane.queue)
    socket.disconnect()
    go.set()
    eventually(lambda: not socket.lane.running)
    assert site.events() == []
