"""wire.md 2.3, events and acknowledgements with binary attachments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.server import Servers

EVENT = '451-["a",{"_placeholder":true,"num":0}]'


def placeholders(count: int) -> str:
    return ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(count))


def test_2_3_attachments_go_where_their_number_is_not_where_their_place_is(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send('452-["a",{"x":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]', b"zero", b"one")
    assert ws.is_quiet()
    assert running.events() == [("a", {"x": [b"one"]}, b"zero")]


def test_2_3_one_attachment_may_stand_in_one_place_only_as_often_as_there_are_attachments(
    serve: Servers,
) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send('452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]', b"zero", b"one")
    assert ws.is_quiet()
    assert running.events() == [("a", b"one", b"one")]


def test_2_3_unused_attachments_are_fine_and_leave_a_plain_event(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send('452-["a",{"_placeholder":true,"num":0}]', b"zero", b"one")
    ws.send('451-["a","plain"]', b"unused")
    assert ws.is_quiet()
    assert running.events() == [("a", b"zero"), ("a", "plain")]


def test_2_3_placeholders_in_an_event_without_attachments_are_plain_values(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send('42["a",{"_placeholder":true,"num":0}]')
    assert ws.is_quiet()
    assert running.events() == [("a", {"_placeholder": True, "num": 0})]


def test_2_3_ten_attachments_are_allowed(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(f'4510-["a",{placeholders(10)}]', *[b"x"] * 10)
    assert ws.is_quiet()
    assert running.events() == [("a", *[b"x"] * 10)]


@pytest.mark.parametrize(
    "count",
    [
        "0-",
        "11-",
        "10000000000-",
        "1" * 400 + "-",
        "1",
        "",
        "-",
        "-1-",
        "1.0-",
        "a-",
        "\u0661-",
        "+1-",
        " 1-",
    ],
)
@pytest.mark.parametrize("type_", ["45", "46"], ids=["event", "ack"])
def test_2_3_count_of_attachments_that_is_not_1_to_10_closes(serve: Servers, count: str, type_: str) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(f'{type_}{count}["a",{{"_placeholder":true,"num":0}}]', b"x")
    running.assert_closed(ws, 1008, "parse error")
    assert running.events() == []


@pytest.mark.feature(97)
@pytest.mark.parametrize(("count", "closes"), [(2, False), (3, True)])
def test_2_3_max_attachments_is_an_option(serve: Servers, count: int, closes: bool) -> None:
    running = serve(max_attachments=2)
    ws = running.join_websocket("a")
    ws.send(f'45{count}-["a"]', *[b"x"] * count)
    if closes:
        running.assert_closed(ws, 1008, "parse error")
    else:
        assert ws.is_quiet()


@pytest.mark.parametrize("num", ["1", "-1", '"0"', "null", "true", "0.5", "1e400", "{}"])
def test_2_3_num_out_of_range_or_not_a_number_closes(serve: Servers, num: str) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(f'451-["a",{{"_placeholder":true,"num":{num}}}]', b"x")
    running.assert_closed(ws, 1008, "parse error")
    assert running.events() == []


@pytest.mark.parametrize("payload", ["", "{}", '["connect"]', "[]", "[null]"])
def test_2_3_payload_of_a_binary_event_follows_the_rules_of_events(serve: Servers, payload: str) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(f"451-{payload}", b"x")
    running.assert_closed(ws, 1008, "parse error")


@pytest.mark.parametrize("text", ['42["a"]', "41", "40/x,", EVENT])
def test_2_3_text_while_attachments_are_due_closes(serve: Servers, text: str) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(EVENT, text, b"x")
    running.assert_closed(ws, 1008, "parse error")
    assert running.events() == []


def test_2_3_engine_packets_between_attachments_are_fine(serve: Servers) -> None:
    running = serve(ping_interval=0.1)
    ws = running.join_websocket("a")
    ws.send(EVENT)
    assert ws.receive() == "2"
    ws.send("3", b"x")
    running.reached("event", "/", "a", b"x")


def test_2_3_binary_with_nothing_due_closes(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket("a")
    ws.send(b"x")
    running.assert_closed(ws, 1008, "parse error")


def test_2_3_attachments_that_never_come_close(serve: Servers) -> None:
    running = serve(attachment_timeout=0.1)
    ws = running.join_websocket("a")
    ws.send(EVENT)
    running.assert_closed(ws, 1008, "parse error")


@pytest.mark.parametrize(("size", "closes"), [(50, False), (51, True)])
def test_2_3_attachments_are_bounded_together(serve: Servers, size: int, closes: bool) -> None:
    running = serve(max_binary_bytes=100)
    ws = running.join_websocket("a")
    ws.send(f'452-["a",{placeholders(2)}]', b"x" * 50, b"x" * size)
    if closes:
        running.assert_closed(ws, 1008, "parse error")
    else:
        assert ws.is_quiet()


def test_2_3_binary_ack_from_the_server(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.send('451-44["echo",{"_placeholder":true,"num":0}]', b"\x00\xff")
    assert ws.text() == '461-44[{"_placeholder":true,"num":0}]'
    assert ws.receive() == b"\x00\xff"


@pytest.mark.feature(96)
def test_2_3_binary_ack_from_the_client(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    seen: list[Any] = []
    running.sockets[0].emit("q", b"\x01", ack=lambda *values: seen.append(values))
    assert ws.text() == '451-0["q",{"_placeholder":true,"num":0}]'
    assert ws.receive() == b"\x01"
    ws.send('461-0[{"_placeholder":true,"num":0},2]', b"\x02")
    assert ws.is_quiet()
    assert seen == [(b"\x02", 2)]


@pytest.mark.feature(96)
def test_2_3_binary_in_a_namespace_with_an_id_both_ways(serve: Servers) -> None:
    running = serve()
    running.of("/chat")
    ws = running.websocket()
    ws.join("/chat")
    ws.send('451-/chat,9["echo",{"_placeholder":true,"num":0}]', b"x")
    assert ws.text() == '461-/chat,9[{"_placeholder":true,"num":0}]'
    assert ws.receive() == b"x"
