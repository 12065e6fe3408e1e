"""The document of a server's events is valid, and says what handlers take and answer."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jsonschema
import msgspec
import pytest

from socketio_sync import NamespaceHandlers, Server, Socket, handles
from tests.interop.clients import install

ROOT = Path(__file__).resolve().parent.parent.parent


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Dog(msgspec.Struct, tag=True):
    name: str
    picture: bytes | None = None


class Order(msgspec.Struct):
    """What somebody wants."""

    product: str
    pets: list[Cat | Dog] = []
    place: tuple[float, float] | None = None


@functools.cache
def specification() -> jsonschema.Draft7Validator:
    """Return the specification's own schema."""
    modules = install()
    schema = json.loads((modules / "asyncapi-specs" / "schemas" / "3.0.0.json").read_text())
    return jsonschema.Draft7Validator(schema)


def valid(io: Server, **said: Any) -> dict[str, Any]:
    """Return the document of a server, as JSON says it, once it was validated."""
    document: dict[str, Any] = json.loads(json.dumps(io.asyncapi(**said)))
    specification().validate(document)
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            jsonschema.Draft7Validator.check_schema(message["payload"])
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)):
        at(document, reference)
    return document


def at(document: dict[str, Any], reference: str) -> Any:
    """Return what a reference leads to."""
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def fits(document: dict[str, Any], message: dict[str, Any], values: list[Any]) -> bool:
    """Tell whether values are what the payload of a message says."""
    schema = {**message["payload"], "components": document.get("components", {})}
    return bool(jsonschema.Draft7Validator(schema).is_valid(values))


def made(*handlers: tuple[str, Callable[..., Any]], **options: Any) -> Server:
    io = Server(**options)
    for event, handler in handlers:
        io.on(event, handler)
    return io


def order(socket: Socket, order: Order, express: bool = False) -> dict[str, int]:
    """Take an order.

    And charge
    for it.
    """
    return {"price": 1}


def test_a_server_without_handlers_has_a_valid_document() -> None:
    document = valid(Server())
    assert document["operations"] == {}
    assert document["channels"]["main"]["address"] == "/"


@pytest.mark.feature(144)
def test_an_event_is_described_by_its_handler() -> None:
    document = valid(made(("order", order)), title="Shop", version="2", description="*The* shop.")
    assert document["info"] == {"title": "Shop", "version": "2", "description": "*The* shop."}
    operation = document["operations"]["main.receive.order"]
    assert operation["action"] == "receive"
    assert operation["summary"] == "Take an order."
    assert operation["description"] == "And charge\nfor it."
    message = at(document, operation["messages"][0]["$ref"])
    assert message["name"] == "order"
    pets = [{"type": "Dog", "name": "Rex"}, {"type": "Cat"}]
    assert fits(document, message, [{"product": "tea", "pets": pets, "place": [1, 2.5]}, True])
    assert fits(document, message, [{"product": "tea"}])
    for wrong in ([], [{"product": 1}], [{"product": "tea"}, 1], [{"product": "tea"}, True, 1]):
        assert not fits(document, message, wrong)
    for wrong in ({"type": "Dog"}, {"type": "Bird"}):
        assert not fits(document, message, [{"product": "tea", "pets": [wrong]}])
    assert not fits(document, message, [{"product": "tea", "place": [1.0]}])


def test_the_answer_is_what_the_handler_returns() -> None:
    def nothing(socket: Socket) -> None: ...

    def several(socket: Socket) -> tuple[int, str]:
        return 1, "x"

    def perhaps(socket: Socket) -> int | None: ...

    def unknown(socket):  # type: ignore[no-untyped-def]
        ...

    named = [("order", order), ("nothing", nothing), ("several", several), ("perhaps", perhaps)]
    document = valid(made(*named, ("unknown", unknown)))
    fitting = {
        "order": ([[{"price": 1}]], [[], [{"price": "1"}]]),
        "nothing": ([[]], [[1]]),
        "several": ([[1, "x"]], [[1], ["x", 1]]),
        "perhaps": ([[], [1]], [["1"], [1, 1]]),
        "unknown": ([[], [1], [1, 2]], []),
    }
    for event, (right, wrong) in fitting.items():
        answer = document["channels"]["main"]["messages"][f"{event}.ack"]
        assert [fits(document, answer, values) for values in right] == [True] * len(right)
        assert [fits(document, answer, values) for values in wrong] == [False] * len(wrong)


def replies(document: dict[str, Any], operation: str) -> list[str]:
    return [
        message["$ref"].rpartition("/")[2]
        for message in document["operations"][operation]["reply"]["messages"]
    ]


def test_the_answer_may_be_an_error_where_clients_are_told_of_any() -> None:
    def plain(socket: Socket, value: Any) -> int:
        return 1

    document = valid(made(("order", order), ("plain", plain)))
    assert replies(document, "main.receive.order") == ["order.ack", "error.ack"]
    assert replies(document, "main.receive.plain") == ["plain.ack"]
    document = valid(made(("plain", plain), error_acks=True))
    assert replies(document, "main.receive.plain") == ["plain.ack", "error.ack"]
    error = document["channels"]["main"]["messages"]["error.ack"]
    assert fits(document, error, [{"error": {"message": "no", "type": "PayloadError"}}])


def test_arguments_of_which_nothing_is_said_may_be_anything() -> None:
    def rest(socket, first, *more):  # type: ignore[no-untyped-def]
        ...

    def checked_rest(socket: Socket, *more: int) -> None: ...

    def everything(*arguments):  # type: ignore[no-untyped-def]
        ...

    document = valid(
        made(("rest", rest), ("checked", checked_rest), ("everything", everything), ("in C", print))
    )
    messages = document["channels"]["main"]["messages"]
    assert fits(document, messages["rest"], [1, "a", None])
    assert not fits(document, messages["rest"], [])
    assert fits(document, messages["checked"], [1, 2, 3])
    assert not fits(document, messages["checked"], [1, "2"])
    assert fits(document, messages["everything"], [1, 2])
    assert fits(document, messages["in_C"], [1, 2])


def test_several_handlers_of_an_event_must_all_take_it() -> None:
    def first(socket: Socket, number: int) -> int:
        """Say the first."""
        return 1

    def second(socket: Socket, number: Literal[1, "x"]) -> str:
        return "x"

    document = valid(made(("both", first), ("both", second)))
    messages = document["channels"]["main"]["messages"]
    assert [fits(document, messages["both"], [value]) for value in (1, 2, "x")] == [True, False, False]
    assert [fits(document, messages["both.ack"], [value]) for value in (1, "a", None)] == [True, True, False]
    assert messages["both"]["summary"] == "Say the first."


def test_names_are_kept_whatever_stands_in_them() -> None:
    names = ["chat message", "chat/message", "chat_message", "~", "ü", "$ref", "a.ack", "a"]
    document = valid(made(*((name, order) for name in names)))
    messages = document["channels"]["main"]["messages"]
    received = [
        at(document, operation["messages"][0]["$ref"])["name"]
        for operation in document["operations"].values()
    ]
    assert received == names
    assert len(messages) == 2 * len(names) + 1


def test_bytes_are_attachments() -> None:
    def file(socket: Socket, content: bytes) -> None: ...

    document = valid(made(("file", file)))
    (item,) = document["channels"]["main"]["messages"]["file"]["payload"]["items"]
    assert item["allOf"] == [{"type": "string", "format": "binary"}]


def test_each_namespace_is_a_channel_and_each_parent_is_one() -> None:
    io = Server()

    class Chat(NamespaceHandlers):
        @handles("chat message")
        def message(self, socket: Socket, text: str) -> None:
            """Say something to all."""

    io.register(Chat("/chat"))
    io.register(Chat(re.compile(r"/room-\d+")))

    def tenant(name: str, auth: Any) -> bool:
        return name == "/tenant"

    io.of(tenant).on("order", order)
    assert io.adopt("/room-1", None) is not None
    document = valid(io)
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        "main": "/",
        "chat": "/chat",
        "room-_d": None,
        "tenant": None,
    }
    assert document["channels"]["room-_d"]["title"] == r"/room-\d+"
    assert document["operations"]["chat.receive.chat_message"]["summary"] == "Say something to all."


def test_what_the_server_emits_and_sockets_handle_is_described_by_hand() -> None:
    io = Server()
    io.describe("news", str, list[Order], summary="Something has happened.")
    io.describe("vote", ack=bool)
    io.of("/chat").describe("typing", str, incoming=True)
    document = valid(io)
    operations = document["operations"]
    assert {name: operation["action"] for name, operation in operations.items()} == {
        "main.send.news": "send",
        "main.send.vote": "send",
        "chat.receive.typing": "receive",
    }
    assert operations["main.send.news"]["summary"] == "Something has happened."
    messages = document["channels"]["main"]["messages"]
    assert fits(document, messages["news"], ["a", [{"product": "tea"}]])
    assert not fits(document, messages["news"], ["a"])
    assert fits(document, messages["vote"], [])
    assert fits(document, messages["vote.ack"], [True])
    assert "reply" not in operations["main.send.news"]


def test_what_cannot_be_described_is_refused() -> None:
    io = Server()
    with pytest.raises(TypeError, match="nothing that a client sends becomes"):
        io.describe("news", Server)
    with pytest.raises(ValueError, match="reserved"):
        io.describe("connect")


def test_a_type_that_is_not_checked_is_anything(caplog: pytest.LogCaptureFixture) -> None:
    def odd(socket: Socket, thing: Server) -> Server: ...

    document = valid(made(("odd", odd)))
    assert fits(document, document["channels"]["main"]["messages"]["odd"], [{"a": 1}])
    assert len(caplog.records) == 1


def test_the_server_and_the_encoding_are_told() -> None:
    document = valid(Server(path="/live"), host="chat.example.com")
    assert document["servers"]["main"]["pathname"] == "/live"
    assert document["defaultContentType"] == "application/json"
    assert valid(Server(parser="msgpack"))["defaultContentType"] == "application/msgpack"
