"""Events of which there is a fixed number."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.engine.events import Events


class Thing(Events):
    EVENTS = ("a", "b")

    def __init__(self) -> None:
        self._listeners = None
        self.first: list[str] = []

    def _on_first(self, event: str) -> None:
        self.first.append(event)


def handler(*arguments: Any) -> None: ...


def another(*arguments: Any) -> None: ...


def test_handlers_are_kept_in_order_until_they_are_removed() -> None:
    thing = Thing()
    assert thing.listeners("a") == ()
    assert thing.on("a", handler) is handler
    assert thing.on("a")(another) is another
    assert thing.listeners("a") == (handler, another)
    assert thing.listeners("b") == ()
    thing.off("a", handler)
    thing.off("a", handler)
    thing.off("b")
    assert thing.listeners("a") == (another,)
    thing.on("a", handler)
    thing.off("a")
    assert thing.listeners("a") == ()


def test_the_first_handler_of_an_event_is_told() -> None:
    thing = Thing()
    thing.off("a")
    thing.on("a", handler)
    thing.on("a", another)
    thing.on("b", handler)
    assert thing.first == ["a", "b"]


def test_there_are_no_others() -> None:
    thing = Thing()
    for call in (thing.on, thing.off):
        with pytest.raises(ValueError, match="the events a, b; not 'c'"):
            call("c")
