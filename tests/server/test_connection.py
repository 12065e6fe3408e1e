from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.support.client import Poller
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])

# -- exactly one disconnect for each connection -------------------------------------------------------------


def stay_mute(site: Running, client: SioClient) -> None:
    client.pongs = False


Leave = Callable[[Running, SioClient], Any]
LEAVE: dict[str, tuple[Leave, str, str]] = {
    "disconnect packet": (lambda site, c: c.disconnect(), *["client namespace disconnect"] * 2),
    "close": (lambda site, c: c.close(), *["transport close"] * 2),
    "reset": (lambda site, c: c.kill(), *["transport error"] * 2),
    "mute": (stay_mute, *["ping timeout"] * 2),
    "malformed": (lambda site, c: c.send("42{}"), *["parse error"] * 2),
    "unknown packet": (lambda site, c: c.send("9"), *["parse error"] * 2),
    "wrong heartbeat": (lambda site, c: c.send("2"), *["transport error"] * 2),
    "second CONNECT": (lambda site, c: c.send("40"), "forced close", "forced close"),
    "kicked": (lambda site, c: site.sockets[0].disconnect(), *["server namespace disconnect"] * 2),
    "closed": (lambda site, c: site.sockets[0].disconnect(close=True), *["server namespace disconnect"] * 2),
    "engine closed": (lambda site, c: site.sockets[0].conn.close(), *["forced close"] * 2),
    "server closed": (lambda site, c: site.io.close(), *["server shutting down"] * 2),
    "too large": (lambda site, c: c.send("4" * 2001), "transport error", "transport close"),
    "all at once": (
        lambda site, c: (c.send("41", "42{}", "9"), site.sockets[0].disconnect(), site.io.close(), c.kill()),
        *["server namespace disconnect"] * 2,
    ),
}


@BOTH
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("busy", [False, True])
def test_there_is_one_disconnect_for_each_connection(
    serve: Servers, connect: Connect, transport: str, how: str, busy: bool
) -> None:
    leave, over_websocket, over_polling = LEAVE[how]
    interval = 0.2 if how == "mute" else 25
    site = serve(ping_interval=interval, ping_timeout=interval, max_http_buffer_size=2000)
    go, runs = Event(), Event()
    site.io.on("stuck", lambda socket: (runs.set(), go.wait()))
    client = connect(site, transport)
    if busy:
        client.emit("stuck")
        assert runs.wait(5)
    site.of("/second")
    client.join("/second")
    polling = site.sockets[0].conn.transport
    eventually(lambda: transport == "websocket" or getattr(polling, "held", False))
    leave(site, client)
    reason = over_websocket if transport == "websocket" else over_polling
    site.reached("disconnect", "/", reason)
    assert not site.sockets[0].connected
    assert site.sockets[0].id not in site.io.sockets
    client.kill()
    go.set()
    eventually(lambda: site.io.engine.clients_count == 0)
    eventually(lambda: site.io.engine.runtime.workers.busy == 0)
    for name in ("/", "/second"):
        assert [entry[0] for entry in site.record if entry[1] == name and entry[0] != "error"] == [
            "connection",
            "disconnect",
        ]
        assert site.io.of(name).rooms() == frozenset()


def test_a_malformed_packet_is_told_to_the_error_handlers_of_each_namespace_once(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    told: list[str] = []
    client = connect(site)
    site.sockets[0].on("error", told.append)
    client.send('42["connect"]', '42["connect"]')
    assert client.closed.wait(5)
    assert client.code == 1008
    assert site.reasons() == ["parse error"]
    assert [entry for entry in site.record if entry[0] == "error"] == [("error", "/")]
    assert len(told) == 1
    assert "connect" in told[0]
    (warning,) = logged.warnings()
    assert client.sid in warning
    assert "127.0.0.1" in warning


MALFORMED = [
    "42",
    "42[]",
    "42{}",
    "42[null]",
    "42[1",
    "47",
    "4a",
    "4",
    '42["disconnect"]',
    "44",
    "41{}",
    "431{}",
]


@pytest.mark.parametrize("packet", [*MALFORMED, '450-["e"]', '451["e"]', '45999-["e"]', '42["a",1e400]'])
def test_what_is_malformed_reaches_no_handler(serve: Servers, connect: Connect, packet: str) -> None:
    site = serve()
    site.collect("e", "a")
    client = connect(site)
    client.send(packet)
    assert client.closed.wait(5)
    assert client.code == 1008
    assert site.reasons() == ["parse error"]
    assert site.events() == []


@BOTH
def test_the_events_before_a_malformed_packet_are_handled(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve()
    site.collect("good", "after")
    client = connect(site, transport)
    client.send('42["good",1]', '42["good",2]', "4?", '42["after"]')
    assert client.closed.wait(5)
    assert site.events() == [("good", 1), ("good", 2)]


# -- namespaces ------------------------------------------------------------------------------------------


OF_MAIN = ['42["e"]', "430[]", "41", '451-["e",{}]', '4212["e"]']
OF_CHAT = ['42/chat,["e"]', "43/chat,0[]", "41/chat", '451-/chat,["e",{}]']


@pytest.mark.parametrize(
    ("joined", "packet"),
    [("/", packet) for packet in OF_CHAT]
    + [("/chat", packet) for packet in OF_MAIN]
    + [(None, packet) for packet in OF_MAIN + OF_CHAT],
)
def test_a_packet_for_a_namespace_that_was_not_joined_ends_the_connection(
    serve: Servers, connect: Connect, packet: str, joined: str | None
) -> None:
    site = serve()
    site.of("/chat")
    for name in ("/", "/chat"):
        site.collect("e", namespace=name)
    client = connect(site, join=False)
    if joined is not None:
        client.join(joined)
    client.send(packet)
    assert client.closed.wait(5)
    assert site.events() == []
    assert site.reasons() == ["forced close"] * (joined is not None)


def test_an_offence_is_forced_server_close_where_no_get_is_held(serve: Servers) -> None:
    site = serve()
    client = Poller(site.port).open()
    client.join()
    client.post(b"40")
    site.reached("disconnect", "/", "forced server close")
    client.close()


@BOTH
def test_an_unknown_namespace_is_refused_and_the_connection_stays(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve()
    client = connect(site, transport)
    assert client.refusal("/nope") == {"message": "Invalid namespace"}
    assert client.refusal("/nope?x=1") == {"message": "Invalid namespace"}
    assert client.call("echo", 1) == [1]


@pytest.mark.feature(41)
def test_each_namespace_has_its_socket_with_its_id(serve: Servers, connect: Connect) -> None:
    site = serve()
    site.of("/chat")
    client = connect(site)
    client.join("/chat", {"a": 1})
    main, chat = site.sockets
    assert (client.joined["/"], client.joined["/chat"]) == (main.id, chat.id)
    assert len({main.id, chat.id, client.sid}) == 3
    assert (main.handshake.auth, chat.handshake.auth) == ({}, {"a": 1})
    assert client.call("echo", "c", namespace="/chat") == ["c"]
    client.disconnect("/chat")
    assert client.call("echo", "m") == ["m"]
    assert client.join("/chat") not in (main.id, chat.id)
    client.disconnect("/")
    assert client.call("echo", "c", namespace="/chat") == ["c"]
    # A CONNECT right behind the DISCONNECT works, too.
    client.send("41/chat,", "40/chat,")
    assert client.call("echo", "again", namespace="/chat") == ["again"]
    assert [socket.namespace.name for socket in site.sockets] == ["/", "/chat", "/chat", "/chat"]


@pytest.mark.parametrize("auth", [[], "text", True, None])
@pytest.mark.feature(30)
def test_auth_is_an_object_or_nothing(serve: Servers, connect: Connect, auth: Any) -> None:
    site = serve()
    client = connect(site, join=False)
    client.send(f"40{json.dumps(auth)}")
    assert client.closed.wait(5)
    assert site.record == []


def test_the_number_of_namespaces_is_limited(serve: Servers, connect: Connect) -> None:
    site = serve(max_namespaces=3)
    for name in ("/a", "/b", "/c"):
        site.of(name)
    client = connect(site)
    client.join("/a")
    client.join("/b")
    client.disconnect("/a")
    client.join("/a")
    client.ask_to_join("/c")
    assert client.closed.wait(5)
    assert sum(entry == ("connection", "/c") for entry in site.record) == 0


def test_the_number_of_refused_connects_is_limited(serve: Servers, connect: Connect) -> None:
    site = serve(max_refused_connects=4)
    client = connect(site)
    for _ in range(3):
        client.refusal("/nope")
    assert client.call("echo", 1) == [1]
    client.ask_to_join("/nope")
    assert client.closed.wait(5)
    assert site.reasons() == ["forced close"]


# -- deadlines and bounds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.feature(39)
def test_a_client_that_joins_nothing_is_closed(serve: Servers, connect: Connect, refused: bool) -> None:
    site = serve(connect_timeout=0.05)
    client = connect(site, join=False)
    site.watch(client.sid)
    if refused:
        client.refusal("/nope")
    assert client.closed.wait(5)
    assert client.code == 1008
    assert site.record == [("close", "forced close")]
    stays = connect(site)
    stays.disconnect()
    # Twice the time that would have closed it.
    gevent.sleep(0.1)
    assert stays.join()


def test_the_attachments_of_a_packet_must_come_in_time(serve: Servers, connect: Connect) -> None:
    site = serve(attachment_timeout=0.05)
    client = connect(site)
    assert client.call("echo", b"in time") == [b"in time"]
    client.send('451-["echo",{"_placeholder":true,"num":0}]')
    assert client.closed.wait(5)
    assert site.reasons() == ["parse error"]


def test_acknowledgements_that_nobody_asked_for_are_ignored_up_to_a_limit(
    serve: Servers, connect: Connect
) -> None:
    site = serve(max_unknown_acks=5)
    client = connect(site)
    client.answers["question"] = lambda: [1]
    for _ in range(2):
        client.send(*['4399["x"]'] * 4)
        assert site.sockets[0].call("question") == 1
    client.send(*["43[1]"] * 5)
    assert client.closed.wait(5)
    assert site.reasons() == ["parse error"]


@BOTH
def test_attachments_for_a_socket_that_has_left_close_like_any_packet_for_it(
    serve: Servers, transport: str
) -> None:
    site = serve()
    head = '451-["x",{"_placeholder":true,"num":0}]'
    if transport == "websocket":
        ws = site.join_websocket()
        ws.send(head)
    else:
        poller = site.join_poller()
        poller.say(head)
    connection = site.sockets[0].connection
    eventually(lambda: connection._attachment_timer)
    site.sockets[0].disconnect()
    if transport == "websocket":
        ws.send(b"abc")
    else:
        assert poller.post(b"bYWJj").status == 400
    site.reached("close", "forced close" if transport == "websocket" else "forced server close")
    assert site.reasons() == ["server namespace disconnect"]
    assert site.host.errors.getvalue() == ""


def test_a_broadcast_that_is_too_much_for_a_client_returns_before_it_is_disconnected(serve: Servers) -> None:
    site = serve(max_outbound_bytes=1000)
    site.join_poller()
    for _ in range(2):
        site.io.emit("a", "x" * 900)
        assert site.reasons() == []
    site.reached("disconnect", "/", "slow consumer")
