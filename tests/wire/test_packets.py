"""wire.md 2.3, Socket.IO packets from a client, and what the server does with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gevent.event import Event

from socketio_sync import ConnectionRefused, Socket
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import WebSocket


def opened(running: Running) -> WebSocket:
    """Open a session that joins nothing."""
    running.collect("a")
    ws = running.websocket()
    running.watch(ws.sid)
    return ws


# -- CONNECT and DISCONNECT -------------------------------------------------------------------------


@pytest.mark.parametrize(("packet", "auth"), [("40", {}), ('40{"a":1}', {"a": 1}), ("40{}", {})])
def test_2_3_connect_is_answered_with_the_sid_alone(serve: Servers, packet: str, auth: Any) -> None:
    running = serve()
    ws = running.websocket()
    ws.send(packet)
    reply = json.loads(ws.text().removeprefix("40"))
    (socket,) = running.sockets
    assert reply == {"sid": socket.id}
    assert socket.handshake.auth == auth
    assert socket.id != ws.sid


@pytest.mark.parametrize("packet", ["40/chat,", "40/chat"])
def test_2_3_connect_to_a_namespace_has_a_sid_of_its_own(serve: Servers, packet: str) -> None:
    running = serve()
    running.of("/chat")
    ws = running.websocket()
    main = ws.join()
    ws.send(packet)
    head, _, reply = ws.text().partition(",")
    assert head == "40/chat"
    assert json.loads(reply)["sid"] not in (main, ws.sid)


@pytest.mark.parametrize("payload", ["[]", '"x"', "null", "{bad", "-5", "true", "{}x"])
def test_2_3_connect_with_another_payload_than_an_object_closes(serve: Servers, payload: str) -> None:
    running = serve()
    ws = opened(running)
    ws.send(f"40{payload}")
    running.assert_closed(ws, 1008, "parse error", joined=False)


@pytest.mark.parametrize("packet", ['4012{"a":1}', '40/chat,12{"a":1}'])
def test_2_3_id_of_a_connect_is_ignored(serve: Servers, packet: str) -> None:
    running = serve()
    running.of("/chat")
    ws = running.websocket()
    ws.send(packet)
    assert '{"sid":"' in ws.text()
    assert running.sockets[0].handshake.auth == {"a": 1}


@pytest.mark.feature(86)
@pytest.mark.parametrize("name", ["/nope", "/chat?x=1", "/chat/", "/Chat", "/__proto__"])
def test_2_3_unknown_namespace_is_refused_and_the_connection_stays(serve: Servers, name: str) -> None:
    running = serve()
    running.of("/chat")
    ws = running.websocket()
    ws.send(f"40{name},")
    assert ws.text() == f'44{name},{{"message":"Invalid namespace"}}'
    ws.join("/chat")
    assert ws.is_quiet("/chat")


@pytest.mark.parametrize(
    ("refusal", "payload"),
    [
        (ConnectionRefused("no"), '{"message":"no"}'),
        (ConnectionRefused("no", {"why": 42}), '{"message":"no","data":{"why":42}}'),
    ],
    ids=["message", "message and data"],
)
def test_2_3_middleware_refusal_is_answered_and_the_connection_stays(
    serve: Servers, refusal: ConnectionRefused, payload: str
) -> None:
    running = serve()

    def refuse(socket: Socket) -> None:
        raise refusal

    running.of("/guarded").use(refuse)
    ws = running.websocket()
    ws.send("40/guarded,")
    assert ws.text() == f"44/guarded,{payload}"
    ws.send("40/guarded,")
    assert ws.text() == f"44/guarded,{payload}"
    ws.join()
    assert ws.is_quiet()
    assert running.record == [("connection", "/")]


BEFORE_JOINING = {
    "event": '42/guarded,["a"]',
    "ack": "43/guarded,0[]",
    "disconnect": "41/guarded,",
    "binary event": '451-/guarded,["a",{"_placeholder":true,"num":0}]',
}


@pytest.mark.parametrize("packet", BEFORE_JOINING.values(), ids=BEFORE_JOINING)
def test_2_3_packet_to_a_namespace_that_refused_closes(serve: Servers, packet: str) -> None:
    running = serve()

    def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no")

    running.of("/guarded").use(refuse)
    ws = running.join_websocket()
    ws.send("40/guarded,", packet)
    assert ws.text().startswith("44/guarded,")
    running.assert_closed(ws, 1008, "forced close")


@pytest.mark.parametrize("packet", BEFORE_JOINING.values(), ids=BEFORE_JOINING)
def test_2_3_packet_while_the_middleware_runs_closes(serve: Servers, packet: str) -> None:
    running = serve()
    done = Event()
    running.of("/guarded").use(lambda socket: done.wait())
    ws = running.join_websocket()
    ws.send("40/guarded,", packet)
    running.assert_closed(ws, 1008, "forced close")
    done.set()


@pytest.mark.parametrize("name", ["/", "/guarded"], ids=["main", "other"])
@pytest.mark.parametrize("packet", BEFORE_JOINING.values(), ids=BEFORE_JOINING)
def test_2_3_packet_to_a_namespace_that_was_not_joined_closes(serve: Servers, packet: str, name: str) -> None:
    running = serve()
    running.of("/guarded")
    ws = opened(running)
    ws.send(packet if name != "/" else packet.replace("/guarded,", ""))
    running.assert_closed(ws, 1008, "forced close", joined=False)


@pytest.mark.parametrize(("count", "closes"), [(3, False), (4, True)])
def test_2_3_refused_connects_are_counted(serve: Servers, count: int, closes: bool) -> None:
    running = serve(max_refused_connects=4)
    ws = running.join_websocket()
    ws.send(*["40/nope,"] * count)
    for _ in range(count):
        assert ws.text() == '44/nope,{"message":"Invalid namespace"}'
    if closes:
        running.assert_closed(ws, 1008, "forced close")
    else:
        assert ws.is_quiet()


@pytest.mark.parametrize(("length", "closes"), [(256, False), (257, True)])
def test_2_3_name_of_a_namespace_is_bounded_and_a_longer_one_never_echoed(
    serve: Servers, length: int, closes: bool
) -> None:
    running = serve()
    ws = running.join_websocket()
    name = "/" + "x" * (length - 1)
    ws.send(f"40{name},")
    if closes:
        running.assert_closed(ws, 1008, "parse error")
    else:
        assert ws.text() == f'44{name},{{"message":"Invalid namespace"}}'


@pytest.mark.parametrize(("limit", "closes"), [(2, False), (1, True)])
def test_2_3_number_of_namespaces_is_bounded(serve: Servers, limit: int, closes: bool) -> None:
    running = serve(max_namespaces=limit)
    running.of("/chat")
    ws = running.join_websocket()
    if closes:
        ws.send("40/chat,")
        running.assert_closed(ws, 1008, "forced close")
    else:
        assert ws.join("/chat")


def test_2_3_second_connect_closes_the_whole_connection(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.send("40")
    running.assert_closed(ws, 1008, "forced close")


@pytest.mark.parametrize(("held", "reason"), [(False, "forced server close"), (True, "forced close")])
def test_2_3_second_connect_on_polling_is_a_server_close_unless_a_get_is_held(
    serve: Servers, held: bool, reason: str
) -> None:
    running = serve()
    poller = running.join_poller()
    if held:
        poller.hold()
        eventually(lambda: running.session(poller.sid).writable)
    # Nothing is answered with 200 unless every packet was accepted.
    assert poller.post(b"40").status == 400
    running.assert_ended(reason)
    assert (poller.held() if held else poller.poll()) == (["1"] if held else ["6", "1"])


@pytest.mark.feature(44)
def test_2_3_second_connect_while_the_middleware_runs_closes(serve: Servers) -> None:
    running = serve()
    done = Event()
    running.of("/guarded").use(lambda socket: done.wait())
    ws = running.join_websocket()
    ws.send("40/guarded,", "40/guarded,")
    running.assert_closed(ws, 1008, "forced close")
    done.set()
    eventually(lambda: not running.io.engine.runtime.workers.busy)
    assert [socket.namespace.name for socket in running.sockets] == ["/"]


def test_2_3_connect_after_disconnect_is_fine_and_has_a_new_sid(serve: Servers) -> None:
    running = serve()
    ws = running.websocket()
    first = ws.join()
    ws.send("41")
    assert ws.join() != first
    assert ws.is_quiet()
    assert running.reasons() == ["client namespace disconnect"]


def test_2_3_disconnect_has_no_answer_and_the_connection_stays_after_the_last_namespace(
    serve: Servers,
) -> None:
    running = serve()
    running.of("/chat")
    ws = running.join_websocket()
    ws.join("/chat")
    ws.send("41/chat,")
    assert ws.is_quiet()
    assert running.record[-1] == ("disconnect", "/chat", "client namespace disconnect")
    ws.send("41")
    running.reached("disconnect", "/", "client namespace disconnect")
    # The next thing that comes is the answer to a new CONNECT.
    ws.join("/chat")
    assert running.session(ws.sid).is_open


@pytest.mark.parametrize("packet", ["41{}", '41"x"', "44", '44{"message":"x"}', '44/chat,"x"'])
def test_2_3_disconnect_with_a_payload_and_connect_error_close(serve: Servers, packet: str) -> None:
    running = serve()
    running.of("/chat")
    ws = running.join_websocket()
    ws.send(packet)
    assert ws.closed() == 1008
    reason = "forced close" if "/chat" in packet else "parse error"
    running.assert_ended(reason)
    assert (("error", "/") in running.record) == (reason == "parse error")


# -- leaving by the server --------------------------------------------------------------------------


def test_2_3_disconnect_by_the_server_sends_41_and_the_connection_stays(serve: Servers) -> None:
    running = serve()
    running.of("/chat")
    ws = running.join_websocket()
    ws.join("/chat")
    running.sockets[0].disconnect()
    running.sockets[1].disconnect()
    assert (ws.text(), ws.text()) == ("41", "41/chat,")
    assert running.reasons() == ["server namespace disconnect"] * 2
    ws.join()
    assert ws.is_quiet()


def test_2_3_disconnect_with_close_sends_41_in_order_of_joining_and_then_closes(serve: Servers) -> None:
    running = serve()
    for name in ("/b", "/a"):
        running.of(name)
    ws = running.websocket()
    running.watch(ws.sid)
    for name in ("/b", "/", "/a"):
        ws.join(name)
    running.sockets[2].disconnect(close=True)
    assert (ws.text(), ws.text(), ws.text()) == ("41/b,", "41", "41/a,")
    assert ws.closed() is None
    running.reached("close", "forced close")
    assert running.record[3:] == [
        ("disconnect", "/b", "server namespace disconnect"),
        ("disconnect", "/", "server namespace disconnect"),
        ("disconnect", "/a", "server namespace disconnect"),
        ("close", "forced close"),
    ]
