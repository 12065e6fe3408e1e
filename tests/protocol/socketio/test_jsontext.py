"""Rules of the JSON texts in packets."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.jsontext import dumps, loads
from tests.protocol.socketio.test_codec import property_test

# With lone surrogates, but never two that make a pair: JSON doesn't tell these from the character.
any_text = st.text(st.characters(exclude_categories=())).map(
    lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


def parse(text: str, depth: int = 128, digits: int = 309) -> Any:
    """Parse with the default limits."""
    return loads(text, depth, digits)


@property_test
@given(values)
def test_values_arrive_as_they_were_written(value: Any) -> None:
    assert parse(dumps(value).decode()) == value


@property_test
@given(values)
def test_what_the_standard_library_writes_is_understood(value: Any) -> None:
    assert parse(json.dumps(value)) == value


@property_test
@given(st.text(st.sampled_from('[]{}",:\\ud8cC0123456789.eE-+ntrufalsNI \n\x00\ud800ü'), max_size=40))
def test_any_text_is_a_value_or_a_packet_error(text: str) -> None:
    try:
        value = parse(text, 4, 8)
    except PacketError:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize("text", ["[", "[1,]", "[1] 2", "{1:2}", "['a']", '["\x01"]', "[01]", "\ufeff[]", ""])
def test_malformed_texts_are_refused(text: str) -> None:
    with pytest.raises(PacketError):
        parse(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 309 + "e9"])
@pytest.mark.parametrize("beside", ["", ',"\\ud83d"'])
def test_numbers_that_no_float_can_hold_are_refused(number: str, beside: str) -> None:
    with pytest.raises(PacketError):
        parse(f"[{number}{beside}]")


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("beside", ["", ',"\\ud83d"'])
def test_the_digits_of_integers_are_limited(sign: str, beside: str) -> None:
    assert parse(f"[{sign}{'7' * 309}{beside}]")[0] == int(f"{sign}{'7' * 309}")
    with pytest.raises(PacketError):
        parse(f"[{sign}{'7' * 310}{beside}]")
    with pytest.raises(PacketError):
        parse(f"[{sign}{'7' * 500_000}{beside}]")


@pytest.mark.parametrize("text", ['["%s"]', '["\\"%s"]', '["\\\\",{"%s":1}]', "[0.%s]", "[-1.5%s]"])
def test_digits_that_are_no_integer_are_not_limited(text: str) -> None:
    text %= "7" * 400
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize("beside", ["", '"\\ud83d",', '"[[[[\\"[[",', '"\\\\",'])
def test_the_levels_are_limited(opening: str, closing: str, beside: str) -> None:
    per_turn = len(opening.replace('"a":', ""))
    turns = 127 // per_turn
    text = f"[{beside}{opening * turns}1{closing * turns}]"
    assert parse(text, depth=1 + turns * per_turn) == json.loads(text)
    with pytest.raises(PacketError):
        parse(text, depth=turns * per_turn)
    with pytest.raises(PacketError):
        parse(f"[{beside}{opening * 100_000}")


@pytest.mark.parametrize(
    "text", ["[" + "[]," * 500 + "1]", '["' + "[" * 500 + '"]', '["' + '\\"[' * 500 + '"]']
)
def test_brackets_side_by_side_or_in_strings_are_no_levels(text: str) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("text", ["\ud83d", "\ude00x", "\ud83d😀", "\ud83dA", "\ude00\ud83d"])
def test_lone_surrogates_pass_both_ways_as_escapes(text: str) -> None:
    value = [text, {text: [1, None, True, 1.5]}]
    written = dumps(value)
    assert written.isascii()
    assert parse(written.decode()) == value
    assert parse(
        json.dumps(value).upper().replace("\\U", "\\u").replace("TRUE", "true").replace("NULL", "null")
    )


def test_lone_surrogates_change_nothing_else() -> None:
    value: list[Any] = [(1, 2), {1: b"x", 1.5: math.nan, "k": [math.inf]}, 10**30]
    with_surrogate = [*value, "\ud800"]
    assert dumps(with_surrogate) == dumps(value)[:-1] + b',"\\ud800"]'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ([math.nan, math.inf, -math.inf], b"[null,null,null]"),
        ((1, 2), b"[1,2]"),
        ({"a": None, "b": True}, b'{"a":null,"b":true}'),
        ("ü\u2028/</script>\0\n", '"ü\u2028/</script>\\u0000\\n"'.encode()),
        ({1: 2}, b'{"1":2}'),
    ],
)
def test_values_are_written_as_compact_json(value: Any, written: bytes) -> None:
    assert dumps(value) == written
