"""Socket.IO for Flask: the names and meanings of Flask-SocketIO, on socketio_sync."""

from __future__ import annotations

from flask_socketio_sync.contexts import EventRequest, request
from flask_socketio_sync.dispatch import ConnectionRefusedError
from flask_socketio_sync.extension import SocketIO
from flask_socketio_sync.functions import (
    call,
    close_room,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
    send,
)
from flask_socketio_sync.login import login_required_event
from flask_socketio_sync.namespace import Namespace
from flask_socketio_sync.testing import SocketIOTestClient

__all__ = [
    "ConnectionRefusedError",
    "EventRequest",
    "Namespace",
    "SocketIO",
    "SocketIOTestClient",
    "call",
    "close_room",
    "disconnect",
    "emit",
    "join_room",
    "leave_room",
    "login_required_event",
    "request",
    "rooms",
    "send",
]
