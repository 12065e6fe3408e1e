"""What handlers call: about the client whose event they handle, unless they name another."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app

from flask_socketio_sync import sending
from flask_socketio_sync.contexts import request
from flask_socketio_sync.extension import SocketIO, current_sid
from socketio_sync import Server, Socket


def _extension() -> SocketIO:
    return cast(SocketIO, current_app.extensions["socketio"])


def _server() -> Server:
    return _extension().required_server()


def _namespace(namespace: str | None) -> str:
    return namespace or request.namespace


def current_event() -> str | None:
    """Return the name of the event that is being handled; None in the callback of an acknowledgement."""
    event = request.event
    return event["message"] if event is not None else None


def _socket(sid: str | None, namespace: str | None) -> Socket:
    return sending.socket_of(_server(), sid or current_sid(), _namespace(namespace))


def emit(event: str, *args: Any, **options: Any) -> None:
    """Emit an event to the client whose event is being handled, or to others.

    Args:
        event: Its name.
        args: Its arguments; a single tuple is several.
        options: ``broadcast`` (to everybody in the namespace), ``to`` or ``room`` (a room, a client, or a
            list of them), ``namespace`` (that of the event), ``include_self``, ``skip_sid`` and ``callback``
            as for :meth:`SocketIO.emit`.

    Raises:
        RuntimeError: No event is being handled here.
    """
    sid = current_sid()
    broadcast = options.pop("broadcast", False)
    to = options.pop("to", None)
    room = options.pop("room", None)
    options["to"] = to if to is not None else room
    if options["to"] is None and not broadcast:
        options["to"] = sid
    options["namespace"] = _namespace(options.get("namespace"))
    _extension().emit(event, *args, **options)


def call(event: str, *args: Any, **options: Any) -> Any:
    """Emit an event to the client whose event is being handled, or to ``to``; wait for the acknowledgement.

    Raises:
        RuntimeError: No event is being handled here.
        TimeoutError, Disconnected, NotConnected: As for :meth:`SocketIO.call`.
    """
    sid = current_sid()
    options["to"] = options.pop("to", None) or options.pop("room", None) or sid
    options["namespace"] = _namespace(options.get("namespace"))
    return _extension().call(event, *args, **options)


def send(message: Any, **options: Any) -> None:
    """Emit a ``message`` event, or with ``json=True`` a ``json`` event; the rest as :func:`emit`."""
    emit("json" if options.pop("json", False) else "message", message, **options)


def join_room(room: str, sid: str | None = None, namespace: str | None = None) -> None:
    """Put a client into a room; by default the one whose event is being handled."""
    _socket(sid, namespace).join(room)


def leave_room(room: str, sid: str | None = None, namespace: str | None = None) -> None:
    """Take a client out of a room; by default the one whose event is being handled."""
    _socket(sid, namespace).leave(room)


def close_room(room: str, namespace: str | None = None) -> None:
    """Take everybody out of a room."""
    _extension().close_room(room, _namespace(namespace))


def rooms(sid: str | None = None, namespace: str | None = None) -> list[str]:
    """Return the rooms of a client, that of its id among them."""
    return list(_socket(sid, namespace).rooms)


def disconnect(sid: str | None = None, namespace: str | None = None, silent: bool = False) -> None:
    """Disconnect a client from the namespace; by default the one whose event is being handled.

    ``silent`` has no effect.
    """
    found = sending.namespace_of(_server(), _namespace(namespace))
    socket = found.sockets.get(sid or current_sid()) if found is not None else None
    if socket is not None:
        socket.disconnect()
