"""limits.md 3: options that bound what one packet may hold, at the limit and just beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import EVENT, Packet
from tests.support.server import Servers, eventually


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
