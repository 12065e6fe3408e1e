"""Handlers whose parameters are annotated get what they are annotated with, or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync import NamespaceHandlers, PayloadError, Server, Socket
from socketio_sync.server.typed import typed
from tests.support.logged import Logged
from tests.support.server import Servers
from tests.support.sio_client import Connect

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class Point(msgspec.Struct):
    x: int
    y: int = 0


@dataclass
class User:
    name: str
    age: int


class Message(TypedDict):
    text: str


class Pair(NamedTuple):
    left: int
    right: str


class Color(Enum):
    RED = "red"


Positive = Annotated[int, msgspec.Meta(gt=0)]


def converted(handler: Callable[..., Any], *arguments: Any) -> Any:
    return typed(handler, "event", 0)(*arguments)


def struct(point: Point) -> Any:
    return point


def data(user: User) -> Any:
    return user


def message(message: Message) -> Any:
    return message


def pair(pair: Pair) -> Any:
    return pair


def several(
    color: Color,
    when: datetime,
    key: UUID,
    points: list[Point],
    users: dict[str, User],
    maybe: Optional[Point],  # noqa: UP045 (both spellings must do)
    either: int | str,
    literal: Literal["a", "b"],
    positive: Positive,
    blob: bytes,
    anything: Any,
) -> Any:
    return (color, when, key, points, users, maybe, either, literal, positive, blob, anything)


def test_arguments_become_what_they_are_annotated_with() -> None:
    assert converted(struct, {"x": 1}) == Point(1)
    assert converted(data, {"name": "ann", "age": 5}) == User("ann", 5)
    assert converted(message, {"text": "hi"}) == {"text": "hi"}
    assert converted(pair, [1, "b"]) == Pair(1, "b")
    key = "12345678-1234-5678-1234-567812345678"
    sent = ["red", "2026-01-02T03:04:05Z", key, [{"x": 1}], {"a": {"name": "b", "age": 1}}]
    sent += [None, "c", "a", 1, b"d", {"free": [1]}]
    assert converted(several, *sent) == (
        Color.RED,
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        UUID(key),
        [Point(1)],
        {"a": User("b", 1)},
        None,
        "c",
        "a",
        1,
        b"d",
        {"free": [1]},
    )


@pytest.mark.parametrize(
    ("handler", "arguments", "text"),
    [
        (struct, [{"x": "1"}], "event: Expected `int`, got `str` - at `point.x`"),
        (struct, [5], "event: Expected `object`, got `int` - at `point`"),
        (struct, [{}], "event: Object missing required field `x` - at `point`"),
        (struct, [], "event: point is missing"),
        (struct, [{"x": 1}, 2], "event: 2 arguments, 1 are allowed"),
        (data, [{"name": "ann"}], "event: Object missing required field `age` - at `user`"),
        (pair, [[1]], "event: Expected `array` of length 2, got 1 - at `pair`"),
    ],
)
def test_a_mismatch_names_the_argument_and_the_place(handler: Any, arguments: Any, text: str) -> None:
    with pytest.raises(PayloadError) as raised:
        converted(handler, *arguments)
    assert str(raised.value) == text
    assert raised.value.event == "event"


def test_plain_types_are_strict() -> None:
    def plain(a: int, b: str = "default", c: float = 1.5) -> Any:
        return a, b, c

    assert converted(plain, 1) == (1, "default", 1.5)
    assert converted(plain, 1, "b", 2) == (1, "b", 2.0)
    for wrong in (["1"], [True], [1.5], [None], [1, 2], [1, "b", "c"]):
        with pytest.raises(PayloadError):
            converted(plain, *wrong)


def test_further_arguments_are_validated_each() -> None:
    def rest(first: int, *others: Point) -> Any:
        return first, others

    assert converted(rest, 1) == (1, ())
    assert converted(rest, 1, {"x": 1}, {"x": 2}) == (1, (Point(1), Point(2)))
    with pytest.raises(PayloadError, match=r"`others\.x`"):
        converted(rest, 1, {"x": 1}, {"x": "2"})


def test_a_handler_without_types_is_called_as_it_is() -> None:
    def untyped(socket: OnlyForTheChecker, a, b: Any, c: object = None) -> None: ...  # type: ignore[no-untyped-def]

    def spread(*arguments: Any, keyword: int = 5) -> None: ...

    for handler, leading in ((untyped, 1), (spread, 0), (print, 0), (max, 0), (lambda a, b: a, 0)):
        assert typed(handler, "event", leading) is handler


def test_the_annotation_of_the_socket_never_matters() -> None:
    def handler(socket: OnlyForTheChecker, point: Point) -> Any:
        return socket, point

    assert typed(handler, "event", 1)("socket", {"x": 1}) == ("socket", Point(1))


class Plotter:
    """Called like a function."""

    def __call__(self, point: Point) -> Any:
        return point

    def method(self, prefix: str, point: Point) -> Any:
        return point


@pytest.mark.parametrize(
    "handler",
    [
        Plotter(),
        partial(Plotter().method, "prefix"),
        partial(partial(Plotter().method), "prefix"),
        partial(Plotter()),
        wraps(struct)(lambda *arguments: struct(*arguments)),
        wraps(Plotter())(lambda *arguments: struct(*arguments)),
    ],
)
def test_whatever_can_be_called_may_be_annotated(handler: Any) -> None:
    assert converted(handler, {"x": 1}) == Point(1)
    with pytest.raises(PayloadError):
        converted(handler, {"x": "1"})


def test_an_annotation_that_cannot_be_resolved_is_named_at_registration() -> None:
    def handler(socket: Socket, amount: OnlyForTheChecker) -> None: ...

    with pytest.raises(TypeError, match=r"'pay'.*'OnlyForTheChecker' of 'amount'.*import it"):
        Server().on("pay", handler)


class Foreign:
    """Nothing that data could be."""


class Holder(msgspec.Struct):
    children: list[Holder]
    foreign: Optional[Foreign] = None  # noqa: UP045 (both spellings must do)


class Tree(msgspec.Struct):
    children: list[Tree]


def test_what_cannot_be_checked_comes_as_it_is_and_the_operator_is_told(logged: Logged) -> None:
    def callback(done: set[Callable[[], None]], point: Point) -> Any:
        return done, point

    def foreign(value: Foreign) -> Any:
        return value

    def inside(*values: dict[str, Holder]) -> Any:
        return values

    def either(value: str | bytes) -> Any:
        return value

    def tree(tree: Tree) -> Any:
        return tree

    assert converted(callback, 5, {"x": 1}) == (5, Point(1))
    assert converted(foreign, 5) == 5
    assert converted(inside, 1, 2) == (1, 2)
    assert converted(either, b"x") == b"x"
    assert [text.partition("isn't")[0] for text in logged.warnings()] == [
        "the handler of 'event': what comes as 'done' ",
        "the handler of 'event': what comes as 'value' ",
        "the handler of 'event': what comes as 'values' ",
        "the handler of 'event': what comes as 'value' ",
    ]
    assert converted(tree, {"children": [{"children": []}]}) == Tree([Tree([])])
    assert len(logged.warnings()) == 4


def test_a_parameter_that_cannot_be_passed_is_refused_at_registration() -> None:
    def handler(socket: Socket, *, keyword: int) -> None: ...

    with pytest.raises(TypeError, match="'keyword'"):
        Server().on("event", handler)


def test_types_of_a_function_around_are_found() -> None:
    class Local(msgspec.Struct):
        value: int

    def handler(local: Local) -> Any:
        return Local(local.value + 1)

    assert converted(handler, {"value": 1}) == Local(2)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_whatever_comes_is_taken_or_refused(value: Any) -> None:
    for handler in (struct, data, message, pair):
        try:
            result = converted(handler, value)
        except PayloadError:
            continue
        assert msgspec.to_builtins(result)


# -- over the wire ---------------------------------------------------------------------------------


@pytest.mark.feature(70)
def test_the_client_hears_of_a_mismatch_if_it_asked(serve: Servers, connect: Connect) -> None:
    site = serve()
    seen: list[Any] = []

    @site.io.on("move")
    def move(socket: Socket, point: Point) -> int:
        seen.append(point)
        return point.x

    client = connect(site)
    assert client.call("move", {"x": 5}) == [5]
    (answer,) = client.call("move", {"x": "5"})
    text = "move: Expected `int`, got `str` - at `point.x`"
    assert answer == {"error": {"message": text, "type": "PayloadError"}}
    assert seen == [Point(5)]


def test_else_the_error_handlers_do_and_the_operator(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    site.io.on("move", struct_handler)
    client = connect(site)
    (socket,) = site.sockets
    told: list[Any] = []
    site.io.on("error", lambda socket, description: told.append((socket.id, description)))
    socket.on("error", told.append)
    client.emit("move", 5)
    assert client.call("echo", 1) == [1]
    text = "move: Expected `object`, got `int` - at `point`"
    assert told == [(socket.id, text), text]
    (record,) = logged.take(logging.WARNING)
    assert record.exc_info is None
    assert text in record.getMessage()


def struct_handler(socket: Socket, point: Point) -> str:
    return "typed"


def test_other_handlers_still_run_and_their_answer_counts(serve: Servers, connect: Connect) -> None:
    site = serve()
    site.io.on("move", struct_handler)
    site.io.on("move", lambda socket, value: "untyped")
    client = connect(site)
    assert client.call("move", 5) == ["untyped"]
    assert client.call("move", {"x": 1}) == ["typed"]


def test_handlers_of_sockets_and_of_classes_are_typed_too(serve: Servers, connect: Connect) -> None:
    class Chat(NamespaceHandlers):
        def on_say(self, socket: Socket, message: Message) -> str:
            return message["text"]

    site = serve()
    site.io.register(Chat())
    client = connect(site)
    site.sockets[0].on("move", struct)
    assert client.call("say", {"text": "hi"}) == ["hi"]
    assert "PayloadError" in str(client.call("say", {}))
    assert client.call("move", {"x": 1}) == [{"x": 1, "y": 0}]
    assert "PayloadError" in str(client.call("move", "x"))


def test_a_typed_handler_gets_attachments_as_bytes(serve: Servers, connect: Connect) -> None:
    site = serve()

    def upload(socket: Socket, name: str, content: bytes) -> int:
        return len(content)

    site.io.on("upload", upload)
    client = connect(site)
    assert client.call("upload", "a.png", b"12345") == [5]
    assert "PayloadError" in str(client.call("upload", "a.png", "12345"))


def test_a_handler_may_refer_to_what_is_assigned_after_it_was_registered(
    serve: Servers, connect: Connect
) -> None:
    site = serve()

    # The annotations of this module are texts: they are looked up where the handler was defined.
    @site.io.on("later")
    def later(socket: Socket, number: int) -> int:
        return number + offset

    offset = 40
    assert connect(site).call("later", 2) == [42]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    x: int = 0
    role: Literal["admin", 1] = "admin"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"role": "token-7"}, "Invalid enum value - at `value.role`"),
        ({"role": "token-7' - at `x"}, "Invalid enum value - at `value.role`"),
        ({"role": "token-7\n"}, "Invalid enum value - at `value.role`"),
        ({"role": 70_007}, "Invalid enum value - at `value.role`"),
        ({"token-7": 1}, "Object contains unknown field - at `value`"),
        ({"x": "token-7"}, "Expected `int`, got `str` - at `value.x`"),
    ],
)
def test_what_was_sent_stands_in_the_log_at_debug_only(
    serve: Servers, connect: Connect, logged: Logged, value: Any, text: str
) -> None:
    site = serve()

    @site.io.on("set")
    def set_it(socket: Socket, value: Strict) -> None: ...

    debug = logged.debug("socketio_sync.server.dispatch")
    client = connect(site)
    client.emit("set", value)
    client.call("echo")
    (line,) = logged.warnings()
    assert line == f"socket {site.sockets[0].id}: not what the handler takes: {f'set: {text}'!r}"
    assert len([line for line in debug() if "not what the handler takes" in line]) == 2


@dataclass
class Colour:
    name: str

    def __post_init__(self) -> None:
        raise ValueError(f"unknown colour {self.name!r}")


@pytest.mark.parametrize("text", ["token-7", "'" * 900_000, "x` - at `" * 90_000, "Invalid value '" * 60_000])
def test_what_converters_say_of_it_stands_there_neither_and_costs_no_time(
    serve: Servers, connect: Connect, logged: Logged, text: str
) -> None:
    site = serve()

    @site.io.on("paint")
    def paint(socket: Socket, colour: Colour) -> None: ...

    client = connect(site)
    begin = time.process_time()
    client.emit("paint", {"name": text})
    client.call("echo")
    # What isn't in proportion to its length takes minutes.
    assert time.process_time() - begin < 5
    (line,) = logged.warnings()
    assert "paint: a value that isn" in line
    assert "token-7" not in line
