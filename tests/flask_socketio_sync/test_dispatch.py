"""Connecting, disconnecting, and what handlers raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import request

from flask_socketio_sync import ConnectionRefusedError, Namespace, emit, join_room, rooms, send
from socketio_sync import ConnectionRefused
from socketio_sync.testing import TestClient
from tests.flask_socketio_sync.conftest import Site
from tests.support.logged import Logged, functions


def names(client: Any, namespace: str | None = None) -> list[str]:
    return [each["name"] for each in client.get_received(namespace)]


def test_a_connect_handler_may_emit_join_and_tell_all_including_the_newcomer(site: Site) -> None:
    @site.io.on("connect")
    def connect(auth: Any) -> None:
        join_room("lobby")
        emit("for you", auth)
        emit("somebody came", broadcast=True)
        send("to the lobby", to="lobby")

    first = site.client(auth={"name": "ann"})
    received = first.get_received()
    assert [each["name"] for each in received] == ["for you", "somebody came", "message"]
    assert received[0]["args"] == [{"name": "ann"}]
    site.client()
    assert names(first) == ["somebody came", "message"]


def test_a_client_that_says_nothing_has_none(site: Site) -> None:
    seen: list[Any] = []
    site.io.on_event("connect", lambda auth: seen.append(auth))
    site.client()
    site.client(auth={"a": 1})
    assert seen == [None, {"a": 1}]


@pytest.mark.parametrize(
    ("arguments", "message", "data"),
    [
        ((), "Connection rejected by server", None),
        (("no",), "no", None),
        (("no", {"why": 1}), "no", {"why": 1}),
        (("no", 1, 2), "no", [1, 2]),
    ],
)
def test_a_refusal_reaches_the_client(
    site: Site, arguments: tuple[Any, ...], message: str, data: Any
) -> None:
    @site.io.on("connect")
    def connect() -> None:
        raise ConnectionRefusedError(*arguments)

    with pytest.raises(ConnectionRefused) as refusal:
        TestClient(cast(Any, site.app.wsgi_app))
    assert (str(refusal.value), refusal.value.data) == (message, data)


def test_false_is_a_refusal_and_leaves_nothing(site: Site) -> None:
    gone: list[str] = []

    @site.io.on("connect")
    def connect() -> bool:
        join_room("lobby")
        return False

    site.io.on_event("disconnect", lambda reason: gone.append(reason))
    client = site.client()
    assert not client.is_connected()
    assert site.io.server is not None
    assert site.io.server.rooms() == frozenset()
    assert gone == []


def test_with_always_connect_a_client_is_in_before_it_is_sent_away(make_site: Callable[..., Site]) -> None:
    site = make_site(always_connect=True)
    site.io.on_event("connect", lambda: False)
    with pytest.raises(ConnectionRefused, match="io server disconnect"):
        TestClient(cast(Any, site.app.wsgi_app))


def test_disconnect_has_a_reason_and_the_clients_context(site: Site) -> None:
    seen: list[Any] = []
    site.io.on_event("disconnect", lambda reason: seen.append((reason, cast(Any, request).sid)))
    site.client().disconnect()
    ((reason, sid),) = seen
    assert reason == site.io.reason.CLIENT_DISCONNECT == "client disconnect"
    assert sid


def test_an_unknown_namespace_is_refused_unless_it_is_named(make_site: Callable[..., Site]) -> None:
    assert not make_site().client(namespace="/other").is_connected("/other")
    assert make_site(namespaces=["/other"]).client(namespace="/other").is_connected("/other")
    assert make_site(namespaces="*").client(namespace="/other").is_connected("/other")


def test_handlers_may_be_registered_while_clients_are_here(site: Site) -> None:
    client = site.client()
    site.io.on_event("late", lambda: "late")
    assert client.emit("late", callback=True) == "late"
    site.io.on_event("late", lambda: "later")
    assert client.emit("late", callback=True) == "later"


def test_several_values_are_a_tuple(site: Site) -> None:
    site.io.on_event("two", lambda: (1, 2))
    site.io.on_event("none", lambda: None)
    client = site.client()
    assert client.emit("two", callback=True) == [1, 2]
    assert client.emit("none", callback=True) == []


def test_what_the_error_handler_returns_is_the_answer(site: Site) -> None:
    site.io.on_event("fail", lambda: 1 / 0)
    site.io.on_event("fail", lambda: 1 / 0, namespace="/other")
    seen: list[BaseException] = []

    @site.io.on_error()
    def main(error: BaseException) -> str:
        seen.append(error)
        return "main"

    @site.io.on_error_default
    def default(error: BaseException) -> str:
        return "default"

    assert site.client().emit("fail", callback=True) == "main"
    assert isinstance(seen[0], ZeroDivisionError)
    assert site.client(namespace="/other").emit("fail", namespace="/other", callback=True) == "default"


def test_what_nobody_handles_is_raised_in_the_test_and_logged(site: Site) -> None:
    site.io.on_event("fail", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        site.client().emit("fail")


def test_t10_a_type_error_in_the_connect_handler_refuses_runs_it_once_and_shows_the_users_line(
    site: Site, logged: Logged
) -> None:
    ran: list[int] = []

    @site.io.on("connect")
    def connect() -> None:
        ran.append(1)
        raise TypeError("mine")

    with pytest.raises(ConnectionRefused, match="internal error"):
        TestClient(cast(Any, site.app.wsgi_app))
    assert ran == [1]
    (record,) = logged.take()
    assert functions(record)[-1] == "connect"


def test_an_event_that_nobody_handles_is_named_with_its_neighbour(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.io.on_event("chat message", lambda text: None)
    site.client().emit("chat mesage", "x")
    assert "did you mean 'chat message'?" in caplog.text


def test_an_object_without_the_method_handles_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    class Chat(Namespace):
        def on_connect(self) -> None:
            assert rooms()

    site.io.on_namespace(Chat("/chat"))
    client = site.client(namespace="/chat")
    client.emit("whatever", namespace="/chat")
    assert "nobody handles the event 'whatever'" in caplog.text
