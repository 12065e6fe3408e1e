"""The events of a server as an AsyncAPI 3 document: a namespace is a channel, an event an operation.

Specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0; schemas are JSON Schema, draft 7.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from socketio_sync.server.handlers import Handler
from socketio_sync.server.hooks import Described, Hooks
from socketio_sync.server.signatures import Argument, answer_of, arguments_of, checked

VERSION = "3.0.0"

_SCHEMAS = "#/components/schemas/"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
# What stands under these keys of a schema is data.
_DATA = ("default", "const", "enum", "examples")
_ERROR = {
    "name": "error",
    "summary": "The event couldn't be handled.",
    "payload": {
        "type": "array",
        "items": [
            {
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": {"message": {"type": "string"}, "type": {"type": "string"}},
                        "required": ["message"],
                    }
                },
                "required": ["error"],
            }
        ],
        "minItems": 1,
        "additionalItems": False,
    },
}


class Place(NamedTuple):
    """What becomes a channel: a namespace, or the parent of some.

    Attributes:
        name: Of the namespace; None where the names aren't known.
        title: What to call it.
        hooks: What is registered there.
    """

    name: str | None
    title: str
    hooks: Hooks


def document(
    info: dict[str, Any], servers: dict[str, Any], places: Iterable[Place], *, binary: bool, error_acks: bool
) -> dict[str, Any]:
    """Return the document, of plain values that JSON can say.

    Args:
        info: The object of this name.
        servers: The object of this name; may be empty.
        places: Where handlers are registered.
        binary: Whether packets are MessagePack.
        error_acks: Whether clients are told of whatever a handler raises.

    Raises:
        TypeError: An annotation can't be resolved any more.
    """
    schemas = _Schemas()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for place in places:
        name = _free(_slug(place.title.strip("/")) or "main", channels)
        channel = _Channel(name, place, schemas, error_acks)
        channels[name] = channel.described()
        operations.update(channel.operations)
    said: dict[str, Any] = {
        "asyncapi": VERSION,
        "info": info,
        "defaultContentType": "application/msgpack" if binary else "application/json",
        "channels": channels,
        "operations": operations,
    }
    if servers:
        said["servers"] = servers
    components = schemas.resolve()
    if components:
        said["components"] = {"schemas": components}
    return said


class _Channel:
    """One channel, and the operations on it."""

    def __init__(self, name: str, place: Place, schemas: _Schemas, error_acks: bool) -> None:
        self._name = name
        self._place = place
        self._schemas = schemas
        self._error_acks = error_acks
        self._messages: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        for event, entries in tuple(place.hooks.handlers.events.items()):
            self._receive(event, [entry.function for entry in entries])
        for described in tuple(place.hooks.described):
            self._add_described(described)

    def described(self) -> dict[str, Any]:
        """Return the channel."""
        return {
            "address": self._place.name,
            "title": self._place.title,
            "description": "A Socket.IO namespace. A payload is the list of an event's arguments, or of the "
            "values of an acknowledgement.",
            "messages": self._messages,
        }

    def _receive(self, event: str, handlers: Sequence[Handler]) -> None:
        taken = [arguments_of(handler, event, 1) for handler in handlers]
        known = [arguments for arguments in taken if arguments is not None]
        checks = any(argument.type is not Any for arguments in known for argument in arguments)
        message = {"payload": _combined("allOf", [self._payload(arguments) for arguments in known])}
        answer = _combined("anyOf", [self._answer(answer_of(handler)) for handler in handlers])
        self._add("receive", event, message, _said_of(handlers), answer, checks or self._error_acks)

    def _add_described(self, described: Described) -> None:
        arguments = [Argument("", type_, True, False) for type_ in described.types]
        answer = None if described.ack is None else self._answer(described.ack)
        action = "receive" if described.incoming else "send"
        summary = {"summary": described.summary} if described.summary else {}
        fails = described.incoming and answer is not None and self._error_acks
        self._add(action, described.event, {"payload": self._payload(arguments)}, summary, answer, fails)

    def _add(
        self,
        action: str,
        event: str,
        message: dict[str, Any],
        said: dict[str, str],
        answer: dict[str, Any] | None,
        fails: bool,
    ) -> None:
        name = _free(_slug(event) or "event", self._messages)
        channel = {"$ref": f"#/channels/{self._name}"}
        self._messages[name] = {"name": event, **said, **message}
        operation = {"action": action, "channel": channel, **said, "messages": [self._message(name)]}
        if answer is not None:
            reply = _free(f"{name}.ack", self._messages)
            self._messages[reply] = {"name": f"acknowledgement of {event}", "payload": answer}
            messages = [self._message(reply)]
            if fails:
                self._messages["error.ack"] = _ERROR
                messages.append(self._message("error.ack"))
            operation["reply"] = {"channel": channel, "messages": messages}
        self.operations[_free(f"{self._name}.{action}.{name}", self.operations)] = operation

    def _message(self, name: str) -> dict[str, str]:
        return {"$ref": f"#/channels/{self._name}/messages/{name}"}

    def _payload(self, arguments: Sequence[Argument]) -> dict[str, Any]:
        fixed = [argument for argument in arguments if not argument.repeated]
        items = []
        for argument in fixed:
            schema = self._schemas.of(argument.type)
            items.append({"title": argument.name, "allOf": [schema]} if argument.name else schema)
        rest = self._schemas.of(arguments[-1].type) if len(fixed) < len(arguments) else None
        return _list_of(items, sum(argument.required for argument in fixed), rest)

    def _answer(self, type_: Any) -> dict[str, Any]:
        """Return the schema of an acknowledgement's values, as a handler's return value becomes them."""
        if type_ is Any:
            return {"type": "array"}
        if type_ is type(None):
            return _list_of([], 0)
        if get_origin(type_) is tuple and ... not in get_args(type_):
            values = [self._schemas.of(value) for value in get_args(type_)]
            return _list_of(values, len(values))
        may_be_none = type(None) in get_args(type_)
        return _list_of([self._schemas.of(type_)], 0 if may_be_none else 1)


class _Schemas:
    """The schemas of types, made all at once so that those with the same name are told apart."""

    def __init__(self) -> None:
        self._types: list[Any] = []
        self._places: list[dict[str, Any]] = []

    def of(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a type: the object is filled by ``resolve``."""
        place: dict[str, Any] = {}
        if checked(type_)[0] is not Any and _has_schema(type_):
            self._types.append(type_)
            self._places.append(place)
        return place

    def resolve(self) -> dict[str, Any]:
        """Fill all schemas; return those that they refer to, by name."""
        schemas, components = msgspec.json.schema_components(self._types, ref_template=_SCHEMAS + "{name}")
        for place, schema in zip(self._places, schemas, strict=True):
            place.update(_in_draft_7(schema))
        named: dict[str, Any] = _in_draft_7({"properties": components})["properties"]
        return named


def _has_schema(type_: Any) -> bool:
    try:
        msgspec.json.schema(type_)
    except Exception:
        # The value of a default that JSON can't say, for example.
        return False
    return True


def _in_draft_7(schema: Any) -> Any:
    """Return a schema of msgspec's, which are in draft 2020-12 and OpenAPI's terms, as AsyncAPI has it."""
    if isinstance(schema, list):
        return [_in_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentEncoding") == "base64":
        # Bytes are attachments.
        return {"type": "string", "format": "binary"}
    said: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            said[key] = {name: _in_draft_7(each) for name, each in value.items()}
        elif key == "prefixItems":
            said["items"] = _in_draft_7(value)
        elif key == "items" and "prefixItems" in schema:
            said["additionalItems"] = _in_draft_7(value)
        elif key != "discriminator":
            # That one is told by the values of the tags.
            said[key] = value if key in _DATA else _in_draft_7(value)
    return said


def _list_of(items: list[dict[str, Any]], least: int, rest: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of a list: ``items``, of which ``least`` must be there, then any of ``rest``."""
    if not items:
        # The list of the schemas of items mustn't be empty.
        return {"type": "array", "maxItems": 0} if rest is None else {"type": "array", "items": rest}
    more: Any = False if rest is None else rest
    return {"type": "array", "items": items, "minItems": least, "additionalItems": more}


def _combined(word: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one schema, of what all or any of several handlers take or answer."""
    if not schemas:
        return {"type": "array"}
    return schemas[0] if len(schemas) == 1 else {word: schemas}


def _said_of(handlers: Sequence[Handler]) -> dict[str, str]:
    """Return summary and description, from the first docstring."""
    # Of a partial object, for example, it would be its class's.
    texts = [inspect.getdoc(handler) for handler in handlers if inspect.isroutine(handler)]
    text = next((text for text in texts if text), "")
    summary, _, description = text.partition("\n\n")
    said = {"summary": " ".join(summary.split()), "description": description.strip()}
    return {key: value for key, value in said.items() if value}


def _slug(name: str) -> str:
    """Return a name as it may stand in a reference."""
    return _UNSAFE.sub("_", name).strip("_")


def _free(name: str, taken: dict[str, Any]) -> str:
    """Return a name that isn't taken."""
    free = name
    number = 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
