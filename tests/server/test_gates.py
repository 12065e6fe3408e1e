"""Middlewares that see a socket which has joined, before its client knows; and handlers of what has none."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import Event

from socketio_sync import ConnectionRefused, Socket
from tests.support.logged import Logged
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect
from tests.support.ws_client import WebSocket


def test_what_a_gate_emits_and_broadcasts_reaches_the_newcomer_before_the_answer(serve: Servers) -> None:
    site = serve()

    def gate(socket: Socket) -> None:
        socket.join("lobby")
        socket.emit("for you")
        site.io.to("lobby").emit("for the lobby")

    site.io.use(gate, joined=True)
    client = WebSocket(site.port).open()
    client.send("40")
    assert [client.text() for _ in range(3)][:2] == ['42["for you"]', '42["for the lobby"]']
    assert "lobby" in site.sockets[0].rooms


def test_gates_are_asked_last_and_before_the_connection_handlers(serve: Servers, connect: Connect) -> None:
    site = serve()
    order: list[str] = []
    site.io.use(lambda socket: order.append("gate"), joined=True)
    site.io.use(lambda socket: order.append("middleware"))
    site.io.on("connection", lambda socket: order.append("connection"))
    connect(site)
    eventually(lambda: len(order) == 3)
    assert order == ["middleware", "gate", "connection"]


def test_who_is_refused_leaves_without_an_event(serve: Servers, connect: Connect) -> None:
    site = serve()
    told: list[str] = []
    answers: list[Any] = []

    def gate(socket: Socket) -> None:
        socket.join("lobby")
        socket.timeout(60).emit("never answered", ack=answers.append)
        if socket.handshake.auth.get("name") != "ann":
            raise ConnectionRefused("no", {"why": "name"})

    site.io.use(gate, joined=True)
    for event in ("connection", "disconnecting", "disconnect"):
        site.io.on(event, lambda *arguments, event=event: told.append(event))
    client = connect(site, join=False)
    assert client.refusal(auth={"name": "eve"}) == {"message": "no", "data": {"why": "name"}}
    assert not site.io.sockets
    assert site.io.rooms() == frozenset()
    assert len(answers) == 1
    assert told == []
    # It may ask again, over the same connection.
    client.join(auth={"name": "ann"})
    assert client.call("echo", 1) == [1]
    client.disconnect()
    eventually(lambda: told == ["connection", "disconnecting", "disconnect"])


@pytest.mark.parametrize("refuse", [False, True])
def test_a_client_that_leaves_meanwhile_was_here_only_if_it_was_let_in(
    serve: Servers, connect: Connect, refuse: bool
) -> None:
    site = serve()
    told: list[str] = []
    entered, go = Event(), Event()

    def gate(socket: Socket) -> None:
        entered.set()
        go.wait()
        if refuse:
            raise ConnectionRefused("no")

    site.io.use(gate, joined=True)
    for event in ("connection", "disconnect"):
        site.io.on(event, lambda *arguments, event=event: told.append(event))
    client = connect(site, join=False)
    client.ask_to_join()
    assert entered.wait(5)
    client.kill()
    eventually(lambda: not site.io.sockets)
    go.set()
    eventually(lambda: site.io.rooms() == frozenset())
    eventually(lambda: told == ([] if refuse else ["connection", "disconnect"]))


def test_events_wait_until_the_gates_have_let_their_socket_in(serve: Servers) -> None:
    site = serve()
    order: list[str] = []
    go = Event()

    def gate(socket: Socket) -> None:
        go.wait()
        order.append("gate")

    site.io.use(gate, joined=True)
    site.io.on("early", lambda socket: order.append("early"))
    client = WebSocket(site.port).open()
    site.io.of("/other")
    # Packets are read in their order: with the other namespace's answer the event has come.
    client.send("40", '42["early"]', "40/other,")
    assert str(client.receive()).startswith("40/other,")
    go.set()
    eventually(lambda: len(order) == 2)
    assert order == ["gate", "early"]


def test_an_exit_in_a_gate_is_a_refusal(
    serve: Servers, connect: Connect, reported: list[type[BaseException]]
) -> None:
    site = serve()
    site.io.use(lambda socket: exit(3), joined=True)
    client = connect(site, join=False)
    assert client.refusal() == {"message": "internal error"}
    assert reported == [SystemExit]
    assert not site.io.sockets


def test_nothing_of_a_refused_socket_is_kept_for_recovery(serve: Servers, connect: Connect) -> None:
    site = serve(connection_state_recovery=True)

    def gate(socket: Socket) -> None:
        socket.emit("for nobody")
        raise ConnectionRefused("no")

    site.io.use(gate, joined=True)
    recovery = site.io._main.recovery
    assert recovery is not None
    assert connect(site, join=False).refusal() == {"message": "no"}
    assert not recovery.live
    assert not recovery.size


# -- events without a handler -------------------------------------------------------------------------


def test_events_without_a_handler_go_to_who_takes_them(serve: Servers, connect: Connect) -> None:
    site = serve()
    site.io.on_unhandled(lambda socket, event, *values: (event, *values) if event != "no" else NotImplemented)
    client = connect(site)
    assert client.call("echo", 1) == [1]
    assert client.call("what", 1, b"x") == ["what", 1, b"x"]
    site.sockets[0].on_unhandled(lambda event, *values: "mine" if event == "mine" else NotImplemented)
    assert client.call("mine") == ["mine"]
    assert client.call("what") == ["what"]


def test_what_nobody_takes_is_logged_and_not_acknowledged(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    site.io.on_unhandled(lambda socket, event, *values: NotImplemented)
    client = connect(site)
    asked = client.ask("what")
    client.call("echo")
    assert not asked.ready()
    assert "nobody handles the event 'what'" in logged.warnings()[0]


def test_what_it_raises_is_an_error_of_a_handler(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve(error_acks=True)
    site.io.on_unhandled(lambda socket, event: 1 / 0)
    client = connect(site)
    assert client.call("what") == [{"error": {"message": "division by zero", "type": "ZeroDivisionError"}}]
    assert len(logged.take()) == 1
    with pytest.raises(TypeError):
        site.io.on_unhandled("nothing")  # type: ignore[type-var]
