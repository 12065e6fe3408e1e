"""limits.md 3: options at the limit and just beyond it, for a client of the real server."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import EVENT, Packet
from tests.support.server import Servers, eventually
from tests.support.ws_client import BINARY, CONT, TEXT, frame


def nested(levels: int) -> str:
    """Write arrays within arrays, of which the list of arguments is the first."""
    return "[" * (levels - 1) + "]" * (levels - 1)


@pytest.mark.parametrize(
    ("options", "fits", "breaks"),
    [
        ({"json_max_depth": 5}, nested(5), nested(6)),
        ({}, nested(128), nested(129)),
        ({"json_max_depth": 200}, nested(200), nested(201)),
        ({"json_max_digits": 20}, "9" * 20, "9" * 21),
        ({}, "1" * 309, "1" * 310),
    ],
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_limits_of_json(serve: Servers, transport: str, options: Any, fits: str, breaks: str) -> None:
    running = serve(**options)
    client: Any
    if transport == "websocket":
        client = running.join_websocket("a")
        client.send(f'42["a",{fits}]', f'42["a",{breaks}]')
        assert client.closed() == 1008
    else:
        client = running.join_poller("a")
        client.say(f'42["a",{fits}]')
        assert client.post(f'42["a",{breaks}]'.encode()).error == (400, 3, "Bad request")
    running.assert_ended("parse error")
    assert len(running.events()) == 1


def test_what_the_application_nests_too_deeply_is_its_own_error(serve: Servers) -> None:
    running = serve(json_max_depth=5)
    ws = running.join_websocket()
    deep: list[Any] = []
    for _ in range(3):
        deep = [deep]
    running.sockets[0].emit("a", deep)
    assert ws.text() == '42["a",[[[[]]]]]'
    with pytest.raises(ValueError, match="deep"):
        running.sockets[0].emit("a", [deep])


def test_the_depth_holds_for_messagepack_too(serve: Servers) -> None:
    running = serve(parser="msgpack", json_max_depth=5)
    running.collect("a")
    ws = running.websocket()

    def event(levels: int) -> bytes:
        value: Any = []
        for _ in range(levels - 2):
            value = [value]
        return MsgpackCodec().encode(Packet(EVENT, "/", ["a", value])).attachments[0]

    ws.send(MsgpackCodec().encode(Packet(0, "/")).attachments[0])
    ws.receive()
    running.watch(ws.sid)
    ws.send(event(5))
    eventually(lambda: len(running.events()) == 1)
    ws.send(event(6))
    running.assert_closed(ws, 1008, "parse error")


def fragments(message: bytes, count: int, opcode: int = TEXT) -> bytes:
    """Write a message as so many frames; all but the first and the last are empty."""
    middle = frame(CONT, fin=False) * (count - 2)
    return frame(opcode, message[:5], fin=False) + middle + frame(CONT, message[5:])


@pytest.mark.parametrize(
    ("options", "most"), [({"max_fragments": 3}, 3), ({}, 16_384)], ids=["option", "default"]
)
def test_a_message_may_have_as_many_fragments_as_the_limit_says(
    serve: Servers, options: dict[str, Any], most: int
) -> None:
    running = serve(**options)
    ws = running.join_websocket("a")
    ws.bytes.send(fragments(b'42["a",1]', most))
    assert ws.is_quiet()
    assert running.events() == [("a", 1)]
    ws.bytes.send(fragments(b'42["a",2]', most + 1))
    running.assert_closed(ws, 1008, "transport error")
    assert running.events() == [("a", 1)]


@pytest.mark.parametrize(("size", "code"), [(1000, None), (1001, 1009)])
def test_the_limit_of_a_message_is_that_of_all_its_fragments(
    serve: Servers, size: int, code: int | None
) -> None:
    running = serve(max_http_buffer_size=1000)
    ws = running.join_websocket("a")
    text = b'42["a","%b"]' % (b"x" * (size - len(b'42["a",""]')))
    ws.bytes.send(fragments(text, 4))
    if code is None:
        assert ws.is_quiet()
        assert len(running.events()) == 1
    else:
        running.assert_closed(ws, code, "transport error")


@pytest.mark.parametrize(("size", "code"), [(1_000_000, None), (1_000_001, 1009)])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_has_a_million_bytes_by_default(
    serve: Servers, opcode: int, size: int, code: int | None
) -> None:
    running = serve()
    ws = running.join_websocket("a")
    if opcode == TEXT:
        ws.bytes.send(frame(TEXT, b'42["a","%b"]' % (b"x" * (size - len(b'42["a",""]')))))
    else:
        ws.send('451-["a",{"_placeholder":true,"num":0}]')
        ws.bytes.send(frame(BINARY, bytes(size)))
    if code is None:
        assert ws.is_quiet()
        assert len(running.events()) == 1
    else:
        running.assert_closed(ws, code, "transport error")


@pytest.mark.parametrize(("size", "status"), [(1_000_000, 200), (1_000_001, 413)])
def test_a_body_has_a_million_bytes_by_default(serve: Servers, size: int, status: int) -> None:
    running = serve()
    poller = running.join_poller("a")
    # One byte too many isn't read: its sender may not get rid of all.
    poller.posts.begin("POST", poller.target, headers=[("Content-Length", str(size))])
    if status == 200:
        poller.posts.send(b'42["a","%b"]' % (b"x" * (size - len(b'42["a",""]'))))
    assert poller.posts.finish().status == status
    assert len(running.events()) == (status == 200)


@pytest.mark.parametrize(("digits", "closes"), [(16, False), (17, True)])
def test_the_id_of_an_acknowledgement_has_16_digits(serve: Servers, digits: int, closes: bool) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.send(f"43{'1' * digits}[]")
    if closes:
        running.assert_closed(ws, 1008, "parse error")
    else:
        assert ws.is_quiet()


@pytest.mark.parametrize("options", [{}, {"compression_threshold": 100}], ids=["default", "option"])
@pytest.mark.parametrize("beyond", [-1, 0])
def test_an_answer_is_compressed_from_the_threshold_on(
    serve: Servers, options: dict[str, int], beyond: int
) -> None:
    running = serve(**options)
    poller = running.join_poller()
    threshold = options.get("compression_threshold", 1024)
    running.sockets[0].emit("a", "x" * (threshold + beyond - len('42["a",""]')))
    answer = poller.gets.get(poller.target, headers=[("Accept-Encoding", "gzip")])
    assert answer.header("content-encoding") == ("gzip" if beyond == 0 else None)


def test_no_answer_is_compressed_where_that_is_off(serve: Servers) -> None:
    running = serve(http_compression=False)
    poller = running.join_poller()
    running.sockets[0].emit("a", "x" * 10_000)
    answer = poller.gets.get(poller.target, headers=[("Accept-Encoding", "gzip")])
    assert answer.header("content-encoding") is None


@pytest.mark.parametrize(("count", "closes"), [(32, False), (33, True)])
def test_a_client_joins_32_namespaces_by_default(serve: Servers, count: int, closes: bool) -> None:
    running = serve()
    for number in range(1, 33):
        running.of(f"/{number}")
    ws = running.join_websocket()
    for number in range(1, min(count, 32)):
        ws.join(f"/{number}")
    if closes:
        ws.send("40/32,")
        assert ws.closed() == 1008
        running.reached("close", "forced close")
    else:
        assert ws.is_quiet()


def test_all_that_waits_in_turn_for_polling_is_one_limit_too(serve: Servers) -> None:
    running = serve(max_outbound_bytes=1000)
    poller = running.join_poller()
    text = "x" * (500 - len('2["a",""]'))
    running.sockets[0].emit("a", text)
    running.sockets[0].emit("a", text)
    assert running.sockets[0].conn.buffered_bytes == 1000
    assert len(poller.poll()) == 2
    for _ in range(2):
        running.sockets[0].emit("a", text)
    running.sockets[0].emit("a")
    running.reached("disconnect", "/", "slow consumer")
