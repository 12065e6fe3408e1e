"""Registering handlers, on servers, namespaces and sockets alike."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync import EventRefused, Socket
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient


def one(serve: Servers, connect: Connect, **options: Any) -> tuple[Running, SioClient, Socket]:
    site = serve(**options)
    client = connect(site)
    return site, client, site.sockets[0]


@pytest.mark.feature(61)
def test_once_off_prepend_and_listeners(serve: Servers, connect: Connect) -> None:
    site, client, socket = one(serve, connect)
    for place, extra in ((site.io, 1), (socket, 0)):
        steps: list[str] = []

        def first(*arguments: Any, steps: list[str] = steps) -> None:
            steps.append("first")

        @place.once("step")
        def once(*arguments: Any, steps: list[str] = steps) -> None:
            steps.append("once")

        @place.prepend("step")
        def prepended(*arguments: Any, steps: list[str] = steps, extra: int = extra) -> str:
            steps.append("prepended")
            return f"{len(arguments) - extra}"

        assert place.on("step", first) is first
        assert place.listeners("step") == [prepended, once, first]
        assert client.call("step", 1, 2) == ["2"]
        assert client.call("step") == ["0"]
        assert steps == ["prepended", "once", "first", "prepended", "first"]
        place.off("step", prepended)
        assert place.listeners("step") == [first]
        place.off("step")
        assert place.listeners("step") == []
        place.on("step", first)
        place.off()
        assert place.listeners("step") == []


@pytest.mark.feature(137)
def test_on_any_hears_of_every_event_before_its_handlers(serve: Servers, connect: Connect) -> None:
    site, client, socket = one(serve, connect)
    steps: list[Any] = []
    site.io.on("known", lambda socket, value: steps.append("handler"))
    site.io.on_any(lambda socket, event, *arguments: steps.append(("io", event, *arguments)))
    socket.on_any(lambda event, *arguments: steps.append(("socket", event, *arguments)))
    first = socket.prepend_any(lambda event, *arguments: steps.append("first"))
    assert socket.listeners_any()[0] is first
    client.emit("known", 1)
    client.emit("unknown", b"2")
    client.call("echo")
    assert steps == [
        ("io", "known", 1),
        "first",
        ("socket", "known", 1),
        "handler",
        ("io", "unknown", b"2"),
        "first",
        ("socket", "unknown", b"2"),
        ("io", "echo"),
        "first",
        ("socket", "echo"),
    ]
    site.io.off_any()
    socket.off_any(first)
    assert site.io.listeners_any() == []
    assert len(socket.listeners_any()) == 1


def test_what_it_returns_or_raises_changes_nothing(serve: Servers, connect: Connect, logged: Logged) -> None:
    site, client, _ = one(serve, connect)
    site.io.on_any(lambda *arguments: "not the answer")
    site.io.on_any(lambda *arguments: 1 / 0)
    assert client.call("echo", 1) == [1]
    (record,) = logged.take()
    assert record.exc_info is not None


@pytest.mark.feature(138)
def test_on_any_outgoing_hears_of_direct_events_and_of_broadcasts_for_each_recipient(
    serve: Servers, connect: Connect
) -> None:
    site, client, socket = one(serve, connect)
    connect(site)
    steps: list[Any] = []
    heard = site.io.on_any_outgoing(lambda socket, event, *values: steps.append((socket.id, event, *values)))
    socket.on_any_outgoing(lambda event, *values: steps.append((event, *values)))
    ids = [each.id for each in site.sockets]
    socket.emit("direct", 1)
    assert steps == [(ids[0], "direct", 1), ("direct", 1)]
    steps.clear()
    site.io.emit("all", 2)
    assert steps == [(ids[0], "all", 2), ("all", 2), (ids[1], "all", 2)]
    steps.clear()
    client.answers["who"] = lambda: ["me"]
    assert socket.call("who") == "me"
    # Acknowledgements aren't events.
    assert client.call("echo", 1) == [1]
    assert steps == [(ids[0], "who"), ("who",)]
    assert client.expect("direct") == (1,)
    assert site.io.listeners_any_outgoing() == [heard]
    site.io.off_any_outgoing(heard)
    socket.off_any_outgoing()
    site.io.emit("all")
    assert len(steps) == 2
    first = socket.prepend_any_outgoing(print)
    assert socket.listeners_any_outgoing() == [first]


@pytest.mark.feature(140)
@pytest.mark.feature(37)
def test_a_sockets_middleware_may_change_and_refuse_an_event(serve: Servers, connect: Connect) -> None:
    site, client, socket = one(serve, connect)
    errors: list[str] = []
    socket.on("error", errors.append)

    @socket.use
    def check(event: str, arguments: list[Any]) -> None:
        if event == "secret":
            raise EventRefused("unauthorized event")
        arguments.append("checked")

    site.collect("secret")
    assert client.call("echo", 1) == [1, "checked"]
    silent = client.ask("secret", 1)
    assert client.call("echo") == ["checked"]
    assert errors == ["unauthorized event"]
    assert site.events() == []
    # It is the answer to nothing: the client wasn't told.
    assert not silent.ready()


def test_a_sockets_middleware_refuses_with_an_error_ack_where_that_is_wanted(
    serve: Servers, connect: Connect
) -> None:
    _, client, socket = one(serve, connect, error_acks=True)

    @socket.use
    def check(event: str, arguments: list[Any]) -> None:
        raise EventRefused("no")

    assert client.call("echo") == [{"error": {"message": "no", "type": "EventRefused"}}]


def test_an_unexpected_error_in_a_sockets_middleware_is_logged(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    _site, client, socket = one(serve, connect)
    errors: list[str] = []
    socket.on("error", errors.append)
    raised = iter([KeyError("x")])

    def check(event: str, arguments: list[Any]) -> None:
        for error in raised:
            raise error

    socket.use(check)
    client.emit("echo")
    eventually(lambda: errors)
    assert errors == ["internal error"]
    (record,) = logged.take()
    assert record.exc_info is not None
    assert client.call("echo", 1) == [1]
