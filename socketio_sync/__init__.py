"""A Socket.IO server for Python: synchronous, on gevent, mounted as plain WSGI."""

from __future__ import annotations

from socketio_sync._version import __version__
from socketio_sync.exceptions import (
    AckLimitError,
    AckTimeout,
    ConnectionRefused,
    Disconnected,
    EventRefused,
    HandshakeRefused,
    NotConnected,
    PacketError,
    PayloadError,
    PayloadTooLarge,
    RoomLimitError,
    SocketIOError,
)
from socketio_sync.logs import configure
from socketio_sync.server.broadcast import BroadcastOperator
from socketio_sync.server.direct import SocketOperator
from socketio_sync.server.dynamic import ParentNamespace
from socketio_sync.server.methods import NamespaceHandlers, handles
from socketio_sync.server.namespace import Namespace
from socketio_sync.server.remote import RemoteSocket
from socketio_sync.server.socket import Socket
from socketio_sync.wsgi import Server, WSGIApp

__all__ = [
    "AckLimitError",
    "AckTimeout",
    "BroadcastOperator",
    "ConnectionRefused",
    "Disconnected",
    "EventRefused",
    "HandshakeRefused",
    "Namespace",
    "NamespaceHandlers",
    "NotConnected",
    "PacketError",
    "ParentNamespace",
    "PayloadError",
    "PayloadTooLarge",
    "RemoteSocket",
    "RoomLimitError",
    "Server",
    "Socket",
    "SocketIOError",
    "SocketOperator",
    "WSGIApp",
    "__version__",
    "handles",
]

configure()
