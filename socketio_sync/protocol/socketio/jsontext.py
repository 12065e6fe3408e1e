"""JSON as Socket.IO peers write it: msgspec's, with limits, and with lone surrogates both ways.

A JavaScript string may hold half of a surrogate pair (cut an emoji in two to get one), which JSON writes
as an escape. msgspec refuses it, the standard library doesn't: it takes over for these texts alone.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.binary import simplify, to_plain

# What both do for nearly every text; `loads` and `dumps` tell what else there is.
parse = msgspec.json.Decoder().decode
serialize = msgspec.json.Encoder(enc_hook=simplify).encode

NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Opening brackets become 1 and closing ones -1, as signed bytes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_DIGITS_TO_ZERO = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))


def loads(text: str, max_depth: int, max_digits: int) -> Any:
    """Parse a JSON text.

    Args:
        text: One JSON value.
        max_depth: Most levels of arrays and objects.
        max_digits: Most digits of an integer.

    Raises:
        PacketError: It isn't JSON, breaks a limit, or has a number that no float can hold.
    """
    # A text this short can't break the limit.
    if len(text) > max_depth:
        _check_depth(text, max_depth)
    if len(text) > max_digits:
        _check_digits(text, max_digits)
    try:
        return parse(text)
    except NOT_JSON as exc:
        if isinstance(exc, UnicodeEncodeError) or "\\ud" in text or "\\uD" in text:
            return _loads_surrogates(text)
        raise PacketError("the payload isn't valid JSON") from None


def dumps(value: Any) -> bytes:
    """Write a value as compact JSON in UTF-8; NaN and the infinities become null, binary base64.

    Raises:
        TypeError: It holds a value that JSON can't say.
        RecursionError: It is nested too deeply; the caller counts the levels first.
    """
    try:
        return serialize(value)
    except UnicodeEncodeError:
        return _dumps_surrogates(value)


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    steps = array("b", _outside_strings(text).translate(_STEPS, _NO_BRACKETS))
    # Where brackets don't match the sums are wrong, but the parser stops there too.
    if max(accumulate(steps), default=0) > max_depth:
        raise PacketError(f"JSON nested deeper than {max_depth} levels")


def _check_digits(text: str, max_digits: int) -> None:
    run = b"0" * (max_digits + 1)
    if run not in text.encode("utf-8", "surrogatepass").translate(_DIGITS_TO_ZERO):
        return
    # Digits in strings and behind a decimal point are harmless.
    if re.search(rb"(?<![0-9.])[0-9]{%d}" % len(run), _outside_strings(text)):
        raise PacketError(f"an integer of more than {max_digits} digits")


def _outside_strings(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b'"'.join(raw.split(b'"')[::2])


def _loads_surrogates(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise PacketError("the payload isn't valid JSON") from None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't JSON")


def _dumps_surrogates(value: Any) -> bytes:
    return json.dumps(_json_ready(to_plain(value)), separators=(",", ":"), allow_nan=False).encode("ascii")


def _json_ready(value: Any) -> Any:
    if type(value) is dict:
        return {_key(key): _json_ready(item) for key, item in value.items()}
    if type(value) is list or type(value) is tuple:
        return [_json_ready(item) for item in value]
    if type(value) is float and not math.isfinite(value):
        return None
    return value


def _key(key: Any) -> str:
    # Written by msgspec, so that a key comes out the same on both ways.
    return key if type(key) is str else str(parse(serialize({key: 0})).popitem()[0])
