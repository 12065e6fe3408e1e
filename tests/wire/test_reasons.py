"""wire.md 2.8, what the application is told when a client goes, on either transport."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync import ConnectionRefused
from tests.support.client import Poller
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import CLOSE, WebSocket, frame

Client = Poller | WebSocket
BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])


def join(running: Running, transport: str) -> Client:
    """Join the main namespace over this transport; by polling, a GET is held."""
    if transport == "websocket":
        return running.join_websocket()
    poller = running.join_poller()
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    return poller


def say(client: Client, packet: str) -> None:
    """Send a packet, whatever the answer of a POST may be."""
    if isinstance(client, WebSocket):
        client.send(packet)
    else:
        client.post(packet.encode())


def assert_told(running: Running, reason: str) -> None:
    """Every socket's listeners were told this reason, exactly once for each connection."""
    running.reached("disconnect", "/", reason)
    names = [entry[1] for entry in running.record if entry[0] == "connection"]
    told = [entry[1:] for entry in running.record if entry[0] == "disconnect"]
    assert sorted(told) == sorted((name, reason) for name in names)
    assert [socket.connected for socket in running.sockets] == [False] * len(names)


@BOTH
def test_2_8_client_disconnect_is_client_namespace_disconnect(serve: Servers, transport: str) -> None:
    running = serve()
    say(join(running, transport), "41")
    assert_told(running, "client namespace disconnect")
    assert running.io.engine.clients_count == 1


@BOTH
@pytest.mark.parametrize("close", [False, True])
def test_2_8_server_disconnect_is_server_namespace_disconnect(
    serve: Servers, transport: str, close: bool
) -> None:
    running = serve()
    client = join(running, transport)
    running.sockets[0].disconnect(close=close)
    assert (client.receive() if isinstance(client, WebSocket) else client.held()[0]) == "41"
    assert_told(running, "server namespace disconnect")
    if close:
        running.reached("close", "forced close")


def close_frame(client: Client) -> None:
    assert isinstance(client, WebSocket)
    client.bytes.send(frame(CLOSE, (1000).to_bytes(2, "big")))


def empty_close_frame(client: Client) -> None:
    assert isinstance(client, WebSocket)
    client.bytes.send(frame(CLOSE))


@pytest.mark.parametrize(
    ("transport", "leave"),
    [
        ("websocket", close_frame),
        ("websocket", empty_close_frame),
        ("websocket", lambda client: client.close()),
        ("polling", lambda client: client.say("1")),
    ],
    ids=["close frame", "close frame without code", "end of TCP", "close packet by polling"],
)
def test_2_8_client_that_closes_its_engine_is_transport_close(
    serve: Servers, transport: str, leave: Callable[[Client], None]
) -> None:
    running = serve()
    leave(join(running, transport))
    assert_told(running, "transport close")
    running.assert_ended("transport close")


@BOTH
@pytest.mark.feature(114)
def test_2_8_io_close_is_server_shutting_down(serve: Servers, transport: str) -> None:
    running = serve()
    client = join(running, transport)
    running.io.close()
    if isinstance(client, WebSocket):
        assert client.closed() == 1001
    else:
        assert client.held() == ["1"]
    running.assert_ended("server shutting down")


@BOTH
@pytest.mark.feature(111)
def test_2_8_missing_pong_is_ping_timeout(serve: Servers, transport: str) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.1)
    client = join(running, transport)
    assert (client.receive() if isinstance(client, WebSocket) else client.held()[0]) == "2"
    running.assert_ended("ping timeout")


@BOTH
@pytest.mark.feature(117)
def test_2_8_engine_socket_closed_by_the_application_is_forced_close(serve: Servers, transport: str) -> None:
    running = serve()
    client = join(running, transport)
    running.sockets[0].conn.close()
    if isinstance(client, WebSocket):
        assert client.closed() is None
    else:
        assert client.held() == ["1"]
    running.assert_ended("forced close")


@pytest.mark.parametrize(
    ("transport", "reason"), [("websocket", "transport error"), ("polling", "transport close")]
)
def test_2_8_message_too_big(serve: Servers, transport: str, reason: str) -> None:
    running = serve(max_http_buffer_size=1000)
    client = join(running, transport)
    say(client, '42["{}"]'.format("x" * 1000))
    if isinstance(client, WebSocket):
        assert client.closed() == 1009
    else:
        assert client.held() == ["1"]
    running.assert_ended(reason)
    assert "1000" in running.descriptions[0] or "too big" in running.descriptions[0]


@BOTH
def test_2_8_bad_socket_io_packet_is_an_error_event_and_a_parse_error(serve: Servers, transport: str) -> None:
    running = serve()
    say(join(running, transport), "42[]")
    running.assert_ended("parse error")
    assert running.record[1:3] == [("error", "/"), ("disconnect", "/", "parse error")]


@BOTH
@pytest.mark.parametrize(("packet", "reason"), [("2", "transport error"), ("9", "parse error")])
def test_2_8_bad_engine_packet(serve: Servers, transport: str, packet: str, reason: str) -> None:
    running = serve()
    say(join(running, transport), packet)
    running.assert_ended(reason)
    assert ("error", "/") not in running.record


@BOTH
def test_2_8_state_offence_is_forced_close_where_the_client_can_be_told(
    serve: Servers, transport: str
) -> None:
    running = serve()
    say(join(running, transport), "40")
    running.assert_ended("forced close")


def test_2_8_state_offence_on_polling_without_a_held_get_is_forced_server_close(serve: Servers) -> None:
    running = serve()
    say(running.join_poller(), "40")
    running.assert_ended("forced server close")


@BOTH
@pytest.mark.parametrize("refused", [False, True])
def test_2_8_connect_timeout_ends_the_engine_with_forced_close_and_no_socket(
    serve: Servers, transport: str, refused: bool
) -> None:
    running = serve(connect_timeout=0.1)
    client: Client = running.websocket() if transport == "websocket" else running.poller()
    running.watch(client.sid)
    if refused:
        # A refusal doesn't count as joining.
        say(client, "40/nope,")
        answer = client.receive() if isinstance(client, WebSocket) else client.poll()[0]
        assert answer == '44/nope,{"message":"Invalid namespace"}'
    if isinstance(client, WebSocket):
        assert client.closed() == 1008
    else:
        assert client.poll() == ["1"]
    running.assert_ended("forced close", joined=False)
    assert running.record == [("close", "forced close")]


def test_2_8_connect_timeout_is_stopped_by_the_first_join_only(serve: Servers) -> None:
    running = serve(connect_timeout=0.1)
    ws = running.join_websocket()
    ws.send("41")
    assert ws.bytes.is_silent(0.2)
    assert ws.join()


@BOTH
@pytest.mark.parametrize("name", ["/guarded", "/nope"])
def test_2_8_refused_namespace_has_no_socket_and_the_connection_stays(
    serve: Servers, transport: str, name: str
) -> None:
    running = serve()

    def refuse(socket: Any) -> None:
        raise ConnectionRefused("Invalid namespace")

    running.of("/guarded").use(refuse)
    client = join(running, transport)
    say(client, f"40{name},")
    answer = client.receive() if isinstance(client, WebSocket) else client.held()[0]
    assert answer == f"44{name},{json.dumps({'message': 'Invalid namespace'}, separators=(',', ':'))}"
    assert running.record == [("connection", "/")]
    assert running.session(client.sid).is_open


@BOTH
def test_2_8_every_namespace_is_told_the_same_reason(serve: Servers, transport: str) -> None:
    running = serve()
    running.of("/chat")
    client: Client = running.websocket() if transport == "websocket" else running.poller()
    client.join()
    client.join("/chat")
    running.session(client.sid).close()
    assert_told(running, "forced close")
    assert len(running.reasons()) == 2
