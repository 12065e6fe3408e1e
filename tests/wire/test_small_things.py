"""wire.md 2.14, what real clients and protocol checks depend on besides."""

from __future__ import annotations

import os
import socket as stdlib_socket
from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync import ConnectionRefused, Server, Socket
from socketio_sync.transports.takeover import host_socket
from tests.support.client import Connection
from tests.support.server import Servers, eventually
from tests.support.ws_client import CLOSE, CONT, TEXT, frame

# -- the handshake ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0.3, 300), (0.025, 25), (1.5, 1500), (25, 25000), (0.0014, 1)]
)
def test_2_14_times_of_the_handshake_are_milliseconds_not_rounded_to_seconds(
    serve: Servers, seconds: float, milliseconds: int
) -> None:
    opened = serve(ping_interval=seconds, ping_timeout=seconds).poller().opened
    assert list(opened) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert (opened["pingInterval"], opened["pingTimeout"]) == (milliseconds, milliseconds)
    assert all(type(opened[key]) is int for key in ("pingInterval", "pingTimeout", "maxPayload"))


@pytest.mark.parametrize("eio", ["", "&EIO=", "&EIO=abc", "&EIO=2", "&EIO=5", "&EIO=04", "&EIO=4.0"])
def test_2_14_missing_or_odd_revision_is_code_5_also_where_3_is_allowed(serve: Servers, eio: str) -> None:
    answer = Connection(serve(allow_eio3=True).port).get(f"/socket.io/?transport=polling{eio}")
    assert answer.error == (400, 5, "Unsupported protocol version")


def test_2_14_answer_to_an_accepted_post_is_exactly_ok(serve: Servers) -> None:
    assert serve().poller().post(b"40").content == b"ok"


# -- ends ---------------------------------------------------------------------------------------------


def test_2_14_bad_packet_in_a_post_is_400_and_the_session_is_gone(serve: Servers) -> None:
    running = serve()
    poller = running.poller()
    assert poller.post(b"abc").status == 400
    assert running.io.engine.clients_count == 0
    assert poller.post(b"40").error == (400, 1, "Session ID unknown")


def test_2_14_aborted_get_closes_the_session(serve: Servers) -> None:
    running = serve()
    poller = running.poller()
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    poller.gets.close()
    eventually(lambda: running.io.engine.clients_count == 0)
    assert poller.is_forgotten()


def test_2_14_oversize_is_413_and_empty(serve: Servers) -> None:
    answer = serve(max_http_buffer_size=10).poller().post(b'42["12345"]')
    assert (answer.status, answer.content) == (413, b"")


def test_2_14_oversize_is_1009_on_a_websocket(serve: Servers) -> None:
    ws = serve(max_http_buffer_size=10).websocket()
    ws.send('42["12345"]')
    assert ws.closed() == 1009


def test_2_14_no_connect_within_the_timeout_closes(serve: Servers) -> None:
    assert serve(connect_timeout=0.1).websocket().closed() == 1008


def test_2_14_unknown_namespace(serve: Servers) -> None:
    ws = serve().websocket()
    ws.send("40/random,")
    assert ws.receive() == '44/random,{"message":"Invalid namespace"}'


def test_2_14_nothing_but_the_probe_comes_on_an_upgraded_websocket_before_the_first_message(
    serve: Servers,
) -> None:
    running = serve()
    poller = running.poller()
    ws = running.probe(poller)
    ws.send("2probe", "5", "40")
    assert ws.receive() == "3probe"
    assert ws.text().startswith('40{"sid":"')
    assert ws.is_quiet()


# -- connections --------------------------------------------------------------------------------------


def test_2_14_connection_close_is_answered_with_connection_close(serve: Servers) -> None:
    running = serve()
    poller = running.poller()
    close = [("Connection", "close")]
    requests: list[Callable[[Connection], Any]] = [
        lambda connection: connection.get("/socket.io/?EIO=4&transport=polling", headers=close),
        lambda connection: connection.get("/socket.io/?EIO=5&transport=polling", headers=close),
        lambda connection: connection.request("POST", poller.target, headers=close, body=b"40"),
        lambda connection: connection.get(poller.target, headers=close),
    ]
    for request in requests:
        connection = Connection(running.port)
        assert request(connection).header("connection") == "close"
        assert connection.at_end()


def test_2_14_connections_are_kept_otherwise(serve: Servers) -> None:
    connection = Connection(serve().port)
    for target in ("?EIO=4&transport=polling", "?EIO=5&transport=polling", "?EIO=4&transport=polling"):
        assert connection.get(f"/socket.io/{target}").header("connection") is None


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_2_14_tcp_nodelay_is_set_on_every_accepted_connection(serve: Servers, transport: str) -> None:
    twins: list[stdlib_socket.socket] = []

    def spied(server: Server) -> Callable[..., Any]:
        def app(environ: Any, start_response: Any) -> Any:
            # Another descriptor of the same connection, which shows its options.
            twins.append(stdlib_socket.socket(fileno=os.dup(host_socket(environ).fileno())))
            return server(environ, start_response)

        return app

    running = serve.start(spied)
    if transport == "polling":
        running.poller().say("40")
    else:
        running.websocket().join()
    options = [twin.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY) for twin in twins]
    for twin in twins:
        twin.close()
    assert len(options) == (2 if transport == "polling" else 1)
    assert all(options)


# -- old clients --------------------------------------------------------------------------------------


def test_2_14_query_of_a_namespace_goes_into_query_and_auth_in_revision_3(serve: Servers) -> None:
    running = serve()
    running.of("/abc")
    ws = running.websocket("EIO=3&transport=websocket&own=1")
    assert ws.receive() == "40"
    ws.send("40/abc?a=b,")
    assert ws.text() == "40/abc,"
    handshake = running.sockets[-1].handshake
    assert handshake.auth == {"a": "b"}
    assert handshake.query == {"EIO": "3", "transport": "websocket", "own": "1", "a": "b"}


@pytest.mark.parametrize(("eio", "payload"), [(3, '"no"'), (4, '{"message":"no"}')])
def test_2_14_refusal_is_a_bare_string_for_2_x_and_an_object_for_later_clients(
    serve: Servers, eio: int, payload: str
) -> None:
    running = serve()

    def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no")

    running.of("/guarded").use(refuse)
    ws = running.websocket(f"EIO={eio}&transport=websocket")
    if eio == 3:
        assert ws.receive() == "40"
    ws.send("40/guarded,")
    assert ws.receive() == f"44/guarded,{payload}"


def test_2_14_text_that_1_x_clients_encode_twice_is_not_undone(serve: Servers) -> None:
    running = serve()
    running.collect("a")
    poller = running.poller(eio=3)
    packet = '42["a","\u00e9"]'.encode()
    # What was bytes once is characters of its own now, and the length counts those.
    body = b"%d:%b" % (len(packet), packet.decode("latin-1").encode())
    assert poller.post(body).content == b"ok"
    assert running.events() == [("a", "\u00c3\u00a9")]


# -- WebSocket ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xed", 1002), (b"\x00\x00", 1002), (b"\x03\xe8\xff", 1007)],
    ids=["one byte", "reserved code", "code 0", "bad UTF-8"],
)
def test_2_14_invalid_close_frame_is_answered_and_then_tcp_is_closed_by_us(
    serve: Servers, payload: bytes, code: int
) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.bytes.send(frame(CLOSE, payload))
    running.assert_closed(ws, code, "transport error")
    assert ws.bytes.at_end()


def test_2_14_close_frame_is_answered_with_its_code_and_then_tcp_is_closed_by_us(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.bytes.send(frame(CLOSE, (3000).to_bytes(2, "big") + b"bye"))
    running.assert_closed(ws, 3000, "transport close")
    assert ws.bytes.at_end()


def test_2_14_peer_that_does_not_answer_the_close_frame_is_cut_off(serve: Servers) -> None:
    running = serve(close_timeout=0.1)
    ws = running.join_websocket()
    running.session(ws.sid).close()
    running.assert_closed(ws, None, "forced close")
    assert ws.bytes.at_end()


def fragmented(count: int) -> bytes:
    """Build one event in this many fragments."""
    text = b'42["a","%b"]' % (b"x" * (count - 10))
    pieces = [text[index : index + 1] for index in range(count - 1)] + [text[count - 1 :]]
    return b"".join(
        frame(CONT if index else TEXT, piece, fin=index == count - 1) for index, piece in enumerate(pieces)
    )


@pytest.mark.parametrize(
    ("count", "limit", "closes"), [(64, 64, False), (65, 64, True), (65536, 65536, False)]
)
def test_2_14_number_of_fragments_is_an_option(serve: Servers, count: int, limit: int, closes: bool) -> None:
    running = serve(max_fragments=limit)
    ws = running.join_websocket("a")
    ws.bytes.send(fragmented(count))
    if closes:
        running.assert_closed(ws, 1008, "transport error")
    else:
        assert ws.is_quiet()
        assert len(running.events()) == 1
