"""Handlers are looked at once, at registration; the events of a socket's life are a table of their own."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import Any

import pytest

from socketio_sync import Server
from socketio_sync.server.handlers import MAX_COMPARED, RESERVED, Handlers, trimmed

LIFECYCLE = {"connection": 1, "disconnect": 3}


def calls(entries: Any) -> list[Any]:
    return [entry.call for entry in entries]


def test_handlers_of_one_event_run_in_order_of_registration() -> None:
    handlers = Handlers(LIFECYCLE)
    first, second = (lambda: 1), (lambda: 2)
    handlers.add("a", first)
    handlers.add("a", second)
    assert calls(handlers.events.get("a", ())) == [first, second]
    assert calls(handlers.events.get("b", ())) == []


def test_a_handler_may_be_put_before_the_others() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", repr)
    handlers.add("a", str, first=True)
    handlers.add("connection", print)
    assert handlers.functions("a") == [str, repr]
    assert handlers.functions("connection") == [print]


def test_all_handlers_are_removed_at_once() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", repr)
    handlers.add("connection", print)
    handlers.remove()
    assert handlers.names() == []
    assert handlers.of_lifecycle("connection") == ()


def test_a_copy_changes_by_itself() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", repr)
    handlers.add_any(print)
    copy = handlers.copy()
    copy.add("a", str)
    handlers.add("b", str)
    handlers.remove_any()
    assert handlers.functions("a") == [repr]
    assert copy.functions("a") == [repr, str]
    assert copy.functions("b") == []
    assert copy.incoming == (print,)


@pytest.mark.parametrize("outgoing", [False, True])
def test_who_hears_of_every_event_is_called_in_order(outgoing: bool) -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add_any(print, outgoing=outgoing)
    handlers.add_any(repr, outgoing=outgoing, first=True)
    heard = (lambda: handlers.outgoing) if outgoing else (lambda: handlers.incoming)
    assert heard() == (repr, print)
    handlers.remove_any(repr, outgoing=outgoing)
    assert heard() == (print,)
    handlers.remove_any(outgoing=outgoing)
    assert heard() == ()
    with pytest.raises(TypeError, match="must be callable"):
        handlers.add_any(42, outgoing=outgoing)  # type: ignore[arg-type]


def test_no_event_from_a_client_reaches_the_handlers_of_a_life() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("connection", lambda socket: None)
    assert len(handlers.of_lifecycle("connection")) == 1
    assert handlers.events.get("connection", ()) == ()
    assert handlers.names() == []


@pytest.mark.parametrize("name", RESERVED)
def test_names_that_nobody_can_emit_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Handlers(LIFECYCLE).add(name, lambda: None)


def test_connect_is_refused_with_the_right_name() -> None:
    with pytest.raises(ValueError, match="connection"):
        Handlers(LIFECYCLE).add("connect", lambda socket: None)


def test_a_handler_must_be_callable() -> None:
    with pytest.raises(TypeError, match="'a'"):
        Handlers(LIFECYCLE).add("a", 42)  # type: ignore[arg-type]


def test_off_removes_one_or_all() -> None:
    handlers = Handlers(LIFECYCLE)
    first, second = (lambda: 1), (lambda: 2)
    for event in ("a", "disconnect"):
        handlers.add(event, first)
        handlers.add(event, second)
    handlers.remove("a", first)
    handlers.remove("disconnect", second)
    assert calls(handlers.events.get("a", ())) == [second]
    assert len(handlers.of_lifecycle("disconnect")) == 1
    handlers.remove("a")
    handlers.remove("disconnect")
    handlers.remove("never registered")
    assert handlers.events.get("a", ()) == ()
    assert handlers.of_lifecycle("disconnect") == ()


def test_once_is_spent_once() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", lambda: None, once=True)
    handlers.add("a", print)
    # Two calls have looked at the table before either ran.
    (entry, _) = handlers.events.get("a", ())
    assert handlers.spend("a", entry)
    assert not handlers.spend("a", entry)
    assert calls(handlers.events.get("a", ())) == [print]


def test_a_call_sees_the_handlers_as_they_were_when_it_began() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", print)
    seen = handlers.events.get("a", ())
    handlers.remove("a")
    assert calls(seen) == [print]


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda: (), ()),
        (lambda a: (a,), (1,)),
        (lambda a, b: (a, b), (1, 2)),
        (lambda a, b, c: (a, b, c), (1, 2, 3)),
        (lambda a, b, c, d=4: (a, b, c, d), (1, 2, 3, 4)),
        (lambda *all: all, (1, 2, 3)),
        (lambda a, *, key=0: (a, key), (1, 0)),
    ],
)
def test_a_handler_gets_as_many_arguments_as_it_takes(function: Any, got: Any) -> None:
    assert trimmed(function, 3)(1, 2, 3) == got


def test_bound_methods_and_callables_without_a_signature_work() -> None:
    class Application:
        def disconnect(self, socket: Any) -> Any:
            return socket

    assert trimmed(Application().disconnect, 3)(1, 2, 3) == 1
    assert trimmed(dict, 1) is not None


def test_a_spent_handler_leaves_no_name_behind() -> None:
    handlers = Handlers(LIFECYCLE)
    handlers.add("a", print, once=True)
    (entry,) = handlers.events.get("a", ())
    assert handlers.spend("a", entry)
    assert handlers.names() == []


def test_no_handler_is_lost_or_spent_twice_when_threads_register_at_once() -> None:
    handlers = Handlers(LIFECYCLE)
    rounds, spent = range(300), []

    def register() -> None:
        for _ in rounds:
            handlers.add("a", print, once=True)
            handlers.add("a", repr)

    def spend() -> None:
        for _ in rounds:
            spent.extend(
                entry for entry in handlers.events.get("a", ()) if entry.once and handlers.spend("a", entry)
            )

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=target) for target in (register, spend) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    entries = handlers.events.get("a", ())
    assert len([entry for entry in entries if not entry.once]) == 4 * len(rounds)
    assert len([entry for entry in entries if entry.once]) + len(spent) == 4 * len(rounds)
    assert len(set(map(id, spent))) == len(spent)


async def asynchronous(*arguments: Any) -> None: ...


def generator(*arguments: Any) -> Any:
    yield


class Asynchronous:
    async def __call__(self, *arguments: Any) -> None: ...


@pytest.mark.parametrize("lazy", [asynchronous, generator, Asynchronous(), partial(asynchronous, 1)])
def test_a_function_that_runs_nothing_when_it_is_called_is_refused(lazy: Any) -> None:
    io = Server()
    parent = io.of(lambda name, auth: True)
    for target in (io, io.of("/a"), parent):
        for register in (target.on_any, target.on_any_outgoing, target.on_error, target.use):
            with pytest.raises(TypeError, match="plain function"):
                register(lazy)
        for event in ("event", "connection", "disconnect"):
            with pytest.raises(TypeError, match="plain function"):
                target.on(event, lazy)
        with pytest.raises(TypeError, match="plain function"):
            target.on_room("join-room", lazy)
    with pytest.raises(TypeError, match="plain function"):
        io.of(lazy)


def test_the_first_unknown_names_are_compared_with_those_there_are() -> None:
    handlers = Handlers({})
    handlers.add("chat message", print)
    assert handlers.nearest("chat mesage") == "chat message"
    assert handlers.nearest("something else") is None
    for number in range(MAX_COMPARED - 2):
        assert handlers.nearest(f"chat message {number}") == "chat message"
    assert handlers.nearest("chat massage") is None
    # What was compared once is known.
    assert handlers.nearest("chat mesage") == "chat message"
