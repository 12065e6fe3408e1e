"""Who may come in: the functions that a namespace asks before a client joins."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from socketio_sync import ConnectionRefused, Socket
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect


def refused(error: Exception) -> None:
    raise error


@pytest.mark.feature(33)
def test_middlewares_run_in_order_and_may_block(serve: Servers, connect: Connect) -> None:
    site = serve()
    steps: list[Any] = []

    @site.io.use
    def first(socket: Socket) -> None:
        gevent.sleep(0.01)
        socket.data["user"] = socket.handshake.auth["user"]
        steps.append("first")

    site.io.use(lambda socket: steps.append(("second", socket.connected, socket.data["user"])))
    site.io.on("connection", lambda socket: steps.append(("connection", socket.connected)))
    connect(site, auth={"user": "ann"}).call("echo")
    assert steps == ["first", ("second", False, "ann"), ("connection", True)]


@pytest.mark.parametrize(
    ("error", "payload"),
    [
        (ConnectionRefused("not you"), {"message": "not you"}),
        (ConnectionRefused("later", {"retry": 5}), {"message": "later", "data": {"retry": 5}}),
        (ConnectionRefused(), {"message": "connection refused"}),
    ],
)
@pytest.mark.feature(34)
def test_a_middleware_refuses_and_the_connection_stays(
    serve: Servers, connect: Connect, error: Exception, payload: Any
) -> None:
    site: Running = serve()
    site.of("/private").use(lambda socket: refused(error))
    client = connect(site)
    assert client.refusal("/private") == payload
    assert client.call("echo", 1) == [1]
    assert site.record == [("connection", "/")]
    assert site.io.of("/private").sockets == {}


def test_the_text_of_an_unexpected_error_in_a_middleware_stays_here(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    later: list[Any] = []
    site.io.use(lambda socket: refused(KeyError("secret token")))
    site.io.use(later.append)
    client = connect(site, join=False)
    assert client.refusal() == {"message": "internal error"}
    (record,) = logged.take(logging.WARNING)
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "KeyError('secret token')"
    assert later == []


BEFORE = ['42["early"]', "430[]", "41", '451-["early",{"_placeholder":true,"num":0}]', "40"]


@pytest.mark.parametrize("packet", BEFORE)
def test_anything_before_the_middlewares_have_admitted_ends_the_connection(
    serve: Servers, connect: Connect, packet: str
) -> None:
    site: Running = serve()
    go, asked = Event(), Event()
    site.collect("early")
    site.io.use(lambda socket: (asked.set(), go.wait()))
    client = connect(site, join=False)
    client.ask_to_join()
    asked.wait(5)
    client.send(packet)
    assert client.closed.wait(5)
    go.set()
    eventually(lambda: site.io.engine.runtime.workers.busy == 0)
    assert site.record == []
    assert client.joined == {}


def test_a_client_that_leaves_while_a_middleware_blocks_never_connects(
    serve: Servers, connect: Connect
) -> None:
    site: Running = serve()
    go, asked = Event(), Event()
    site.io.use(lambda socket: (asked.set(), go.wait()))
    client = connect(site, join=False)
    client.ask_to_join()
    asked.wait(5)
    client.kill()
    eventually(lambda: site.io.engine.clients_count == 0)
    go.set()
    eventually(lambda: site.io.engine.runtime.workers.busy == 0)
    assert site.record == []
    assert site.io.sockets == {}


def test_other_namespaces_are_joined_while_a_middleware_blocks(serve: Servers, connect: Connect) -> None:
    site: Running = serve()
    go = Event()
    site.of("/quick")
    site.io.use(lambda socket: go.wait())
    client = connect(site, join=False)
    client.ask_to_join()
    client.join("/quick")
    assert client.call("echo", 1, namespace="/quick") == [1]
    assert site.record == [("connection", "/quick")]
    go.set()
    client.wait(lambda: "/" in client.joined)


@pytest.mark.parametrize("eio", [3, 4])
def test_a_refusal_reaches_the_client_whatever_is_wrong_with_its_data(
    serve: Servers, logged: Logged, eio: int
) -> None:
    site = serve()

    @site.io.of("/refused").use
    def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no", {"object": object()})

    ws = site.websocket(f"EIO={eio}&transport=websocket")
    if eio == 3:
        assert ws.text() == "40"
    ws.send("40/refused,")
    assert ws.text() == ('44/refused,"no"' if eio == 3 else '44/refused,{"message":"no"}')
    (record,) = logged.take()
    assert "/refused" in record.getMessage()


def test_what_a_middleware_joins_the_client_is_in_once_it_is_let_in(serve: Servers, connect: Connect) -> None:
    site = serve()
    seen: list[Any] = []

    @site.io.use
    def join(socket: Socket) -> None:
        seen.append(socket)
        socket.join("room")
        site.io.to("room").emit("early")
        assert site.io.to("room").timeout(5).call("early") == []
        assert site.io.to("room").fetch_sockets() == []
        if socket.handshake.auth:
            raise ConnectionRefused("not you")

    assert connect(site, join=False).refusal(auth={"refused": True})
    assert site.io.rooms() == frozenset()
    client = connect(site)
    (socket,) = site.sockets
    assert socket.rooms == {socket.id, "room"}
    site.io.to("room").emit("news")
    client.expect("news")
    assert client.events == []
    # Who was refused is out for good.
    seen[0].join("room")
    assert seen[0].rooms == frozenset()


@pytest.mark.parametrize("registered", ["middleware", "matcher"])
def test_who_is_asked_and_killed_or_exits_keeps_nobody_from_trying_again(
    serve: Servers, connect: Connect, logged: Logged, reported: list[type[BaseException]], registered: str
) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    errors: list[BaseException] = [gevent.GreenletExit(), SystemExit(3)]

    def ask(*arguments: Any) -> bool:
        if errors:
            raise errors.pop(0)
        return True

    parent = site.io.of(ask if registered == "matcher" else lambda name, auth: True)
    if registered == "middleware":
        parent.use(ask)
    client = connect(site)
    assert client.refusal("/a")
    assert len(logged.take()) == 1
    client.ask_to_join("/a")
    eventually(lambda: reported == [SystemExit])
    assert list(site.io.namespaces) == ["/"]
    client.join("/a")
