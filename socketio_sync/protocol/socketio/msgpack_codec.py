"""Packets as MessagePack: one binary message each, with the binary values inside.

The wire is that of the package socket.io-msgpack-parser: the map ``{type, nsp, data, id}``, without
``data`` or ``id`` where there is none. Its library writes ``undefined`` as the extension ``d4 00 00`` and
a Date as ``d7 00`` with the milliseconds since 1970 in eight bytes, so both are read, and datetimes with
a time zone written, that way.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.socketio.binary import BINARY_TYPES, PLAIN_TYPES, holds_only, to_plain
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import (
    ACK,
    CONNECT_ERROR,
    EVENT,
    MAX_ID_DIGITS,
    Packet,
    check_data,
    check_joined,
    check_namespace,
)

_NATIVE_TYPES = PLAIN_TYPES | {bytes, bytearray}
_KEY_TYPES = frozenset((str, int, float))
_UNDEFINED = b"\xd4\x00\x00"
# No field, nil, undefined.
_ABSENT = frozenset((b"", b"\xc0", _UNDEFINED))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


class _Wire(msgspec.Struct):
    """The outer map; the payload stays unparsed until the head was found good."""

    type: int
    nsp: str
    data: msgspec.Raw = msgspec.Raw(b"")
    id: msgspec.Raw = msgspec.Raw(b"")


def _read_extension(code: int, data: memoryview) -> Any:
    if code == 0 and len(data) == 1:
        return None
    if code == 0 and len(data) == 8:
        try:
            return _EPOCH + int.from_bytes(data, "big", signed=True) * _MILLISECOND
        except OverflowError:
            raise ValueError("a date out of range") from None
    raise ValueError("an unknown extension type")


_decode_head = msgspec.msgpack.Decoder(_Wire).decode
_decode_value = msgspec.msgpack.Decoder(ext_hook=_read_extension).decode
_encode = msgspec.msgpack.Encoder().encode


class MsgpackCodec:
    """The codec of clients that were given socket.io-msgpack-parser.

    Integers beyond 64 bits go out as floats, as JavaScript would round them, and halves of surrogate
    pairs as U+FFFD, for MessagePack can say neither. NaN and the infinities pass both ways.

    Attributes:
        max_depth: Most levels of arrays and maps, in and out; the list of arguments is the first.
    """

    __slots__ = ("max_depth",)

    def __init__(self, *, max_depth: int = 128) -> None:
        """Make a codec with the given limit; the length of messages is limited below."""
        self.max_depth = max_depth

    def encode(self, packet: Packet) -> Encoded:
        """Encode one packet; see `Codec.encode`. The text is always None."""
        type_, namespace, data, ack_id = packet
        wire: dict[str, Any] = {"type": type_, "nsp": namespace}
        if ack_id is not None:
            wire["id"] = ack_id
        try:
            if data is not None:
                plain = holds_only((data,), _NATIVE_TYPES, self.max_depth)
                wire["data"] = data if plain else self._portable(data)
            try:
                message = _encode(wire)
            except (OverflowError, UnicodeEncodeError):
                wire["data"] = self._portable(data)
                message = _encode(wire)
        except RecursionError:
            raise ValueError("the arguments are nested too deeply") from None
        return Encoded(None, (message,))

    def decoder(self, joined: Container[str]) -> MsgpackDecoder:
        """Make the decoder of one connection; see `Codec.decoder`."""
        return MsgpackDecoder(self, joined)

    def _portable(self, data: Any) -> Any:
        return _portable(to_plain(data, (*BINARY_TYPES, datetime)), self.max_depth)


class MsgpackDecoder:
    """The decoder of one connection.

    Attributes:
        pending: Always False, as each packet is one message.
    """

    __slots__ = ("_codec", "_joined")

    pending = False

    def __init__(self, codec: MsgpackCodec, joined: Container[str]) -> None:
        """Decode with the limits of ``codec``; see `Codec.decoder` for ``joined``."""
        self._codec = codec
        self._joined = joined

    def feed(self, data: str | bytes) -> Packet:
        """Take one message; see `Decoder.feed`. Fields that aren't known are ignored."""
        if isinstance(data, str):
            raise PacketError("a text message, MessagePack is binary")
        wire: _Wire = _parse(_decode_head, data)
        type_, namespace = wire.type, wire.nsp
        if not 0 <= type_ <= CONNECT_ERROR:
            raise PacketError("unknown packet type")
        check_namespace(type_, namespace)
        ack_id = self._id(bytes(wire.id))
        check_joined(type_, namespace, self._joined)
        payload = self._payload(wire.data)
        check_data(type_, payload)
        return Packet(type_, namespace, payload, ack_id if type_ in (EVENT, ACK) else None)

    @staticmethod
    def _id(raw: bytes) -> int | None:
        if raw in _ABSENT:
            return None
        value = _parse(_decode_value, raw)
        if type(value) is not int or not 0 <= value < 10**MAX_ID_DIGITS:
            raise PacketError(f"an id must be an integer of at most {MAX_ID_DIGITS} digits")
        return value

    def _payload(self, raw: msgspec.Raw) -> Any:
        if len(memoryview(raw)) <= len(_UNDEFINED) and bytes(raw) in _ABSENT:
            return None
        value = _parse(_decode_value, raw)
        try:
            _check(value, self._codec.max_depth)
        except RecursionError:
            raise PacketError("the payload is nested too deeply") from None
        return value


def _parse(decode: Any, data: bytes | msgspec.Raw) -> Any:
    try:
        return decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise PacketError("the message isn't a MessagePack packet") from None


def _check(value: Any, depth: int) -> None:
    """Refuse too many levels, and keys that JSON couldn't have."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return
    if depth <= 0:
        raise PacketError("MessagePack nested too deeply")
    if kind is dict:
        if not _KEY_TYPES.issuperset(map(type, value)):
            raise PacketError("the keys of a map must be strings or numbers")
        value = value.values()
    for item in value:
        kind = type(item)
        if kind is dict or kind is list:
            _check(item, depth - 1)


def _portable(value: Any, depth: int) -> Any:
    """Return a copy of plain ``value`` without what JavaScript's MessagePack can't take."""
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth <= 0:
            raise ValueError("the arguments are nested too deeply")
        depth -= 1
        if kind is dict:
            return {_portable(key, depth): _portable(item, depth) for key, item in value.items()}
        return [_portable(item, depth) for item in value]
    if kind is str:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if kind is int and not _MIN_INT <= value <= _MAX_INT:
        return _as_float(value)
    if kind is datetime:
        if value.tzinfo is None:
            return value.isoformat()
        milliseconds = (value - _EPOCH) // _MILLISECOND
        return msgspec.msgpack.Ext(0, milliseconds.to_bytes(8, "big", signed=True))
    return bytes(value) if kind is memoryview else value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("an integer that is too large for a float") from None
