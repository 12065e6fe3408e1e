"""What an application sees of the packets of a session that it watches."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from socketio_sync.engine.watched import NAMES, WatchedHandler, WatchedPolling, WatchedWebSocket
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.websocket import WebSocketTransport
from tests.support.client import Connection
from tests.support.engine_server import PATH, Mount
from tests.support.server import Servers, eventually


def record(session: Any, *events: str) -> list[tuple[Any, ...]]:
    """Note these events of a session, in the order in which they come."""
    seen: list[tuple[Any, ...]] = []
    for event in events:
        session.on(event, lambda *arguments, event=event: seen.append((event, *arguments)))
    return seen


def test_packets_have_the_names_of_their_types() -> None:
    assert NAMES == ("open", "close", "ping", "pong", "message", "upgrade", "noop")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_each_packet_that_comes_is_shown_before_it_is_handled(mount: Mount, transport: str) -> None:
    site = mount()
    client: Any
    client, session = site.websocket() if transport == "websocket" else site.poller()
    seen = record(session, "packet", "message")
    packets = ["4a", "3", "bAAE=", "4c"]
    if transport == "websocket":
        client.send(*packets, b"d")
    else:
        client.say(*packets)
    eventually(lambda: ("message", "c") in seen)
    assert seen[:7] == [
        ("packet", "message", "a"),
        ("message", "a"),
        ("packet", "pong", ""),
        ("packet", "message", b"\x00\x01"),
        ("message", b"\x00\x01"),
        ("packet", "message", "c"),
        ("message", "c"),
    ]


@pytest.mark.feature(19)
def test_packets_of_socket_io_are_shown_as_they_are(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    sent = record(running.sockets[0].conn, "packet", "packet_create")
    ws.send('421["echo",1]')
    assert ws.receive() == "431[1]"
    running.sockets[0].emit("a", b"b")
    assert [ws.text(), ws.receive()] == ['451-["a",{"_placeholder":true,"num":0}]', b"b"]
    running.io.emit("all")
    assert ws.receive() == '42["all"]'
    eventually(lambda: len(sent) == 5)
    assert sent == [
        ("packet", "message", '21["echo",1]'),
        ("packet_create", "message", "31[1]"),
        ("packet_create", "message", '51-["a",{"_placeholder":true,"num":0}]'),
        ("packet_create", "message", b"b"),
        ("packet_create", "message", '2["all"]'),
    ]


@pytest.mark.feature(18)
def test_each_packet_that_is_sent_is_shown_once_across_an_upgrade(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    seen = record(session, "packet_create", "upgrading", "upgrade")
    session.send("by polling")
    assert poller.poll() == ["4by polling"]
    session.send("waits")
    ws = site.probe(poller)
    ws.send("2probe", "2probe")
    assert [ws.receive(), ws.receive()] == ["3probe", "3probe"]
    ws.send("5")
    assert ws.receive() == "4waits"
    session.send("by WebSocket")
    assert ws.receive() == "4by WebSocket"
    eventually(lambda: len(seen) == 5)
    assert seen == [
        ("packet_create", "message", "by polling"),
        ("packet_create", "message", "waits"),
        ("upgrading", "websocket"),
        ("upgrade", "websocket"),
        ("packet_create", "message", "by WebSocket"),
    ]


@pytest.mark.parametrize("eio", [3, 4])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_heartbeats_are_told(mount: Mount, transport: str, eio: int) -> None:
    site = mount(ping_interval=0.05 if eio == 4 else 5)
    client: Any
    if transport == "websocket":
        client, session = site.websocket(f"EIO={eio}&transport=websocket")
    else:
        client, session = site.poller(eio=eio)
    seen = record(session, "heartbeat", "packet", "packet_create")
    ping, pong = ("ping", "pong") if eio == 4 else ("pong", "ping")
    if eio == 4:
        assert (client.receive() if transport == "websocket" else client.poll()[0]) == "2"
    say = client.send if transport == "websocket" else client.say
    say("3" if eio == 4 else "2")
    eventually(lambda: ("heartbeat",) in seen and ("packet_create", ping, "") in seen)
    assert ("packet", pong, "") in seen
    assert seen.index(("packet", pong, "")) < seen.index(("heartbeat",))


def test_a_listener_may_wait_and_fail_without_harm(mount: Mount, logged: Any) -> None:
    site = mount()
    ws, session = site.websocket()
    go = gevent.event.Event()
    session.on("packet", lambda *packet: go.wait())
    session.on("packet", lambda *packet: 1 // 0)
    session.on("packet_create", lambda *packet: go.wait())
    session.on("message", session.send)
    ws.send("4a", "4b")
    assert [ws.receive(), ws.receive()] == ["4a", "4b"]
    go.set()
    assert len(logged.take()) == 2


def test_the_first_message_behind_a_ping_is_shown_like_any_other(mount: Mount) -> None:
    site = mount(ping_interval=0.05)
    ws, session = site.websocket()
    assert ws.receive() == "2"
    seen = record(session, "packet")
    ws.send("4a", "4b", "4c")
    eventually(lambda: site.messages == ["a", "b", "c"])
    # It had begun before anybody watched.
    assert [packet[2] for packet in seen][-2:] == ["b", "c"]


def test_nothing_is_in_the_way_of_a_session_that_nobody_watches(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    session.on("drain", lambda: None)
    assert type(session.transport) is WebSocketTransport
    assert not isinstance(session._handler, WatchedHandler)
    session.on("packet_create", lambda *packet: None)
    session.on("packet_create", lambda *packet: None)
    assert type(session.transport) is WatchedWebSocket
    poller, polling = site.poller()
    assert type(polling.transport) is PollingTransport
    polling.on("packet_create", lambda *packet: None)
    assert type(polling.transport) is WatchedPolling
    ws.close()
    poller.close()


# -- the first message of all ---------------------------------------------------------------------------


@pytest.mark.parametrize("eio", [3, 4])
@pytest.mark.parametrize("packet", ["hello", "h\u00e9", b"\x00\x01"])
@pytest.mark.feature(16)
def test_the_initial_packet_comes_with_the_handshake(mount: Mount, eio: int, packet: Any) -> None:
    site = mount(initial_packet=packet)
    ws, _ = site.websocket(f"EIO={eio}&transport=websocket")
    if isinstance(packet, str):
        assert ws.receive() == f"4{packet}"
    else:
        assert ws.receive() == (packet if eio == 4 else b"\x04" + packet)
    answer = Connection(site.port).get(f"{PATH}?EIO={eio}&transport=polling")
    if eio == 4:
        assert answer.packets[1:] == [f"4{packet}" if isinstance(packet, str) else "bAAE="]
    elif isinstance(packet, str):
        assert answer.text.endswith(f"{len(packet) + 1}:4{packet}")
    else:
        assert answer.content.endswith(b"\x01\x03\xff\x04\x00\x01")
        assert answer.header("content-type") == "application/octet-stream"
