"""A Socket.IO server for Python: synchronous, on gevent, mounted as plain WSGI."""

from __future__ import annotations

from socketio_sync._version import __version__
from socketio_sync.exceptions import (
    AckLimitError,
    AckTimeout,
    ConnectionRefused,
    Disconnected,
    HandshakeRefused,
    NotConnected,
    PacketError,
    PayloadTooLarge,
    RoomLimitError,
    SocketIOError,
)
from socketio_sync.logs import configure
from socketio_sync.server.broadcast import BroadcastOperator
from socketio_sync.server.namespace import Namespace
from socketio_sync.server.socket import Socket
from socketio_sync.wsgi import Server, WSGIApp

__all__ = [
    "AckLimitError",
    "AckTimeout",
    "BroadcastOperator",
    "ConnectionRefused",
    "Disconnected",
    "HandshakeRefused",
    "Namespace",
    "NotConnected",
    "PacketError",
    "PayloadTooLarge",
    "RoomLimitError",
    "Server",
    "Socket",
    "SocketIOError",
    "WSGIApp",
    "__version__",
]

configure()
