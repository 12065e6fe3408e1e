"""wire.md 2.3, events and acknowledgements, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.server import Running, Servers
from tests.support.ws_client import WebSocket


@pytest.mark.feature(66)
@pytest.mark.parametrize(
    ("name", "handler"),
    [
        *[(f'"{name}"', name) for name in ("a", "", "*", "__proto__", "message")],
        # A number reaches the handler of its text, as in JavaScript.
        *[("5", "5"), ("5.0", "5"), ("1.5", "1.5"), ("-1", "-1")],
    ],
)
def test_2_3_event_name_is_a_string_or_a_number(serve: Servers, name: str, handler: str) -> None:
    running = serve()
    ws = running.join_websocket("a", "", "*", "message", "__proto__", "5", "1.5", "-1")
    ws.send(f"42[{name},1]")
    assert ws.is_quiet()
    assert running.events() == [(handler, 1)]


@pytest.mark.parametrize("name", ["connection", "error"])
def test_2_3_names_of_the_sockets_life_are_events_that_reach_none_of_its_listeners(
    serve: Servers, name: str
) -> None:
    running = serve()
    ws = running.join_websocket()
    seen: list[Any] = []
    running.sockets[0].on("error", seen.append)
    ws.send(f'42["{name}","x"]')
    assert ws.is_quiet()
    assert (running.record, seen) == ([("connection", "/")], [])


MALFORMED = {
    "no payload": "42",
    "empty array": "42[]",
    "object": "42{}",
    "null name": "42[null]",
    "boolean name": "42[true]",
    "array name": '42[["a"]]',
    "string": '42"a"',
    "bad JSON": '42["a"',
    "two values": '42["a"]x',
    "NaN": '42["a",NaN]',
    "Infinity": '42["a",Infinity]',
    "too large a number": '42["a",1e400]',
    "unknown type 7": "47",
    "letter type": "4a",
    "no type": "4",
    "Arabic digits": '42\u0661["a"]',
    "id of 17 digits": '4212345678901234567["a"]',
    "negative id": '42-1["a"]',
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.feature(107)
def test_2_3_malformed_packet_tells_the_error_listeners_and_closes(serve: Servers, packet: str) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(packet)
    running.assert_closed(ws, 1008, "parse error")
    assert running.events() == []
    assert running.record.count(("error", "/")) == 1
    assert running.record.index(("error", "/")) < running.record.index(("disconnect", "/", "parse error"))


@pytest.mark.parametrize(
    ("sent", "answered"),
    [("12", "12"), ("0", "0"), ("007", "7"), ("9007199254740991", "9007199254740991"), ("1" * 16, "1" * 16)],
)
def test_2_3_ack_carries_the_events_id(serve: Servers, sent: str, answered: str) -> None:
    running = serve()
    running.of("/chat")
    ws = running.join_websocket()
    ws.join("/chat")
    ws.send(f'42{sent}["echo"]', f'42/chat,{sent}["echo",1,[2]]')
    assert ws.text() == f"43{answered}[]"
    assert ws.text() == f"43/chat,{answered}[1,[2]]"


def asked(running: Running, ws: WebSocket, seen: list[Any]) -> str:
    """Emit an event that asks for an acknowledgement; return its id."""
    running.sockets[-1].emit("q", ack=lambda *values: seen.append(values))
    return ws.text().removeprefix("42").removesuffix('["q"]')


def test_2_3_ack_from_the_client_calls_the_listener_once(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    seen: list[Any] = []
    ack_id = asked(running, ws, seen)
    ws.send(f'43{ack_id}["x",1]', f'43{ack_id}["y"]')
    assert ws.is_quiet()
    assert seen == [("x", 1)]


@pytest.mark.parametrize("form", ["43{other}[1]", "43[1]", "43{own}", "43"])
def test_2_3_ack_with_unknown_or_missing_id_or_without_payload_is_ignored(serve: Servers, form: str) -> None:
    running = serve()
    ws = running.join_websocket()
    seen: list[Any] = []
    ack_id = asked(running, ws, seen)
    ws.send(form.format(own=ack_id, other=int(ack_id) + 1))
    assert ws.is_quiet()
    assert seen == []
    ws.send(f"43{ack_id}[2]")
    assert ws.is_quiet()
    assert seen == [(2,)]


@pytest.mark.parametrize(("count", "closed"), [(4, False), (5, True)])
def test_2_3_unknown_acks_in_a_row_are_counted(serve: Servers, count: int, closed: bool) -> None:
    running = serve(max_unknown_acks=5)
    ws = running.join_websocket()
    ws.send(*["437[]"] * count)
    if closed:
        running.assert_closed(ws, 1008, "parse error")
    else:
        assert ws.is_quiet()


@pytest.mark.parametrize("payload", ["{}", '"x"', "-1", "null", "[1"])
def test_2_3_ack_whose_payload_is_not_an_array_closes(serve: Servers, payload: str) -> None:
    running = serve()
    ws = running.join_websocket()
    seen: list[Any] = []
    ws.send(f"43{asked(running, ws, seen)}{payload}")
    running.assert_closed(ws, 1008, "parse error")
    assert seen == []


def test_2_3_ack_ids_of_the_server_count_from_0_for_all_sockets_of_a_namespace(serve: Servers) -> None:
    running = serve()
    running.of("/chat")
    first, second = running.websocket(), running.websocket()
    ids = []
    for ws, name in [(first, "/"), (second, "/"), (first, "/chat"), (second, "/chat")]:
        ws.join(name)
        running.sockets[-1].emit("q", ack=print)
        ids.append(ws.text().partition("[")[0])
    assert ids == ["420", "421", "42/chat,0", "42/chat,1"]
