"""Engine.IO payloads: several packets in the body of one polling request or answer.

Specification: engine.io-protocol, "HTTP long-polling"; for revision 3, "Payload" of its version 3.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from typing import AnyStr
from urllib.parse import unquote_to_bytes

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.engineio.packet import Packet, decode_binary, decode_text

_SEPARATOR = b"\x1e"

# Ten digits say more than any body can hold, and keep int() away from hostile lengths.
_HEAD_TEXT = re.compile(r"([0-9]{1,10}):")
_HEAD_UTF16 = re.compile(rb"((?:[0-9]\x00){1,10}):\x00")
_HEAD_BINARY = re.compile(rb"([\x00\x01])([\x00-\x09]{1,10})\xff")

# Revision 3 writes the length of a binary item as one byte per decimal digit, 0 to 9.
_TO_DIGITS = bytes((value + 48) % 256 for value in range(256))
_FROM_DIGITS = bytes((value - 48) % 256 for value in range(256))

_FORM_FIELD = re.compile(rb"(?:^|&)d=([^&]*)")
_ESCAPED_NEWLINE = re.compile(rb"(\\?)\\n")


def message_v4(data: bytes, binary: bool) -> bytes:
    """Encode a message for a payload of revision 4.

    Text must not contain U+001E, which separates packets there; JSON escapes it.
    """
    if binary:
        return b"b" + b2a_base64(data, newline=False)
    return b"4" + data


def message_v3_text(data: bytes, binary: bool) -> bytes:
    """Encode a message for a text payload of revision 3, binary as base64."""
    if binary:
        encoded = b2a_base64(data, newline=False)
        return b"%d:b4%b" % (len(encoded) + 2, encoded)
    return b"%d:4%b" % (_utf16_length(data) + 1, data)


def message_v3_binary(data: bytes, binary: bool) -> bytes:
    """Encode a message for a binary payload of revision 3."""
    if binary:
        return _binary_item(b"\x01", b"\x04" + data)
    return _binary_item(b"\x00", b"4" + data)


def control(type: int, data: str, revision: int, binary: bool = False) -> bytes:
    """Encode a packet that isn't a message, for a payload.

    With revision 4 it is also what a WebSocket's text frame carries, in both revisions.

    Args:
        type: The packet's type.
        data: Its text, often empty.
        revision: 3 or 4.
        binary: Revision 3 only: whether the payload is a binary one.
    """
    packet = b"%d%b" % (type, data.encode())
    if revision >= 4:
        return packet
    if binary:
        return _binary_item(b"\x00", packet)
    return b"%d:%b" % (_utf16_length(packet), packet)


def join_v4(items: Sequence[bytes]) -> bytes:
    """Join encoded packets to a payload of revision 4. Those of revision 3 are just concatenated."""
    return items[0] if len(items) == 1 else _SEPARATOR.join(items)


def iter_payload(body: bytes, *, revision: int, binary: bool, max_packets: int) -> Iterator[Packet]:
    """Read a payload packet by packet, so that those before a malformed one can still be handled.

    Args:
        body: The body of one request, not longer than the application allows.
        revision: 3 or 4.
        binary: Whether it came as ``application/octet-stream``, which only revision 3 knows.
        max_packets: Most packets in one body. A body of a million bytes could hold half a million.

    Raises:
        PacketError: On reaching a malformed packet, or before; with an empty body or more than
            ``max_packets`` before anything is yielded.
    """
    if not body:
        raise PacketError("expected a payload, got an empty body")
    if revision < 4:
        return _iter_v3_binary(body, max_packets) if binary else _iter_v3_text(body, max_packets)
    if binary:
        raise PacketError("expected a text payload, got a binary one")
    if _SEPARATOR in body:
        return _iter_v4(body, max_packets)
    # Most bodies are one packet.
    return iter((decode_text(_decode_utf8(body), 4),))


def jsonp_response(index: str, payload: bytes) -> bytes:
    """Wrap a payload in the script that hands it to the client's callback.

    All that isn't ASCII is escaped, so neither the charset nor U+2028 matters, and ``<`` is, so that
    no browser takes the answer for HTML.

    Args:
        index: The number of the callback, ASCII digits only.
        payload: The payload, UTF-8.
    """
    text = json.dumps(payload.decode()).replace("<", "\\u003c")
    return f"___eio[{index}]({text});".encode("ascii")


def jsonp_body(form: bytes) -> bytes:
    r"""Return the payload in field ``d`` of a JSONP client's form; empty where there is no such field.

    The client sends a newline as ``\n`` and a ``\n`` as ``\\n``, as forms don't keep newlines.
    """
    match = _FORM_FIELD.search(form)
    if match is None:
        return b""
    value = unquote_to_bytes(match[1].replace(b"+", b" "))
    return _ESCAPED_NEWLINE.sub(lambda found: b"\\n" if found[1] else b"\n", value)


def _utf16_length(data: bytes) -> int:
    if data.isascii():
        return len(data)
    return len(data.decode().encode("utf-16-le")) >> 1


def _binary_item(marker: bytes, content: bytes) -> bytes:
    return b"%b%b\xff%b" % (marker, (b"%d" % len(content)).translate(_FROM_DIGITS), content)


def _too_many(max_packets: int) -> PacketError:
    return PacketError(f"expected at most {max_packets} packets in a payload, got more")


def _iter_v4(body: bytes, max_packets: int) -> Iterator[Packet]:
    if body.count(_SEPARATOR) >= max_packets:
        raise _too_many(max_packets)
    for item in body.split(_SEPARATOR):
        yield decode_text(_decode_utf8(item), 4)


def _iter_v3_text(body: bytes, max_packets: int) -> Iterator[Packet]:
    error: PacketError | None = None
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        text = body[: exc.start].decode()
        error = PacketError(f"expected UTF-8: {exc.reason}")
    # Lengths count UTF-16 code units; only characters that need two of them ask for the detour.
    wide = b"" if text.isascii() else text.encode("utf-16-le")
    if len(wide) <= 2 * len(text):
        items, cut_short = _split_v3(text, _HEAD_TEXT, max_packets)
    else:
        wide_items, cut_short = _split_v3(wide, _HEAD_UTF16, max_packets)
        items = map(_decode_utf16, wide_items)
    for item in items:
        yield decode_text(item, 3)
    error = error or cut_short
    if error is not None:
        raise error


def _split_v3(
    units: AnyStr, head: re.Pattern[AnyStr], max_packets: int
) -> tuple[Iterator[AnyStr], PacketError | None]:
    """Split ``units`` (text, or UTF-16) into what its lengths delimit, up to the first bad length."""
    width = 1 if isinstance(units, str) else 2
    items: list[AnyStr] = []
    at = 0
    count = 0
    while at < len(units):
        match = head.match(units, at)
        if match is None:
            return iter(items), PacketError("expected the length of a packet")
        start = match.end()
        at = start + width * int(match[1][::width])
        if at > len(units):
            return iter(items), PacketError("expected a whole packet, got less than its length says")
        count += 1
        if count > max_packets:
            raise _too_many(max_packets)
        if at > start:
            items.append(units[start:at])
    return iter(items), None


def _iter_v3_binary(body: bytes, max_packets: int) -> Iterator[Packet]:
    error: PacketError | None = None
    spans: list[tuple[bool, int, int]] = []
    at = 0
    while at < len(body):
        match = _HEAD_BINARY.match(body, at)
        if match is None:
            error = PacketError("expected the kind and the length of a packet")
            break
        start = match.end()
        at = start + int(match[2].translate(_TO_DIGITS))
        if at > len(body):
            error = PacketError("expected a whole packet, got less than its length says")
            break
        spans.append((match[1] == b"\x01", start, at))
        if len(spans) > max_packets:
            raise _too_many(max_packets)
    for is_binary, start, end in spans:
        item = body[start:end]
        yield decode_binary(item, 3) if is_binary else decode_text(_decode_utf8(item), 3)
    if error is not None:
        raise error


def _decode_utf8(item: bytes) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError as exc:
        raise PacketError(f"expected UTF-8: {exc.reason}") from None


def _decode_utf16(item: bytes) -> str:
    try:
        return item.decode("utf-16-le")
    except UnicodeDecodeError:
        raise PacketError("expected whole characters, got a length that ends inside one") from None
