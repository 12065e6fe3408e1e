"""wire.md 2.2, WebSocket: who gets a 101, what frames are taken, and how a connection ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.client import Connection, Response
from tests.support.server import Running, Servers
from tests.support.ws_client import (
    BINARY,
    CONT,
    KEY,
    MASK,
    PING,
    PONG,
    TEXT,
    UPGRADE_HEADERS,
    ask,
    frame,
)

WEBSOCKET = "EIO=4&transport=websocket"


def headers(**changes: str | None) -> list[tuple[str, str]]:
    """Return the headers of an upgrade request, some of them changed or left out."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    kept = [(name, changed.get(name.lower(), value)) for name, value in UPGRADE_HEADERS]
    return [(name, value) for name, value in kept if value is not None]


def refused(
    running: Running, query: str = WEBSOCKET, *, path: str = "/socket.io/", **changes: Any
) -> Response:
    """Ask for a WebSocket in vain; a request behind the refused one must not be served."""
    connection = Connection(running.port)
    connection.begin("GET", f"{path}?{query}", headers=headers(**changes))
    connection.begin("GET", "/socket.io/?EIO=4&transport=polling")
    answer = connection.finish()
    assert answer.header("connection") == "close"
    assert connection.at_end()
    assert running.io.engine.clients_count == 0
    return answer


# -- refusals before the 101 ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("EIO=4", 0, "Transport unknown"),
        (f"{WEBSOCKET}&sid=nobody", 1, "Session ID unknown"),
        ("EIO=4&transport=polling", 3, "Bad request"),
        ("EIO=3&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=5&transport=websocket", 5, "Unsupported protocol version"),
    ],
    ids=["no transport", "unknown sid", "transport=polling", "EIO=3 not allowed", "EIO=5"],
)
def test_2_2_refusal_before_the_101_is_400_and_close(
    serve: Servers, query: str, code: int, message: str
) -> None:
    answer = refused(serve(allow_eio3=False), query)
    assert answer.error == (400, code, message)
    assert answer.header("content-length") == str(len(answer.content))


def test_2_2_forbidden_is_403_also_for_a_websocket(serve: Servers) -> None:
    assert refused(serve(allow_request=lambda environ: False)).error == (403, 4, "Forbidden")


def test_2_2_websocket_transport_that_is_disabled_is_refused(serve: Servers) -> None:
    assert refused(serve(transports=["polling"])).error == (400, 0, "Transport unknown")


@pytest.mark.parametrize("version", ["8", "12", "14", "", "013", None])
def test_2_2_bad_version_is_426_with_the_version_that_is_spoken(serve: Servers, version: str | None) -> None:
    answer = refused(serve(), sec_websocket_version=version)
    assert answer.status == 426
    assert answer.header("sec-websocket-version") == "13"


@pytest.mark.parametrize("key", ["", "short", "?" * 24, KEY[:-2], KEY + "AA", None])
def test_2_2_bad_key_is_400(serve: Servers, key: str | None) -> None:
    assert refused(serve(), sec_websocket_key=key).status == 400


@pytest.mark.parametrize("path", ["/other/", "/socket.io", "/"])
@pytest.mark.feature(12)
def test_2_2_upgrade_to_another_path_is_refused_and_closed(serve: Servers, path: str) -> None:
    assert refused(serve(), path=path).status == 400


def test_2_2_second_websocket_for_a_session_that_is_upgrading_is_400_and_the_first_untouched(
    serve: Servers,
) -> None:
    running = serve()
    poller = running.poller()
    poller.join()
    first = running.probe(poller)
    second = ask(running.port, f"{WEBSOCKET}&sid={poller.sid}")[1]
    assert second.error == (400, 3, "Bad request")
    first.send("2probe")
    assert first.receive() == "3probe"
    first.send("5")
    assert first.is_quiet()


def test_2_2_second_websocket_for_a_session_that_has_upgraded_is_400_and_the_first_untouched(
    serve: Servers,
) -> None:
    running = serve()
    poller = running.poller()
    poller.join()
    first = running.probe(poller)
    first.send("2probe", "5")
    assert first.receive() == "3probe"
    second = ask(running.port, f"{WEBSOCKET}&sid={poller.sid}")[1]
    assert second.error == (400, 3, "Bad request")
    assert first.is_quiet()


def test_2_2_second_websocket_for_a_session_that_began_on_one_is_400(serve: Servers) -> None:
    running = serve()
    first = running.websocket()
    first.join()
    assert ask(running.port, f"{WEBSOCKET}&sid={first.sid}")[1].error == (400, 3, "Bad request")
    assert first.is_quiet()


# -- frames -------------------------------------------------------------------------------------------


def event_of(size: int) -> str:
    return '42["a","{}"]'.format("x" * (size - len('42["a",""]')))


def test_2_2_message_of_exactly_the_limit_passes_its_type_included(serve: Servers) -> None:
    running = serve(max_http_buffer_size=1000)
    ws = running.join_websocket("a", "b")
    ws.send(event_of(1000))
    assert ws.is_quiet()
    assert len(event_of(1000)) == 1000
    assert [len(value) for _, value in running.events()] == [990]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_2_2_longer_frame_is_1009_from_its_header_alone(serve: Servers, opcode: int) -> None:
    running = serve(max_http_buffer_size=1000)
    ws = running.join_websocket("a", "b")
    ws.bytes.send(frame(opcode, b"4" + b"x" * 1000)[:4])
    running.assert_closed(ws, 1009, "transport error")
    assert running.descriptions[0]


def test_2_2_fragments_are_1009_as_soon_as_their_sum_passes_the_limit(serve: Servers) -> None:
    running = serve(max_http_buffer_size=1000)
    ws = running.join_websocket("a", "b")
    ws.bytes.send(frame(TEXT, b"4" * 600, fin=False) + frame(CONT, b"x" * 401, fin=False)[:4])
    running.assert_closed(ws, 1009, "transport error")


def test_2_2_message_may_come_in_fragments(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.bytes.send(frame(TEXT, b"42[", fin=False) + frame(CONT, b'"a', fin=False) + frame(PING, b"?"))
    assert ws.frame() == (PONG, b"?")
    ws.bytes.send(frame(CONT, b'"]'))
    assert ws.is_quiet()
    assert running.events() == [("a",)]


def test_2_2_invalid_utf_8_is_1007(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.bytes.send(frame(TEXT, b'42["\xff"]'))
    running.assert_closed(ws, 1007, "transport error")
    assert running.descriptions[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x04" + b'42["',
        b"\xc1\x84" + MASK + b"x" * 4,
        b"\x83\x80" + MASK,
        b"\x09\x80" + MASK,
        b"\x89\xfe\x00\x7e" + MASK,
        b"\x80\x80" + MASK,
    ],
    ids=["unmasked", "RSV bit", "reserved opcode", "fragmented ping", "long ping", "nothing to continue"],
)
def test_2_2_broken_frames_are_1002(serve: Servers, data: bytes) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.bytes.send(data)
    running.assert_closed(ws, 1002, "transport error")


def test_2_2_text_frame_with_b_is_base64_binary(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.send('451-["a",{"_placeholder":true,"num":0}]', "bAQID")
    assert ws.is_quiet()
    assert running.events() == [("a", b"\x01\x02\x03")]


def test_2_2_binary_frame_is_a_message_without_type_byte_both_ways(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.send('451-["a",{"_placeholder":true,"num":0}]', b"\x04\x01\x02")
    ws.send('451-7["echo",{"_placeholder":true,"num":0}]', b"\x00\xff")
    assert ws.receive() == '461-7[{"_placeholder":true,"num":0}]'
    assert ws.receive() == b"\x00\xff"
    assert running.events() == [("a", b"\x04\x01\x02")]


@pytest.mark.parametrize("packet", ["0", "0{}", "1", "5", "6", "3"])
def test_2_2_types_0_1_5_6_and_an_unasked_pong_are_ignored(serve: Servers, packet: str) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.send(packet, '42["a"]')
    assert ws.is_quiet()
    assert running.events() == [("a",)]
    assert running.reasons() == []


@pytest.mark.parametrize("packet", ["2", "2probe"])
def test_2_2_ping_from_a_client_of_revision_4_is_a_transport_error(serve: Servers, packet: str) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    ws.send(packet)
    running.assert_closed(ws, 1008, "transport error")


@pytest.mark.parametrize("packet", ["", "7", "9", "x", "\x00", "b!", "{}", "-4"])
def test_2_2_unknown_type_empty_frame_and_garbage_are_parse_errors(serve: Servers, packet: str) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    # What stands behind it is ignored.
    ws.send(packet, '42["a"]')
    running.assert_closed(ws, 1008, "parse error")
    assert running.events() == []


# -- closing --------------------------------------------------------------------------------------


def test_2_2_close_by_the_application_has_no_status_and_no_packet(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    running.session(ws.sid).close()
    running.assert_closed(ws, None, "forced close")


def test_2_2_disconnect_with_close_has_no_status_and_no_close_packet(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    running.sockets[0].disconnect(close=True)
    assert ws.receive() == "41"
    assert ws.closed() is None
    assert running.reasons() == ["server namespace disconnect"]


def test_2_2_shutdown_is_1001_without_a_close_packet(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a", "b")
    running.io.close()
    running.assert_closed(ws, 1001, "server shutting down")
