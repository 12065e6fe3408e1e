"""Socket.IO packets: the seven types, and what a packet of each may carry.

Specification: socket.io-protocol, "Packet encoding".
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NamedTuple

from socketio_sync.exceptions import PacketError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)

MAX_EVENT_NAME = 256
MAX_NAMESPACE = 256
# The query that clients of the 1.x and 2.x series put behind the namespace of a CONNECT, as long as
# an HTTP request line.
MAX_NAMESPACE_QUERY = 8192
# JavaScript counts exactly up to 9,007,199,254,740,991, which has 16 digits.
MAX_ID_DIGITS = 16


class NotJoined(PacketError):
    """A packet for a namespace that the peer hasn't joined: well formed, and not allowed now."""


class Packet(NamedTuple):
    """One Socket.IO packet.

    Attributes:
        type: ``CONNECT`` ... ``CONNECT_ERROR``. A decoder never returns ``BINARY_EVENT`` or
            ``BINARY_ACK``: they come out as ``EVENT`` and ``ACK``, with ``bytes`` where the
            attachments belong; the encoder picks the binary types by itself.
        namespace: ``"/"``, ``"/chat"``; in a CONNECT of an old client also ``"/chat?token=1"``.
        data: The list ``[name, *arguments]`` of an EVENT, the list of arguments of an ACK, a dict or
            None for CONNECT, any value for CONNECT_ERROR, None for DISCONNECT. The encoder takes
            tuples for lists. None means no payload at all; an ACK without one is to be ignored.
        id: The acknowledgement id; None when there is none. An ACK without one is to be ignored.
    """

    type: int
    namespace: str
    data: Any = None
    id: int | None = None


def check_event(arguments: Any) -> None:
    """Refuse what isn't ``[name, *arguments]`` with a name that a peer may use.

    Raises:
        PacketError: Not a list, empty, or a name that is reserved, too long, or neither a string
            nor a number.
    """
    if type(arguments) is not list or not arguments:
        raise PacketError("an event needs a non-empty array")
    name = arguments[0]
    kind = type(name)
    if kind is str:
        if name in RESERVED_EVENTS:
            raise PacketError(f"the event name {name!r} is reserved")
        if len(name) > MAX_EVENT_NAME:
            raise PacketError(f"an event name of {len(name)} characters, {MAX_EVENT_NAME} are allowed")
    elif kind is not int and kind is not float:
        raise PacketError(f"an event name must be a string or a number, not {kind.__name__}")


def check_data(type_: int, data: Any) -> None:
    """Refuse ``data`` that a packet of this type can't have; None stands for no payload.

    Raises:
        PacketError: The type of ``data`` is wrong, or an event breaks the rules of `check_event`.
    """
    if type_ == EVENT:
        check_event(data)
    elif data is None:
        return
    elif type_ == ACK:
        if type(data) is not list:
            raise PacketError("the payload of an acknowledgement must be an array")
    elif type_ == CONNECT:
        if type(data) is not dict:
            raise PacketError("the payload of a CONNECT must be an object")
    elif type_ == DISCONNECT:
        raise PacketError("a DISCONNECT has no payload")


def check_joined(type_: int, namespace: str, joined: Container[str]) -> None:
    """Refuse a packet for a namespace that isn't among those ``joined``; CONNECT asks for one.

    Raises:
        NotJoined: It is.
    """
    if type_ != CONNECT and namespace not in joined:
        raise NotJoined(f"a packet of type {type_} for {namespace!a}, which it hasn't joined")


def check_namespace(type_: int, namespace: str) -> None:
    """Refuse a namespace that is too long; a query counts apart, and only in a CONNECT.

    Raises:
        PacketError: It is longer than `MAX_NAMESPACE`, or its query than `MAX_NAMESPACE_QUERY`.
    """
    if len(namespace) <= MAX_NAMESPACE:
        return
    length = len(namespace)
    if type_ == CONNECT:
        query = namespace.find("?", 0, MAX_NAMESPACE + 1)
        if query >= 0 and length - query - 1 <= MAX_NAMESPACE_QUERY:
            return
    raise PacketError(f"a namespace of {length} characters, {MAX_NAMESPACE} are allowed")


def checked(packet: Packet, joined: Container[str]) -> Packet:
    """Return a packet if a peer may send it; for codecs of an application's own.

    Args:
        packet: As it came, with ``bytes`` where they belong.
        joined: The namespaces that the peer is in.

    Raises:
        PacketError: The packet isn't one of the protocol, or beyond a limit.
        NotJoined: It is for a namespace that hasn't been joined.
    """
    type_, namespace, data, ack_id = packet
    if not CONNECT <= type_ <= CONNECT_ERROR:
        raise PacketError("unknown packet type")
    check_namespace(type_, namespace)
    if ack_id is not None and not 0 <= ack_id < 10**MAX_ID_DIGITS:
        raise PacketError(f"an id has at most {MAX_ID_DIGITS} digits")
    check_joined(type_, namespace, joined)
    check_data(type_, data)
    return packet if type_ in (EVENT, ACK) else packet._replace(id=None)
