"""wire.md 2.11, revision 3 of Engine.IO: what JavaScript clients 1.x and 2.x speak."""

from __future__ import annotations

import json
from time import monotonic

import pytest

from socketio_sync import ConnectionRefused, Socket
from tests.support.client import Connection, Poller, packets_of_revision_3
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import BINARY, WebSocket, frame

EARLY = 0.02
BINARY_EVENT = '451-["a",{"_placeholder":true,"num":0}]'


def websocket(running: Running, *events: str, query: str = "") -> WebSocket:
    """Open a session on a WebSocket, which is in the main namespace from the start."""
    running.collect(*events)
    ws = running.websocket(f"EIO=3&transport=websocket{query}")
    assert ws.receive() == "40"
    running.watch(ws.sid)
    return ws


def poller(running: Running, *events: str, query: str = "") -> Poller:
    """Do the same by polling."""
    running.collect(*events)
    polling = running.poller(eio=3, query=query)
    assert polling.poll() == ["40"]
    running.watch(polling.sid)
    return polling


# -- the handshake and the main namespace -----------------------------------------------------------


@pytest.mark.feature(24)
def test_2_11_handshake_is_a_payload_with_its_length_and_the_same_json(serve: Servers) -> None:
    port = serve(ping_interval=0.3, ping_timeout=0.2).port
    answer = Connection(port).get("/socket.io/?EIO=3&transport=polling")
    assert answer.header("content-type") == "text/plain; charset=UTF-8"
    length, _, packet = answer.text.partition(":")
    assert int(length) == len(packet) == 114
    assert packet[0] == "0"
    opened = json.loads(packet[1:])
    assert list(opened) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert opened["maxPayload"] == 1_000_000


def test_2_11_first_poll_brings_the_main_namespace(serve: Servers) -> None:
    running = serve()
    assert running.poller(eio=3).get().content == b"2:40"
    assert running.record == [("connection", "/")]


def test_2_11_main_namespace_comes_right_behind_the_opening_on_a_websocket(serve: Servers) -> None:
    running = serve()
    ws = running.websocket("EIO=3&transport=websocket")
    assert ws.receive() == "40"


def test_2_11_connect_replies_carry_no_payload(serve: Servers) -> None:
    running = serve()
    running.of("/chat")
    ws = websocket(running)
    ws.send("40/chat,")
    assert ws.receive() == "40/chat,"
    assert running.record[-1] == ("connection", "/chat")


def test_2_11_ids_are_those_of_the_engine(serve: Servers) -> None:
    running = serve()
    running.of("/chat")
    ws = websocket(running)
    ws.send("40/chat")
    assert ws.text() == "40/chat,"
    assert [socket.id for socket in running.sockets] == [ws.sid, f"/chat#{ws.sid}"]


def test_2_11_connect_to_the_main_namespace_by_the_client_closes(serve: Servers) -> None:
    running = serve()
    ws = websocket(running)
    ws.send("40")
    running.assert_closed(ws, 1008, "forced close")


@pytest.mark.feature(29)
def test_2_11_query_of_the_namespace_becomes_auth(serve: Servers) -> None:
    running = serve()
    running.of("/dyn")
    ws = websocket(running)
    ws.send("40/dyn?token=ab&x=%20y,")
    assert ws.text() == "40/dyn,"
    assert running.sockets[-1].handshake.auth == {"token": "ab", "x": " y"}
    assert running.sockets[0].handshake.auth == {}


@pytest.mark.parametrize(
    ("refusal", "payload"),
    [(ConnectionRefused("no"), '"no"'), (ConnectionRefused("no", {"why": 42}), '{"why":42}')],
    ids=["message", "data"],
)
def test_2_11_refusal_is_the_bare_message_or_the_data(
    serve: Servers, refusal: ConnectionRefused, payload: str
) -> None:
    running = serve()

    def refuse(socket: Socket) -> None:
        raise refusal

    running.of("/guarded").use(refuse)
    ws = websocket(running)
    ws.send("40/guarded,")
    assert ws.text() == f"44/guarded,{payload}"
    assert ws.is_quiet()


def test_2_11_refusal_of_the_main_namespace(serve: Servers) -> None:
    running = serve()

    @running.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no")

    assert running.poller(eio=3).get().content == b'6:44"no"'


def test_2_11_unknown_namespace_is_an_object_all_the_same(serve: Servers) -> None:
    ws = websocket(serve())
    ws.send("40/nope,")
    assert ws.text() == '44/nope,{"message":"Invalid namespace"}'


# -- the heartbeat ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["", "x", "hello"])
def test_2_11_client_pings_and_its_data_is_ignored(serve: Servers, data: str) -> None:
    running = serve(ping_interval=0.1, ping_timeout=5.0)
    ws = websocket(running)
    ws.send(f"2{data}")
    assert ws.receive() == "3"
    polling = poller(running)
    polling.say(f"2{data}")
    assert polling.get().content == b"1:3"


def test_2_11_server_does_not_ping(serve: Servers) -> None:
    ws = websocket(serve(ping_interval=0.05, ping_timeout=5.0))
    assert ws.bytes.is_silent(0.2)
    assert ws.is_quiet()


def test_2_11_limit_is_counted_from_the_last_ping_and_other_packets_do_not_count(serve: Servers) -> None:
    running = serve(ping_interval=0.2, ping_timeout=0.2)
    ws = websocket(running)
    assert ws.bytes.is_silent(0.3)
    pinged = monotonic()
    ws.send("2")
    assert ws.receive() == "3"
    while ws.bytes.is_silent(0.02):
        ws.send('42["talk"]')
    running.assert_closed(ws, None, "ping timeout")
    assert 0.4 - EARLY < monotonic() - pinged < 1.4


def test_2_11_timeout_sends_1_1_to_the_held_get(serve: Servers) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.1)
    assert poller(running).get().content == b"1:1"
    running.assert_ended("ping timeout")


def test_2_11_pong_from_the_client_is_a_transport_error(serve: Servers) -> None:
    running = serve()
    ws = websocket(running)
    ws.send("3")
    running.assert_closed(ws, 1008, "transport error")


# -- text payloads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["plain", "caf\u00e9", "\u20ac\u2028", "\U0001f600", "a\U0001f600\u00e9b"])
def test_2_11_lengths_count_utf_16_code_units_both_ways(serve: Servers, word: str) -> None:
    running = serve()
    polling = poller(running, "a")
    packet = f'42["a","{word}"]'
    length = len(packet.encode("utf-16-le")) // 2
    assert polling.post(f"{length}:{packet}{length}:{packet}".encode()).content == b"ok"
    assert running.events() == [("a", word)] * 2
    running.sockets[0].emit("a", word)
    assert polling.get().text == f"{length}:{packet}"


@pytest.mark.parametrize(
    "body",
    ["", "42", '42["a"]', ":40", "x:40", "99:42", '8:42["a"]', '6:42["a"]', "-1:2", "1:22", "+1:2", "1 :2"],
)
def test_2_11_empty_body_or_bad_length_is_a_parse_error(serve: Servers, body: str) -> None:
    running = serve()
    assert poller(running, "a").post(body.encode()).error == (400, 3, "Bad request")
    running.assert_ended("parse error")


def test_2_11_empty_packet_is_ignored(serve: Servers) -> None:
    running = serve()
    polling = poller(running, "a")
    assert polling.post(b'0:7:42["a"]0:').content == b"ok"
    assert running.events() == [("a",)]


def test_2_11_noop_and_close(serve: Servers) -> None:
    running = serve()
    first, second, third = poller(running), poller(running), poller(running)
    for polling in (first, third):
        polling.hold()
        eventually(lambda sid=polling.sid: running.session(sid).writable)
    first.say("1")
    assert first.gets.finish().content == b"1:6"
    running.session(second.sid).close()
    assert second.get().content == b"1:61:1"
    running.session(third.sid).close()
    assert third.gets.finish().content == b"1:1"


# -- binary ---------------------------------------------------------------------------------------------


def binary_item(kind: int, data: bytes) -> bytes:
    """Build one packet of a binary payload."""
    return bytes([kind, *map(int, str(len(data)))]) + b"\xff" + data


@pytest.mark.feature(26)
def test_2_11_poll_with_a_binary_packet_is_a_binary_payload(serve: Servers) -> None:
    running = serve()
    polling = poller(running)
    data = bytes(range(256))
    running.sockets[0].emit("\u00e9", data)
    answer = polling.get()
    assert answer.header("content-type") == "application/octet-stream"
    text = '451-["\u00e9",{"_placeholder":true,"num":0}]'.encode()
    assert answer.content == binary_item(0, text) + binary_item(1, b"\x04" + data)
    assert answer.content.startswith(b"\x00\x04\x00\xff451-")
    running.sockets[0].emit("text")
    assert polling.get().header("content-type") == "text/plain; charset=UTF-8"


def test_2_11_binary_payload_is_accepted_in_a_post(serve: Servers) -> None:
    running = serve()
    polling = poller(running, "a")
    body = binary_item(0, BINARY_EVENT.encode()) + binary_item(1, b"\x04" + b"\x00\xff" * 60)
    headers = [("Content-Type", "application/octet-stream")]
    assert polling.post(body, headers=headers).content == b"ok"
    assert running.events() == [("a", b"\x00\xff" * 60)]


@pytest.mark.parametrize(
    "body",
    [b"", b"\x02\x01\xff2", b"\x00\x0a\xff2", b"\x00\x02\xff2", b"\x01\x02\xff\x05x", b"\x00\x01\xff\xe9"],
    ids=["empty", "kind 2", "digit 10", "too short", "binary of another type", "bad UTF-8"],
)
def test_2_11_malformed_binary_payload_is_a_parse_error(serve: Servers, body: bytes) -> None:
    running = serve()
    headers = [("Content-Type", "application/octet-stream")]
    assert poller(running).post(body, headers=headers).status == 400
    running.assert_ended("parse error")


def test_2_11_binary_frame_begins_with_the_type_byte_both_ways(serve: Servers) -> None:
    running = serve()
    ws = websocket(running, "a")
    ws.send(BINARY_EVENT, b"\x04\x01\x02")
    assert ws.is_quiet()
    assert running.events() == [("a", b"\x01\x02")]
    running.sockets[0].emit("b", b"\x03")
    assert (ws.receive(), ws.receive()) == ('451-["b",{"_placeholder":true,"num":0}]', b"\x04\x03")


@pytest.mark.parametrize("data", [b"", b"\x02", b"4x"])
def test_2_11_binary_frame_of_another_type_is_a_parse_error(serve: Servers, data: bytes) -> None:
    running = serve()
    ws = websocket(running)
    ws.bytes.send(frame(BINARY, data))
    running.assert_closed(ws, 1008, "parse error")


def test_2_11_b64_asks_for_base64_text_on_a_websocket(serve: Servers) -> None:
    running = serve()
    ws = websocket(running, query="&b64=1")
    running.sockets[0].emit("b", b"\x01\x02\x03")
    assert (ws.receive(), ws.receive()) == ('451-["b",{"_placeholder":true,"num":0}]', "b4AQID")


@pytest.mark.feature(25)
def test_2_11_b64_asks_for_base64_text_by_polling(serve: Servers) -> None:
    running = serve()
    polling = poller(running, query="&b64=1")
    running.sockets[0].emit("b", b"\x01\x02\x03")
    answer = polling.get()
    assert answer.header("content-type") == "text/plain; charset=UTF-8"
    assert answer.text.endswith("6:b4AQID")
    assert packets_of_revision_3(answer.text)[-1] == "b4AQID"


@pytest.mark.parametrize("query", ["", "&b64=1"])
def test_2_11_base64_from_the_client_is_accepted_always(serve: Servers, query: str) -> None:
    running = serve()
    ws = websocket(running, "a", query=query)
    ws.send(BINARY_EVENT, "b4AQID")
    assert ws.is_quiet()
    poller(running, query=query).say(BINARY_EVENT, "b4AQID")
    assert running.events() == [("a", b"\x01\x02\x03")] * 2


def test_2_11_a_client_that_pings_and_never_polls_piles_up_nothing(serve: Servers) -> None:
    running = serve()
    polling = poller(running)
    running.sockets[0].emit("b")
    for _ in range(3):
        assert polling.post(b"1:2" * 1000).status == 200
    assert polling.poll() == ["3", '42["b"]']


# -- the upgrade ------------------------------------------------------------------------------------


def test_2_11_upgrade_is_as_in_revision_4(serve: Servers) -> None:
    running = serve()
    polling = poller(running)
    polling.hold()
    eventually(lambda: running.session(polling.sid).writable)
    ws = running.probe(polling)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    assert polling.gets.finish().content == b"1:6"
    running.sockets[0].emit("b", b"\x03")
    ws.send("5")
    assert (ws.receive(), ws.receive()) == ('451-["b",{"_placeholder":true,"num":0}]', b"\x04\x03")
    assert Connection(running.port).get(polling.target).error == (400, 3, "Bad request")
    ws.send("2")
    assert ws.receive() == "3"
