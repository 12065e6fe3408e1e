"""What handlers call: about their client, unless they name another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import request

from flask_socketio_sync import (
    SocketIOTestClient,
    call,
    close_room,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
    send,
)
from socketio_sync import NotConnected
from tests.flask_socketio_sync.conftest import Site


def got(client: SocketIOTestClient) -> list[Any]:
    return [(each["name"], each["args"]) for each in client.get_received()]


def run_in_handler(site: Site, client: SocketIOTestClient, function: Callable[[], Any]) -> Any:
    site.io.on_event("run", lambda: function() or True)
    return client.emit("run", callback=True)


@pytest.fixture
def three(site: Site) -> list[SocketIOTestClient]:
    """Return three clients; the first two are in the room ``a``."""
    site.io.on_event("enter", lambda: join_room("a"))
    clients = [site.client() for _ in range(3)]
    for client in clients[:2]:
        client.emit("enter")
    return clients


def sid(site: Site, client: SocketIOTestClient) -> str:
    site.io.on_event("sid", lambda: cast(Any, request).sid)
    return cast(str, client.emit("sid", callback=True))


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({}, [1, 0, 0]),
        ({"broadcast": True}, [1, 1, 1]),
        ({"broadcast": True, "include_self": False}, [0, 1, 1]),
        ({"to": "a"}, [1, 1, 0]),
        ({"room": "a"}, [1, 1, 0]),
        ({"to": ["a", "b"]}, [1, 1, 0]),
        ({"to": "a", "include_self": False}, [0, 1, 0]),
        ({"to": "nobody"}, [0, 0, 0]),
        ({"to": []}, [0, 0, 0]),
    ],
)
def test_emit_reaches_who_is_meant(
    site: Site, three: list[SocketIOTestClient], options: dict[str, Any], reached: list[int]
) -> None:
    run_in_handler(site, three[0], lambda: emit("news", 1, **options))
    assert [len(client.get_received()) for client in three] == reached


def test_some_may_be_left_out(site: Site, three: list[SocketIOTestClient]) -> None:
    sids = [sid(site, client) for client in three]
    run_in_handler(site, three[0], lambda: emit("news", broadcast=True, skip_sid=sids[1]))
    assert [len(client.get_received()) for client in three] == [1, 0, 1]
    run_in_handler(site, three[0], lambda: emit("news", broadcast=True, skip_sid=sids[1:]))
    assert [len(client.get_received()) for client in three] == [1, 0, 0]
    run_in_handler(site, three[0], lambda: emit("news", to=sids[2]))
    assert [len(client.get_received()) for client in three] == [0, 0, 1]


def test_arguments_are_those_of_the_event(site: Site) -> None:
    client = site.client()

    def many() -> None:
        emit("none")
        emit("none", None)
        emit("one", [1, 2])
        emit("two", 1, 2)
        emit("two", (1, 2))
        send("text")
        send({"a": b"x"}, json=True)

    run_in_handler(site, client, many)
    assert got(client) == [
        ("none", []),
        ("none", []),
        ("one", [[1, 2]]),
        ("two", [1, 2]),
        ("two", [1, 2]),
        ("message", "text"),
        ("json", {"a": b"x"}),
    ]


def test_the_extension_emits_to_all_by_default(site: Site, three: list[SocketIOTestClient]) -> None:
    site.io.emit("news", 1)
    site.io.send("text", to="a")
    assert [len(client.get_received()) for client in three] == [2, 2, 1]
    site.io.emit("news", namespace="/nobody")
    site.io.emit("news", to=[])
    assert [len(client.get_received()) for client in three] == [0, 0, 0]


def test_rooms_are_entered_left_and_closed(site: Site) -> None:
    client = site.client()
    own = sid(site, client)
    seen: list[Any] = []

    def move() -> None:
        join_room("a")
        join_room("b")
        leave_room("b")
        seen.append(sorted(rooms()))

    run_in_handler(site, client, move)
    assert seen == [sorted([own, "a"])]
    run_in_handler(site, client, lambda: close_room("a"))
    site.io.emit("news", to="a")
    assert client.get_received() == []
    with pytest.raises(NotConnected):
        run_in_handler(site, client, lambda: join_room("a", sid="nobody"))


def test_a_call_returns_the_answer_also_inside_handlers(site: Site) -> None:
    client = site.client()
    client.on("question", lambda value: value + 1)
    client.on("nothing", lambda: None)
    answers: list[Any] = []
    run_in_handler(site, client, lambda: answers.append((call("question", 1), call("nothing"))))
    assert answers == [(2, None)]
    with pytest.raises(TypeError, match="to=sid"):
        site.io.call("question")


def test_a_call_that_is_not_answered_is_a_timeout_error(site: Site) -> None:
    client = site.client()
    with pytest.raises(TimeoutError):
        run_in_handler(site, client, lambda: call("question", timeout=0.01))
    with pytest.raises(NotConnected):
        site.io.call("question", to="nobody")


def test_a_callback_gets_each_clients_answer(site: Site, three: list[SocketIOTestClient]) -> None:
    for number, client in enumerate(three):
        client.on("who", lambda number=number: number)
    answers: list[int] = []
    site.io.emit("who", callback=answers.append)
    for client in three:
        client.get_received()
    assert sorted(answers) == [0, 1, 2]


def test_disconnect_sends_a_client_away(site: Site, three: list[SocketIOTestClient]) -> None:
    other = sid(site, three[1])
    run_in_handler(site, three[0], lambda: disconnect(other))
    assert [client.is_connected() for client in three] == [True, False, True]
    site.io.on_event("leave", lambda: disconnect())
    three[0].emit("leave")
    assert not three[0].is_connected()
    run_in_handler(site, three[2], lambda: disconnect("nobody"))


@pytest.mark.parametrize("function", ["emit", "call"])
def test_an_unknown_option_is_a_type_error(site: Site, function: str) -> None:
    with pytest.raises(TypeError, match="brodcast"):
        getattr(site.io, function)("x", to="a", brodcast=True)
