"""Binary values inside arguments: taken out on the way out, put back on the way in.

Specification: socket.io-protocol, "Packet encoding", the types BINARY_EVENT and BINARY_ACK.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from socketio_sync.exceptions import PacketError

Place = tuple[Any, Any, Any]
"""Where attachment number ``[2]`` belongs: in the dict or list ``[0]``, at the key ``[1]``."""

BINARY_TYPES = (bytes, bytearray, memoryview)
PLAIN_TYPES: frozenset[type] = frozenset((str, int, float, bool, type(None)))


def holds_only(values: Iterable[Any], leaves: frozenset[type], depth: int) -> bool:
    """Tell whether ``values`` are ``leaves``, or dicts, lists and tuples of them down to any depth.

    Every argument of every event passes here, hence the exact types and no copy. Keys aren't looked at.

    Args:
        values: The elements of one container.
        leaves: The types that are neither dict, list nor tuple and are allowed.
        depth: How many more levels of containers may stand inside.

    Raises:
        ValueError: They are nested deeper than that.
    """
    for value in values:
        kind = type(value)
        if kind in leaves:
            continue
        if kind is dict:
            inner: Iterable[Any] = value.values()
        elif kind is list or kind is tuple:
            inner = value
        else:
            return False
        if depth <= 0:
            raise ValueError("the arguments are nested too deeply")
        if not holds_only(inner, leaves, depth - 1):
            return False
    return True


def simplify(value: Any) -> Any:
    """Turn an instance of a subclass of ``str``, ``int``, ``float`` or of a binary type into the plain type.

    For the ``enc_hook`` of msgspec, which knows the exact types only.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, BINARY_TYPES):
        return bytes(value)
    raise TypeError(f"a value of type {type(value).__name__} can't be sent")


def to_plain(value: Any, keep: tuple[type, ...] = ()) -> Any:
    """Turn dataclasses, Structs, datetimes, UUIDs, Decimals, Enums and sets into dicts, lists and scalars.

    Args:
        value: Anything.
        keep: The types that are left as they are.

    Raises:
        TypeError: It holds a value that can't be sent.
        ValueError: It is nested too deeply.
    """
    try:
        return msgspec.to_builtins(value, builtin_types=keep, enc_hook=simplify)
    except RecursionError:
        raise ValueError("the arguments are nested too deeply") from None


def take_out(value: Any, max_depth: int) -> tuple[Any, list[bytes]]:
    """Return a plain copy of ``value`` with placeholders, and the binary values that stood there.

    Raises:
        TypeError: It holds a value that can't be sent.
        ValueError: It is nested deeper than ``max_depth`` levels of containers.
    """
    attachments: list[bytes] = []
    return _take_out(to_plain(value, BINARY_TYPES), attachments, max_depth), attachments


def _take_out(value: Any, attachments: list[bytes], depth: int) -> Any:
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth <= 0:
            raise ValueError("the arguments are nested too deeply")
        depth -= 1
        if kind is dict:
            return {key: _take_out(item, attachments, depth) for key, item in value.items()}
        return [_take_out(item, attachments, depth) for item in value]
    if kind in BINARY_TYPES:
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    return value


def find_places(arguments: list[Any], count: int) -> list[Place]:
    """List the placeholders anywhere in the parsed ``arguments`` of a packet with ``count`` attachments.

    Raises:
        PacketError: One of them has a number that isn't one of an attachment, or there are more
            placeholders than attachments: a short packet could otherwise stand for a huge one
            once it is sent on.
    """
    places: list[Place] = []
    try:
        _find_places(arguments, enumerate(arguments), places)
    except RecursionError:
        raise PacketError("the payload is nested too deeply") from None
    if len(places) > count:
        raise PacketError(f"{len(places)} placeholders for {count} attachments")
    for _, _, number in places:
        if type(number) is not int or not 0 <= number < count:
            raise PacketError("a placeholder without an attachment")
    return places


def _find_places(container: Any, items: Iterable[tuple[Any, Any]], places: list[Place]) -> None:
    for key, item in items:
        if type(item) is dict:
            if item.get("_placeholder") is True:
                places.append((container, key, item.get("num")))
            else:
                _find_places(item, item.items(), places)
        elif type(item) is list:
            _find_places(item, enumerate(item), places)


def put_back(places: Iterable[Place], attachments: Sequence[bytes]) -> None:
    """Replace the placeholders that `find_places` found."""
    for container, key, number in places:
        container[key] = attachments[number]
