"""The page of the Flask extension."""

from __future__ import annotations

import flask_socketio_sync
from docs.pages.rendering import Chapter, Reference
from flask_socketio_sync.reasons import Reason
from flask_socketio_sync.sending import CallTimeout

REFERENCE = Reference(
    "The Flask extension",
    [
        Chapter(
            "The extension",
            "`from flask_socketio_sync import SocketIO`. The server behind it is `socketio.server`, see "
            "[API reference](api.md#server).",
            [flask_socketio_sync.SocketIO],
        ),
        Chapter(
            "In handlers",
            "About the client whose event is being handled.",
            [
                flask_socketio_sync.emit,
                flask_socketio_sync.send,
                flask_socketio_sync.call,
                flask_socketio_sync.join_room,
                flask_socketio_sync.leave_room,
                flask_socketio_sync.close_room,
                flask_socketio_sync.rooms,
                flask_socketio_sync.disconnect,
                flask_socketio_sync.login_required_event,
            ],
        ),
        Chapter(
            "Classes",
            "Handlers as methods, what handlers are told, errors, and the client for tests. `request` of "
            "this package is Flask's, with the type of `EventRequest`.",
            [
                flask_socketio_sync.Namespace,
                flask_socketio_sync.EventRequest,
                Reason,
                flask_socketio_sync.ConnectionRefusedError,
                CallTimeout,
                flask_socketio_sync.SocketIOTestClient,
            ],
        ),
    ],
    [
        flask_socketio_sync.SocketIO,
        flask_socketio_sync.Namespace,
        flask_socketio_sync.ConnectionRefusedError,
        flask_socketio_sync.SocketIOTestClient,
    ],
)
