"""Rules of binary values inside arguments."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.binary import (
    PLAIN_TYPES,
    find_places,
    holds_only,
    put_back,
    simplify,
    take_out,
    to_plain,
)


def placeholder(number: Any) -> dict[str, Any]:
    """Return what stands for an attachment."""
    return {"_placeholder": True, "num": number}


@pytest.mark.parametrize(
    ("values", "plain"),
    [
        ([], True),
        (["e", 1, 1.5, True, None, {}, [], ()], True),
        ([{"a": [{"b": (1,)}]}], True),
        ([b""], False),
        ([{"a": [{"b": (bytearray(),)}]}], False),
        ([{1}], False),
        ([object()], False),
    ],
)
def test_only_plain_values_need_no_copy(values: list[Any], plain: bool) -> None:
    assert holds_only(values, PLAIN_TYPES, 10) is plain


def test_the_scan_counts_levels() -> None:
    assert holds_only([1], PLAIN_TYPES, 0)
    assert holds_only([[{}]], PLAIN_TYPES, 2)
    with pytest.raises(ValueError, match="deep"):
        holds_only([[{}]], PLAIN_TYPES, 1)


def test_binary_values_are_numbered_in_order() -> None:
    value = ["e", b"0", {"a": (bytearray(b"1"), [memoryview(b"2")])}]
    expected = ["e", placeholder(0), {"a": [placeholder(1), [placeholder(2)]]}]
    assert take_out(value, 10) == (expected, [b"0", b"1", b"2"])


def test_what_was_taken_out_can_be_put_back() -> None:
    value = ["e", b"0", {"a": [b"1", [b"2", 3]], "b": b"4"}]
    tree, attachments = take_out(value, 10)
    put_back(find_places(tree, len(attachments)), attachments)
    assert tree == value


def test_placeholders_are_found_by_number_at_any_depth() -> None:
    tree = ["e", placeholder(1), {"a": [placeholder(0) | {"more": 1}]}, {"_placeholder": 1, "num": 0}]
    put_back(find_places(tree, 2), [b"0", b"1"])
    assert tree == ["e", b"1", {"a": [b"0"]}, {"_placeholder": 1, "num": 0}]


@pytest.mark.parametrize("number", [-1, 2, 10**300, 0.0, "0", True, None, [], {}])
def test_a_placeholder_must_name_an_attachment(number: Any) -> None:
    with pytest.raises(PacketError):
        find_places(["e", placeholder(number)], 2)


def test_there_are_no_more_placeholders_than_attachments() -> None:
    assert len(find_places([placeholder(0), placeholder(0)], 2)) == 2
    with pytest.raises(PacketError):
        find_places([placeholder(0), placeholder(0), placeholder(1)], 2)


def test_the_binary_types_can_be_kept() -> None:
    assert to_plain({"a": (b"1", {2})}, (bytes,)) == {"a": (b"1", [2])}
    assert to_plain({"a": b"1"}) == {"a": "MQ=="}


def test_subclasses_become_the_plain_type() -> None:
    class Text(str):
        __slots__ = ()

    class Count(int):
        pass

    class Ratio(float):
        pass

    class Blob(bytes):
        pass

    for value in (Text("a"), Count(1), Ratio(1.5), Blob(b"a")):
        plain = simplify(value)
        assert plain == value
        assert type(plain) is type(value).__mro__[1]
    with pytest.raises(TypeError, match="complex"):
        simplify(1j)
