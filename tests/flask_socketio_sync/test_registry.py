"""Which handler an event has."""

from __future__ import annotations

from typing import Any

import pytest

from flask_socketio_sync import Namespace
from flask_socketio_sync.registry import Registry


class Chat(Namespace):
    def on_message(self, text: str) -> str:
        return f"object {text}"

    def on_connect(self) -> str:
        return "object connect"


def called(registry: Registry, namespace: str, event: str, *arguments: Any) -> Any:
    found = registry.find(namespace, event)
    if found is None:
        return None
    # Objects are told of the client, too.
    return found.call(*arguments) if found.owner is None else found.call("sid", *arguments)


def test_what_is_said_most_exactly_comes_first() -> None:
    registry = Registry()
    assert registry.find("/", "message") is None
    steps: list[tuple[str, str, Any]] = [
        ("*", "*", lambda event, data: ("* *", event, data)),
        ("*", "message", lambda data: ("* message", data)),
        ("/", "*", lambda event, data: ("/ *", event, data)),
        ("/", "message", lambda data: ("/ message", data)),
    ]
    seen = []
    for namespace, event, handler in steps:
        registry.add(namespace, event, handler)
        seen.append(called(registry, "/", "message", 1))
    assert seen == [("* *", "message", 1), ("* message", 1), ("/ *", "message", 1), ("/ message", 1)]
    assert called(registry, "/other", "message", 1) == ("* message", 1)


def test_the_last_function_counts() -> None:
    registry = Registry()
    registry.add("/", "message", lambda data: 1)
    registry.add("/", "message", lambda data: 2)
    assert called(registry, "/", "message", 0) == 2


def test_functions_come_before_objects() -> None:
    registry = Registry()
    registry.add_object(Chat("/chat"))
    assert called(registry, "/chat", "message", "x") == "object x"
    assert called(registry, "/chat", "connect", {"environ": 1}, {"a": 1}) == "object connect"
    assert registry.find("/chat", "other") is None
    registry.add("/chat", "*", lambda event, data: "function")
    assert called(registry, "/chat", "message", "x") == "function"


def test_catch_alls_do_not_hear_of_a_clients_life() -> None:
    registry = Registry()
    registry.add("/", "*", lambda event, *arguments: event)
    assert registry.find("/", "connect") is None
    assert registry.find("/", "disconnect") is None
    registry.add("*", "connect", lambda: "connect")
    assert called(registry, "/", "connect", None) == "connect"


def test_handlers_of_a_clients_life_take_what_they_want() -> None:
    registry = Registry()
    registry.add("/", "connect", lambda: "nothing")
    assert called(registry, "/", "connect", {"a": 1}) == "nothing"
    registry.add("/", "connect", lambda auth: auth)
    assert called(registry, "/", "connect", {"a": 1}) == {"a": 1}


def test_an_object_may_dispatch_by_itself() -> None:
    class Own(Namespace):
        def trigger_event(self, event: str, *arguments: Any) -> Any:
            return event, arguments

    registry = Registry()
    registry.add_object(Own("/own"))
    assert called(registry, "/own", "whatever", 1) == ("whatever", ("sid", 1))


def test_the_error_handler_is_the_objects_the_namespaces_or_the_default() -> None:
    class Careful(Chat):
        def error(self, error: BaseException) -> str:
            return "own"

    registry = Registry()
    registry.add_object(Careful("/careful"))
    registry.add_object(Chat("/chat"))

    def answer(namespace: str) -> Any:
        found = registry.find(namespace, "message")
        assert found is not None
        handler = registry.error_handler(namespace, found)
        return handler and handler(ValueError())

    assert answer("/careful") == "own"
    assert answer("/chat") is None
    registry.on_error_default = lambda error: "default"
    assert answer("/chat") == "default"
    registry.on_error["/chat"] = lambda error: "namespace"
    assert answer("/chat") == "namespace"
    assert answer("/careful") == "own"


def test_names_and_namespaces() -> None:
    registry = Registry()
    registry.add("/a", "x", lambda: None)
    registry.add("/a", "*", lambda event: None)
    registry.add("/a", "connect", lambda: None)
    registry.add_object(Chat("/chat"))
    assert registry.namespaces == ["/a", "/chat"]
    assert registry.events("/a") == ["x"]
    with pytest.raises(TypeError, match="'y' must be callable"):
        registry.add("/a", "y", "nothing")  # type: ignore[arg-type]


def test_a_handler_that_would_do_nothing_is_refused() -> None:
    async def lazy() -> None: ...

    def generator() -> Any:
        yield 1

    class Lazy(Namespace):
        async def on_message(self, text: str) -> None: ...

    registry = Registry()
    for handler in (lazy, generator):
        with pytest.raises(TypeError, match="must be a plain function"):
            registry.add("/", "x", handler)
    with pytest.raises(TypeError, match="'on_message' must be a plain function"):
        registry.add_object(Lazy("/"))
