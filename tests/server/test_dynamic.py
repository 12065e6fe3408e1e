"""Namespaces that are made when a client asks for them."""

from __future__ import annotations

import logging
import re
from typing import Any

import gevent
import pytest

from socketio_sync import ConnectionRefused, ParentNamespace, Server, Socket
from tests.support.logged import Logged
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect

DYN = re.compile(r"/dyn-\d+")


def refuse(socket: Socket) -> None:
    raise ConnectionRefused("not you")


@pytest.mark.feature(88)
def test_a_pattern_must_match_the_whole_name(serve: Servers, connect: Connect) -> None:
    site = serve()
    parent = site.io.of(DYN)
    parent.on("connection", lambda socket: socket.emit("welcome", socket.namespace.name))
    client = connect(site)
    client.join("/dyn-1")
    assert client.expect("welcome", namespace="/dyn-1") == ("/dyn-1",)
    for name in ("/dyn-", "/dyn-1x", "/x/dyn-1", "/other"):
        assert client.refusal(name) == {"message": "Invalid namespace"}
    assert list(parent.children) == ["/dyn-1"]
    assert site.io.of(DYN) is parent
    assert site.io.of("/dyn-1") is parent.children["/dyn-1"]


@pytest.mark.feature(89)
def test_a_function_is_asked_with_name_and_auth_and_may_block(serve: Servers, connect: Connect) -> None:
    site = serve()
    asked: list[Any] = []

    def matches(name: str, auth: Any) -> bool:
        gevent.sleep(0.001)
        asked.append((name, auth))
        return bool(auth.get("token") == "right")

    site.io.of(matches)
    client = connect(site)
    assert client.refusal("/a", {"token": "wrong"}) == {"message": "Invalid namespace"}
    client.join("/a", {"token": "right"})
    assert asked == [("/a", {"token": "wrong"}), ("/a", {"token": "right"})]
    # One that exists isn't asked for.
    connect(site).join("/a")
    assert len(asked) == 2


def test_a_function_that_raises_makes_no_namespace(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve()
    site.io.of(lambda name, auth: 1 / 0)
    assert connect(site).refusal("/a") == {"message": "Invalid namespace"}
    (record,) = logged.take()
    assert "a namespace's name" in record.getMessage()


def test_the_first_parent_that_matches_makes_the_namespace(serve: Servers, connect: Connect) -> None:
    site = serve()
    first, second = site.io.of(re.compile("/a.*")), site.io.of(lambda name, auth: True)
    client = connect(site)
    client.join("/ab")
    client.join("/b")
    assert list(first.children) == ["/ab"]
    assert list(second.children) == ["/b"]


def test_children_have_what_is_registered_with_the_parent_before_and_after(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    parent = site.io.of(DYN)
    steps: list[Any] = []
    parent.use(lambda socket: steps.append(("use", socket.namespace.name)))
    parent.on("before", lambda socket: "before")
    parent.on_any(lambda socket, event, *arguments: steps.append(event))
    client = connect(site)
    client.join("/dyn-1")
    parent.on("after", lambda socket: "after")
    site.io.of("/dyn-1").on("own", lambda socket: "own")
    client.join("/dyn-2")
    for name in ("/dyn-1", "/dyn-2"):
        assert client.call("before", namespace=name) == ["before"]
        assert client.call("after", namespace=name) == ["after"]
    assert client.call("own", namespace="/dyn-1") == ["own"]
    assert site.io.of("/dyn-2").listeners("own") == []
    parent.off("before")
    assert site.io.of("/dyn-1").listeners("before") == []
    assert steps == [("use", "/dyn-1"), ("use", "/dyn-2"), "before", "after", "before", "after", "own"]


@pytest.mark.feature(90)
def test_a_parent_reaches_all_children(serve: Servers, connect: Connect) -> None:
    site = serve()
    parent = site.io.of(DYN)
    chain = parent.except_("nobody")
    client = connect(site)
    assert parent.fetch_sockets() == []
    assert parent.call("who") == []
    for name in ("/dyn-1", "/dyn-2"):
        client.join(name)
    client.answers["who"] = lambda: ["here"]
    chain.emit("news", 1)
    for name in ("/dyn-1", "/dyn-2"):
        assert client.expect("news", namespace=name) == (1,)
    ids = {client.joined["/dyn-1"], client.joined["/dyn-2"]}
    assert {socket.id for socket in parent.fetch_sockets()} == ids
    assert parent.call("who") == ["here", "here"]
    assert parent.call_each("who").keys() == ids
    parent.sockets_join("room")
    parent.to("room").emit("roomy")
    client.expect("roomy", namespace="/dyn-2")
    parent.disconnect_sockets()
    client.wait(lambda: sorted(client.left) == ["/dyn-1", "/dyn-2"])


@pytest.mark.feature(92)
def test_new_namespaces_are_told_of_each_once(serve: Servers, connect: Connect) -> None:
    site = serve()
    told: list[str] = []

    @site.io.on("new_namespace")
    def new_namespace(namespace: Any) -> None:
        told.append(namespace.name)

    site.io.of("/static")
    site.io.of("static")
    site.io.of(DYN)
    client = connect(site)
    client.join("/dyn-1")
    connect(site).join("/dyn-1")
    assert told == ["/static", "/dyn-1"]
    # No client can emit it.
    client.emit("new_namespace", "x")
    client.call("echo")
    assert told == ["/static", "/dyn-1"]


def test_new_namespace_is_an_event_like_the_others(serve: Servers) -> None:
    io = serve().io
    told: list[Any] = []
    once = io.once("new_namespace", lambda namespace: told.append(namespace.name))
    every = io.on("new_namespace", lambda: told.append("every"))
    first = io.prepend("new_namespace", lambda: told.append("first"))
    assert io.listeners("new_namespace") == [first, once, every]
    io.of("/a")
    assert told == ["first", "/a", "every"]
    io.of("/b")
    assert told[3:] == ["first", "every"]
    io.off("new_namespace", every)
    assert io.listeners("new_namespace") == [first]
    io.off()
    io.of("/c")
    assert told[5:] == []


def test_an_empty_child_stays_by_default(serve: Servers, connect: Connect) -> None:
    site = serve()
    parent = site.io.of(DYN)
    client = connect(site)
    client.join("/dyn-1")
    child = site.io.of("/dyn-1")
    client.disconnect("/dyn-1")
    eventually(lambda: not child.sockets)
    client.call("echo")
    assert list(parent.children) == ["/dyn-1"]


@pytest.mark.feature(91)
def test_an_empty_child_is_forgotten_if_that_is_wanted(serve: Servers, connect: Connect) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    parent = site.io.of(DYN)
    first, second = connect(site), connect(site)
    first.join("/dyn-1")
    second.join("/dyn-1")
    child = site.io.of("/dyn-1")
    first.disconnect("/dyn-1")
    eventually(lambda: len(child.sockets) == 1)
    assert site.io.namespaces["/dyn-1"] is child
    second.kill()
    eventually(lambda: "/dyn-1" not in site.io.namespaces)
    assert parent.children == {}
    # A static one stays.
    first.join("/dyn-1")
    assert site.io.of("/dyn-1") is not child


@pytest.mark.feature(93)
def test_a_child_that_refuses_everybody_is_forgotten_too(serve: Servers, connect: Connect) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    site.io.of(DYN).use(refuse)
    client = connect(site)
    for number in range(5):
        assert client.refusal(f"/dyn-{number}") == {"message": "not you"}
    assert list(site.io.namespaces) == ["/"]


def test_a_client_in_the_middlewares_keeps_its_namespace(serve: Servers, connect: Connect) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    gate = gevent.event.Event()
    slow: list[Socket] = []

    def wait(socket: Socket) -> None:
        if socket.handshake.auth:
            slow.append(socket)
            gate.wait(5)

    site.io.of(DYN).use(wait)
    first, second = connect(site), connect(site)
    first.join("/dyn-1")
    second.ask_to_join("/dyn-1", {"slow": True})
    eventually(lambda: slow)
    first.kill()
    eventually(lambda: not site.io.namespaces["/dyn-1"].sockets)
    gate.set()
    second.wait(lambda: "/dyn-1" in second.joined)
    assert site.io.namespaces["/dyn-1"] is slow[0].namespace


def test_a_late_disconnect_handler_does_not_forget_the_namespace_that_has_its_name_by_now(
    serve: Servers, connect: Connect
) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    parent = site.io.of(DYN)
    gate = gevent.event.Event()
    steps: list[str] = []

    def disconnect(socket: Socket) -> None:
        if not steps:
            steps.append("waits")
            gate.wait(5)
        steps.append("over")

    parent.on("disconnect", disconnect)
    first, second, third = connect(site), connect(site), connect(site)
    first.join("/dyn-1")
    second.join("/dyn-1")
    first.disconnect("/dyn-1")
    eventually(lambda: steps)
    second.disconnect("/dyn-1")
    eventually(lambda: "/dyn-1" not in site.io.namespaces)
    third.join("/dyn-1")
    child = site.io.of("/dyn-1")
    gate.set()
    eventually(lambda: steps == ["waits", "over", "over"])
    first.call("echo")
    assert site.io.namespaces["/dyn-1"] is parent.children["/dyn-1"] is child
    assert len(child.sockets) == 1


def test_a_namespace_of_which_the_application_is_being_told_is_not_forgotten(
    serve: Servers, connect: Connect
) -> None:
    site = serve(cleanup_empty_child_namespaces=True)
    site.io.of(DYN)
    gate = gevent.event.Event()
    made: list[Any] = []

    @site.io.on("new_namespace")
    def new_namespace(namespace: Any) -> None:
        made.append(namespace)
        gate.wait(5)

    first, second = connect(site), connect(site)
    first.ask_to_join("/dyn-1")
    eventually(lambda: made)
    second.join("/dyn-1")
    second.disconnect("/dyn-1")
    second.call("echo")
    gate.set()
    first.wait(lambda: "/dyn-1" in first.joined)
    assert site.io.namespaces["/dyn-1"] is made[0]
    assert len(made) == 1
    first.disconnect("/dyn-1")
    eventually(lambda: "/dyn-1" not in site.io.namespaces)


@pytest.mark.parametrize("wrong", [None, 5, b"/x", ["/x"]])
def test_a_namespace_is_a_name_a_pattern_or_a_function(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Server().of(wrong)


def test_a_client_asks_for_no_more_namespaces_than_allowed(serve: Servers, connect: Connect) -> None:
    site = serve(max_namespaces=2)
    assert isinstance(site.io.of(lambda name, auth: True), ParentNamespace)
    client = connect(site)
    client.join("/one")
    client.ask_to_join("/two")
    assert client.closed.wait(5)
    assert sorted(site.io.namespaces) == ["/", "/one"]


@pytest.mark.feature(87)
@pytest.mark.feature(139)
def test_a_parent_may_take_every_name_and_hear_of_every_event(serve: Servers, connect: Connect) -> None:
    site = serve()
    heard: list[Any] = []
    parent = site.io.of(lambda name, auth: True)
    parent.on_any(lambda socket, event, *values: heard.append((socket.namespace.name, event, *values)))
    parent.on("ping", lambda socket: socket.namespace.name)
    client = connect(site)
    for name in ("/a", "/b/c"):
        client.join(name)
        assert client.call("ping", namespace=name) == [name]
        client.emit("other", 1, namespace=name)
        assert client.call("ping", namespace=name) == [name]
    assert heard == [
        (name, *event) for name in ("/a", "/b/c") for event in (("ping",), ("other", 1), ("ping",))
    ]


@pytest.mark.parametrize("event", ["fails", "nobody's"])
def test_a_name_that_a_client_has_chosen_forges_no_line_of_the_log(
    serve: Servers, connect: Connect, logged: Logged, event: str
) -> None:
    site = serve()
    site.io.of(re.compile(r"(?s)/.+")).on("fails", lambda socket: 1 / 0)
    client = connect(site)
    client.join("/a\nERROR root: forged \x1b[31m")
    client.emit("fails" if event == "fails" else "unknown", namespace="/a\nERROR root: forged \x1b[31m")
    (record,) = eventually(lambda: logged.take(logging.WARNING))
    assert record.getMessage().isprintable()
    assert "forged" in record.getMessage()
