"""Why a client has left, in the terms of Flask-SocketIO."""

from __future__ import annotations


class Reason:
    """What a disconnect handler may be told: ``socketio.reason.PING_TIMEOUT``, for example.

    Attributes:
        SERVER_DISCONNECT: The application has disconnected the client, or the server has: because the
            client reads too slowly or sends too often, or the server is shutting down.
        CLIENT_DISCONNECT: The client has left the namespace.
        PING_TIMEOUT: The client has not answered a heartbeat in time.
        TRANSPORT_CLOSE: The connection has ended.
        TRANSPORT_ERROR: It has failed, or the client has broken the protocol.
    """

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


# The server's own are those of Node's.
_TRANSLATED = {
    "client namespace disconnect": Reason.CLIENT_DISCONNECT,
    "server namespace disconnect": Reason.SERVER_DISCONNECT,
    "forced close": Reason.SERVER_DISCONNECT,
    "forced server close": Reason.SERVER_DISCONNECT,
    "slow consumer": Reason.SERVER_DISCONNECT,
    "rate limit": Reason.SERVER_DISCONNECT,
    "server shutting down": Reason.SERVER_DISCONNECT,
    "parse error": Reason.TRANSPORT_ERROR,
}


def translated(reason: str) -> str:
    """Return what the server says of a client that has left, in these terms."""
    return _TRANSLATED.get(reason, reason)
