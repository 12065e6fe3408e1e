"""wire.md 2.7, names that belong to the protocol, and what the listeners of a socket's end are told."""

from __future__ import annotations

import pytest

from tests.support.server import Servers

RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]


@pytest.mark.parametrize("name", RESERVED)
def test_2_7_emitting_a_reserved_name_raises_and_sends_nothing(serve: Servers, name: str) -> None:
    running = serve()
    ws = running.join_websocket()
    (socket,) = running.sockets
    for emit in (socket.emit, running.io.emit, running.io.to(socket.id).emit):
        with pytest.raises(ValueError, match=f"{name}.* is a reserved event name"):
            emit(name, 1)
    assert ws.is_quiet()


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("form", ['42["{}"]', '421["{}","x"]', '451-["{}",{{"_placeholder":true,"num":0}}]'])
def test_2_7_receiving_a_reserved_name_closes(serve: Servers, name: str, form: str) -> None:
    running = serve()
    ws = running.join_websocket()
    ws.send(form.format(name), b"x")
    running.assert_closed(ws, 1008, "parse error")
    # Its own disconnect is the only one that listeners hear of.
    assert running.record.count(("connection", "/")) == 1


@pytest.mark.parametrize("name", ["connect", "connect_error", "newListener", "removeListener"])
def test_2_7_listening_to_what_nobody_can_emit_raises(serve: Servers, name: str) -> None:
    running = serve()
    with pytest.raises(ValueError, match="is a reserved event name"):
        running.io.on(name, print)


@pytest.mark.parametrize("name", ["connection", "error", "message", "new_namespace", "Connect", "connect "])
def test_2_7_other_names_are_free_to_emit(serve: Servers, name: str) -> None:
    running = serve()
    ws = running.join_websocket()
    running.sockets[0].emit(name, 1)
    assert ws.text() == f'42["{name}",1]'


def test_2_7_disconnect_listeners_get_reason_and_description(serve: Servers) -> None:
    running = serve()
    ws = running.join_websocket()
    heard: list[tuple[str, ...]] = []
    socket = running.sockets[0]
    socket.on("disconnecting", lambda *told: heard.append(("disconnecting", *told)))
    socket.on("disconnect", lambda *told: heard.append(("disconnect", *told)))
    ws.send("2")
    running.assert_closed(ws, 1008, "transport error")
    (description, *_) = running.descriptions
    assert "heartbeat" in description
    assert heard == [
        ("disconnecting", "transport error", description),
        ("disconnect", "transport error", description),
    ]
