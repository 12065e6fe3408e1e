"""Every error that socketio_sync raises on purpose, in one tree.

The tree, from its root:

    SocketIOError
     ├ ConnectionRefused     an application's middleware refuses a client
     ├ EventRefused          an application's middleware refuses an event
     ├ PayloadError          an event's arguments aren't what its handler is annotated with
     ├ AckTimeout            not everybody acknowledged in time
     ├ Disconnected          the client left before it acknowledged
     ├ NotConnected          the socket is gone already
     ├ RoomLimitError        a socket would be in more rooms than allowed
     ├ AckLimitError         a socket would owe more acknowledgements than allowed
     ├ HandshakeRefused      the engine refuses a new session
     └ PacketError           the peer sent something malformed
        └ PayloadTooLarge    ... or something longer than the limit
"""

from __future__ import annotations

from typing import Any


class SocketIOError(Exception):
    """The root of the tree: catches everything below."""


class ConnectionRefused(SocketIOError):
    """Raised by an application's middleware to refuse a client.

    Attributes:
        message: What the client's ``connect_error`` shows as its message.
        data: Sent along as its ``data``; None sends none.
    """

    def __init__(self, message: str = "connection refused", data: Any = None) -> None:
        """Refuse with ``message`` and, for the client's eyes, ``data`` (anything JSON can say)."""
        super().__init__(message)
        self.message = message
        self.data = data


class EventRefused(SocketIOError):
    """Raised by a middleware of a socket to refuse an event; its text is what ``error`` handlers get."""


class PayloadError(SocketIOError):
    """What a client sent isn't what the handler of the event is annotated with.

    Attributes:
        event: The event's name.
        message: What is wrong, with the name of the argument and the place in it.
    """

    def __init__(self, event: str, message: str) -> None:
        """Tell what is wrong with the arguments of ``event``."""
        super().__init__(f"{event}: {message}")
        self.event = event
        self.message = message


class AckTimeout(SocketIOError):
    """An acknowledgement that was waited for didn't come in time.

    Attributes:
        responses: The answers that did come, in order of arrival; empty for a single client.
    """

    def __init__(
        self, message: str = "no acknowledgement in time", responses: list[Any] | None = None
    ) -> None:
        """Carry the partial answers of a broadcast in ``responses``."""
        super().__init__(message)
        self.responses: list[Any] = responses if responses is not None else []


class Disconnected(SocketIOError):
    """The client left while its acknowledgement was waited for.

    Attributes:
        reason: The reason of its ``disconnect`` event.
    """

    def __init__(self, reason: str) -> None:
        """Carry the reason of the ``disconnect`` event."""
        super().__init__(f"the client disconnected: {reason}")
        self.reason = reason


class NotConnected(SocketIOError):
    """The socket was gone before the call was made."""


class RoomLimitError(SocketIOError):
    """A socket would be in more rooms than ``max_rooms``."""


class AckLimitError(SocketIOError):
    """A socket would owe more acknowledgements than ``max_pending_acks``."""


class HandshakeRefused(SocketIOError):
    """Raised by ``allow_request`` or the engine to refuse a new session.

    Attributes:
        code: The Engine.IO error code, 0 to 5.
        message: What the client gets as the message of the answer's body.
    """

    def __init__(self, code: int = 4, message: str = "Forbidden") -> None:
        """Refuse with an Engine.IO ``code`` (4 is "Forbidden")."""
        super().__init__(message)
        self.code = code
        self.message = message


class PacketError(SocketIOError):
    """The peer sent a packet that the protocol doesn't allow."""


class PayloadTooLarge(PacketError):
    """The peer sent more than a limit allows."""
