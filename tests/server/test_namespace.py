from __future__ import annotations

from typing import Any

import pytest

from socketio_sync import Namespace, Server, Socket
from tests.support.logged import Logged
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect


def test_a_namespaces_handlers_get_the_socket_first_and_run_before_the_sockets_own(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    calls: list[Any] = []
    client = connect(site)
    socket = site.sockets[0]
    socket.on("event", lambda *arguments: calls.append(("own", *arguments)))
    site.io.on("event", lambda *arguments: calls.append(("namespace", *arguments)))
    client.emit("event", 1, [2])
    client.call("echo")
    assert calls == [("namespace", socket, 1, [2]), ("own", 1, [2])]


@pytest.mark.feature(64)
def test_on_is_a_decorator_or_a_call(serve: Servers, connect: Connect) -> None:
    site = serve()

    @site.io.on("decorated")
    def decorated(socket: Socket, value: int) -> int:
        return value + 1

    assert site.io.on("called", decorated) is decorated
    client = connect(site)
    assert client.call("decorated", 1) == [2]
    assert client.call("called", 2) == [3]


def test_once_and_off(serve: Servers, connect: Connect) -> None:
    site = serve()
    calls: list[str] = []
    site.io.once("event", lambda socket: calls.append("once"))
    every = site.io.on("event", lambda socket: calls.append("every"))
    first, second = connect(site), connect(site)
    first.call("echo", first.emit("event"))
    second.call("echo", second.emit("event"))
    assert calls == ["once", "every", "every"]
    site.io.off("event", every)
    first.call("echo", first.emit("event"))
    site.io.off("echo")
    assert calls == ["once", "every", "every"]
    assert not second.ask("echo").wait(0.02)


def test_handlers_may_be_registered_while_clients_are_here(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    site.io.on("later", lambda socket: "there")
    assert client.call("later") == ["there"]


def test_reserved_names_cannot_be_handled(serve: Servers) -> None:
    io = serve().io
    with pytest.raises(ValueError, match='called "connection"'):
        io.on("connect", lambda socket: None)
    with pytest.raises(ValueError, match="reserved"):
        io.of("/chat").once("newListener")(lambda: None)


@pytest.mark.parametrize("takes", [1, 2, 3])
def test_a_disconnect_handler_takes_what_it_wants(serve: Servers, connect: Connect, takes: int) -> None:
    site = serve()
    calls: list[Any] = []
    handlers: list[Any] = [
        lambda socket: calls.append((socket,)),
        lambda socket, reason: calls.append((socket, reason)),
        lambda socket, reason, description: calls.append((socket, reason, description)),
    ]
    for event in ("disconnecting", "disconnect"):
        site.io.on(event, handlers[takes - 1])
    connect(site).close()
    site.reached("disconnect", "/", "transport close")
    eventually(lambda: len(calls) == 2)
    everything = (site.sockets[0], "transport close", site.descriptions[0])
    assert calls == [everything[:takes]] * 2


@pytest.mark.feature(85)
def test_emit_and_send_reach_everyone_in_the_namespace_and_nobody_else(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    site.of("/chat")
    clients = [connect(site, transport) for transport in ("websocket", "polling", "websocket")]
    clients[0].join("/chat")
    site.io.emit("news", 1, b"binary")
    site.io.send("hello")
    site.io.of("/chat").emit("chat news")
    for client in clients:
        assert client.expect("news") == (1, b"binary")
        assert client.expect("message") == ("hello",)
        client.call("echo")
    assert clients[0].expect("chat news", namespace="/chat") == ()
    assert [client.events for client in clients] == [[], [], []]


def test_sockets_is_a_view_that_cannot_be_changed(serve: Servers, connect: Connect) -> None:
    site = serve()
    sockets = site.io.sockets
    assert sockets == {}
    client = connect(site)
    assert dict(sockets) == {client.joined["/"]: site.sockets[0]}
    with pytest.raises(TypeError):
        sockets["x"] = site.sockets[0]  # type: ignore[index]
    assert site.io.rooms() == {site.sockets[0].id}


def test_acknowledgement_ids_are_counted_by_the_namespace(serve: Servers) -> None:
    site = serve()
    numbers = [namespace.next_ack_id() for namespace in [site.io.of("/"), site.io.of("/"), site.of("/chat")]]
    assert numbers == [0, 1, 0]


def test_nobody_is_reached_before_anybody_has_connected() -> None:
    io = Server()
    io.emit("early", 1)
    io.to("room").emit("early")
    io.close()
    assert not io.engine.is_bound


@pytest.mark.feature(85)
def test_a_namespace_names_itself_and_is_made_once(serve: Servers) -> None:
    io = serve().io
    chat = io.of("chat")
    assert isinstance(chat, Namespace)
    assert chat is io.of("/chat")
    assert repr(chat) == "<Namespace /chat>"
    assert io.of("/") is io.of("")


@pytest.mark.feature(104)
def test_error_handlers_belong_to_their_namespace(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve()
    told: list[Any] = []

    @site.io.on_error
    def on_error(socket: Socket, event: str, error: Exception) -> None:
        told.append((socket.namespace.name, event, str(error)))

    def fail(socket: Socket) -> None:
        raise RuntimeError("text")

    site.of("/chat").on("fail", fail)
    site.io.on("fail", fail)
    client = connect(site)
    client.join("/chat")
    client.emit("fail", namespace="/chat")
    client.emit("fail")
    client.call("echo", namespace="/chat")
    client.call("echo")
    assert told == [("/", "fail", "text")]
    assert len(logged.take()) == 2
