"""Handlers as the methods of a class."""

from __future__ import annotations

from typing import Any

import pytest

from flask_socketio_sync import Namespace, request
from socketio_sync import NotConnected
from tests.flask_socketio_sync.conftest import Site


class Chat(Namespace):
    def on_connect(self, auth: Any) -> bool:
        return auth != {"name": "eve"}

    def on_disconnect(self) -> None:
        self.emit("left")

    def on_message(self, text: str) -> str:
        self.send(text)
        self.emit("said", text)
        return "ok"

    def on_close(self) -> None:
        self.close_room("a")

    def on_fail(self) -> None:
        raise ValueError("mine")

    def error(self, error: BaseException) -> str:
        return f"handled {error}"


def test_methods_handle_their_events(site: Site) -> None:
    site.io.on_namespace(Chat("/chat"))
    ann, bob = site.client(namespace="/chat"), site.client(namespace="/chat")
    assert ann.send("hello", callback=True, namespace="/chat") == "ok"
    expected = [("message", "hello"), ("said", ["hello"])]
    assert [(each["name"], each["args"]) for each in bob.get_received("/chat")] == expected
    assert ann.emit("fail", namespace="/chat", callback=True) == "handled mine"
    bob.disconnect("/chat")
    assert ann.get_received("/chat")[-1]["name"] == "left"
    assert not site.client(namespace="/chat", auth={"name": "eve"}).is_connected("/chat")
    ann.emit("close", namespace="/chat")


def test_one_method_may_handle_everything_and_is_told_of_the_client(site: Site) -> None:
    seen: list[Any] = []

    class Own(Namespace):
        def trigger_event(self, event: str, sid: str, *arguments: Any) -> Any:
            seen.append((event, sid == request.sid, arguments[-1]))
            return super().trigger_event(event, sid, *arguments)

        def on_connect(self, auth: Any) -> None:
            seen.append(auth)

        def on_double(self, value: int) -> int:
            return value * 2

    site.io.on_namespace(Own("/own"))
    client = site.client(namespace="/own", auth={"a": 1})
    assert client.emit("double", 21, namespace="/own", callback=True) == 42
    client.disconnect("/own")
    assert seen == [
        ("connect", True, {"a": 1}),
        {"a": 1},
        ("double", True, 21),
        ("disconnect", True, "client disconnect"),
    ]


def test_the_main_namespace_is_the_default(site: Site) -> None:
    site.io.on_namespace(Chat())
    assert site.client().emit("fail", callback=True) == "handled mine"


def test_something_else_is_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="a Namespace is wanted"):
        site.io.on_namespace(object())  # type: ignore[arg-type]


def test_single_clients_are_reached_by_their_id(site: Site) -> None:
    chat = Chat("/chat")
    site.io.on_namespace(chat)
    site.io.on_event("sid", lambda: request.sid, namespace="/chat")
    client = site.client(namespace="/chat")
    sid = client.emit("sid", namespace="/chat", callback=True)
    chat.enter_room(sid, "a")
    chat.enter_room(sid, "b")
    chat.leave_room(sid, "b")
    assert sorted(chat.rooms(sid)) == sorted([sid, "a"])
    with chat.session(sid) as session:
        session["x"] = 1
    assert chat.get_session(sid) == {"x": 1}
    chat.save_session(sid, {"y": 2})
    assert chat.get_session(sid) == {"y": 2}
    client.on("question", lambda value: value + 1, "/chat")
    assert chat.call("question", 1, to=sid) == 2
    chat.disconnect(sid)
    assert not client.is_connected("/chat")
    with pytest.raises(NotConnected):
        chat.rooms(sid)
