"""The default codec: packets as text with a JSON payload, binary values as attachments.

Specification: socket.io-protocol, "Packet encoding".
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

import msgspec

from socketio_sync.exceptions import PacketError, PayloadTooLarge
from socketio_sync.protocol.socketio.binary import (
    PLAIN_TYPES,
    Place,
    find_places,
    holds_only,
    put_back,
    take_out,
)
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.jsontext import NOT_JSON, dumps, loads, parse, serialize
from socketio_sync.protocol.socketio.packet import (
    ACK,
    BINARY_EVENT,
    CONNECT_ERROR,
    EVENT,
    MAX_EVENT_NAME,
    MAX_ID_DIGITS,
    MAX_NAMESPACE,
    RESERVED_EVENTS,
    Packet,
    check_data,
    check_event,
    check_joined,
    check_namespace,
)

# <type>[<attachments>-][<namespace>,][<id>], and the rest is the payload.
_HEAD = re.compile(r"([0-6])(?:(?<=[56])([0-9]{1,16})-)?(?:(/[^,]*),?)?([0-9]*)")
# The types that can have an id, and a binary twin.
_WITH_ID = (EVENT, ACK)
_TYPES = tuple(b"%d" % type_ for type_ in range(7))
_are_plain = PLAIN_TYPES.issuperset
_are_plain_or_bytes = (PLAIN_TYPES | {bytes}).issuperset
# Those of the first attachments, as they are written.
_PLACEHOLDERS = tuple(msgspec.Raw(b'{"_placeholder":true,"num":%d}' % number) for number in range(10))
# How clients write arguments of which the last is the only attachment.
_ATTACHMENT_LAST = ',{"_placeholder":true,"num":0}]'
# Half the time of calling the class of a named tuple, on the path of every packet.
_new = tuple.__new__


class JSONCodec:
    """The codec that every client speaks unless it was told otherwise.

    Attributes:
        max_attachments: Most attachments of one packet from a client.
        max_binary_bytes: Most bytes that the attachments of one packet may have together.
        max_depth: Most levels of arrays and objects, in and out; the list of arguments is the first.
        max_integer_digits: Most digits of an integer from a client; no float has more than 309.
        short: Length of the longest text that can't break the last two limits.
    """

    __slots__ = ("max_attachments", "max_binary_bytes", "max_depth", "max_integer_digits", "short")

    def __init__(
        self,
        *,
        max_attachments: int = 10,
        max_binary_bytes: int = 10_000_000,
        max_depth: int = 128,
        max_integer_digits: int = 309,
    ) -> None:
        """Make a codec with the given limits."""
        self.max_attachments = max_attachments
        self.max_binary_bytes = max_binary_bytes
        self.max_depth = max_depth
        self.max_integer_digits = max_integer_digits
        self.short = min(max_depth, max_integer_digits)

    def encode(self, packet: Packet) -> Encoded:
        """Encode one packet; one with binary values anywhere in its data becomes its binary type.

        Raises:
            TypeError: It holds a value that can't be sent.
            ValueError: It is nested deeper than ``max_depth``, or binary values in a packet that is
                neither an event nor an acknowledgement.
        """
        type_, namespace, data, ack_id = packet
        attachments: Sequence[bytes] = ()
        # Mostly a tuple of arguments without any container among them.
        if type(data) is tuple and _are_plain(map(type, data)):
            try:
                text = serialize(data)
            except UnicodeEncodeError:
                text = dumps(data)
        elif type(data) is tuple and _are_plain_or_bytes(map(type, data)):
            text, attachments = self._flat(data)
        elif data is not None:
            text, attachments = self._payload(data)
        else:
            text = b""
        head = _binary_head(type_, len(attachments)) if attachments else _TYPES[type_]
        if namespace != "/":
            head = b"%b%b," % (head, namespace.encode())
        text = head + text if ack_id is None else b"%b%d%b" % (head, ack_id, text)
        return _new(Encoded, (text, attachments))

    def _flat(self, data: tuple[Any, ...]) -> tuple[bytes, Sequence[bytes]]:
        """Write arguments of which none is a container, and some are bytes."""
        attachments = [value for value in data if type(value) is bytes]
        if len(attachments) > len(_PLACEHOLDERS):
            return self._payload(data)
        placeholders = iter(_PLACEHOLDERS)
        try:
            text = serialize([next(placeholders) if type(value) is bytes else value for value in data])
        except UnicodeEncodeError:
            return self._payload(data)
        return text, attachments

    def _payload(self, data: Any) -> tuple[bytes, Sequence[bytes]]:
        attachments: Sequence[bytes] = ()
        listed = type(data) is list or type(data) is tuple
        try:
            if not listed or not holds_only(data, PLAIN_TYPES, self.max_depth - 1):
                data, attachments = take_out(data, self.max_depth)
            return dumps(data), attachments
        except RecursionError:
            raise ValueError("the arguments are nested too deeply") from None

    def loads(self, text: str) -> Any:
        """Parse a JSON text within the limits; see `jsontext.loads`."""
        return loads(text, self.max_depth, self.max_integer_digits)

    def decoder(self, joined: Container[str]) -> JSONDecoder:
        """Make the decoder of one connection; see `Codec.decoder`."""
        return JSONDecoder(self, joined)


class JSONDecoder:
    """The decoder of one connection.

    Attributes:
        pending: Whether a packet has begun whose attachments are still due.
    """

    __slots__ = ("_codec", "_joined", "_partial", "pending")

    def __init__(self, codec: JSONCodec, joined: Container[str]) -> None:
        """Decode with the limits of ``codec``; see `Codec.decoder` for ``joined``."""
        self._codec = codec
        self._joined = joined
        self._partial: _Partial | None = None
        self.pending = False

    def feed(self, data: str | bytes) -> Packet | None:
        """Take one message; see `Decoder.feed`."""
        if not isinstance(data, str):
            return self._attach(data)
        if self.pending:
            self._forget()
            raise PacketError("a text message while attachments are due")
        # The most frequent packets by far: events for the main namespace, ``2["name"]``, ``212["name"]``,
        # or ``51-12["name"]``. All others, and the malformed ones, go the long way.
        codec = self._codec
        if data[:1] == "2":
            begin = 1
        elif data[:3] == "51-" and codec.max_attachments:
            begin = 3
        else:
            return self._decode(data)
        start = data.find("[", begin, begin + MAX_ID_DIGITS + 1)
        if start == begin:
            ack_id = None
        elif start > begin and (digits := data[begin:start]).isdecimal() and digits.isascii():
            ack_id = int(digits)
        else:
            return self._decode(data)
        if "/" not in self._joined:
            check_joined(EVENT, "/", self._joined)
        text = data[start:]
        try:
            # Not worth a call of its own: a text this short breaks no limit.
            arguments = parse(text) if len(text) <= codec.short else codec.loads(text)
        except NOT_JSON:
            arguments = codec.loads(text)
        # What begins with a bracket is a list.
        name = arguments[0] if arguments else None
        if type(name) is not str or name in RESERVED_EVENTS or len(name) > MAX_EVENT_NAME:
            check_event(arguments)
        packet = _new(Packet, (EVENT, "/", arguments, ack_id))
        if begin == 1:
            return packet
        if len(arguments) == 2 and text.endswith(_ATTACHMENT_LAST):
            self._begin(packet, [(arguments, 1, 0)], 1)
        else:
            self._begin(packet, find_places(arguments, 1), 1)
        return None

    def _decode(self, data: str) -> Packet | None:
        head = _HEAD.match(data)
        if head is None:
            raise PacketError("unknown packet type")
        kind, attachments, namespace, digits = head.groups("")
        type_ = int(kind)
        due = 0
        if type_ >= BINARY_EVENT:
            due = self._due(attachments)
            type_ -= BINARY_EVENT - EVENT
        if len(namespace) > MAX_NAMESPACE:
            check_namespace(type_, namespace)
        if len(digits) > MAX_ID_DIGITS:
            raise PacketError(f"an id of {len(digits)} digits, {MAX_ID_DIGITS} are allowed")
        ack_id = int(digits) if digits and type_ in _WITH_ID else None
        check_joined(type_, namespace or "/", self._joined)
        payload = self._payload(type_, data[head.end() :])
        packet = _new(Packet, (type_, namespace or "/", payload, ack_id))
        if not due:
            return packet
        if payload is None:
            raise PacketError("attachments without a payload")
        self._begin(packet, find_places(payload, due), due)
        return None

    def _begin(self, packet: Packet, places: list[Place], due: int) -> None:
        """Wait for the attachments of ``packet``."""
        self._partial = _Partial(packet, places, due)
        self.pending = True

    def _due(self, attachments: str) -> int:
        due = int(attachments or 0)
        if not 1 <= due <= self._codec.max_attachments:
            raise PacketError(f"the number of attachments must be 1 to {self._codec.max_attachments}")
        return due

    def _payload(self, type_: int, text: str) -> Any:
        if not text:
            check_data(type_, None)
            return None
        data = self._codec.loads(text)
        if type_ == EVENT:
            check_event(data)
        elif data is None and type_ != CONNECT_ERROR:
            raise PacketError("the payload must not be null")
        else:
            check_data(type_, data)
        return data

    def _attach(self, data: bytes) -> Packet | None:
        partial = self._partial
        if partial is None:
            raise PacketError("a binary message while no attachment is due")
        partial.size += len(data)
        if partial.size > self._codec.max_binary_bytes:
            self._forget()
            raise PayloadTooLarge(f"attachments of more than {self._codec.max_binary_bytes} bytes")
        partial.attachments.append(data)
        if len(partial.attachments) < partial.due:
            return None
        self._forget()
        put_back(partial.places, partial.attachments)
        return partial.packet

    def _forget(self) -> None:
        self._partial = None
        self.pending = False


class _Partial:
    """A packet whose attachments are still due."""

    __slots__ = ("attachments", "due", "packet", "places", "size")

    def __init__(self, packet: Packet, places: list[Place], due: int) -> None:
        self.packet = packet
        self.places = places
        self.due = due
        self.attachments: list[bytes] = []
        self.size = 0


def _binary_head(type_: int, count: int) -> bytes:
    if type_ not in _WITH_ID:
        raise ValueError("only events and acknowledgements can carry binary values")
    return b"%d%d-" % (type_ + BINARY_EVENT - EVENT, count)
