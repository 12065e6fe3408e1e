"""What handlers call: about the client whose event they handle, unless they name another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import current_app

from flask_socketio_sync import sending
from flask_socketio_sync.contexts import request
from flask_socketio_sync.extension import SocketIO, current_sid
from flask_socketio_sync.sending import Rooms
from socketio_sync import Server, Socket


def _extension() -> SocketIO:
    return cast(SocketIO, current_app.extensions["socketio"])


def _server() -> Server:
    return _extension().required_server()


def _namespace(namespace: str | None) -> str:
    if namespace is None:
        # Of the event that is being handled, if one is.
        current_sid()
        return request.namespace
    return namespace


def current_event() -> str | None:
    """Return the name of the event that is being handled; None in the callback of an acknowledgement."""
    event = request.event
    return event["message"] if event is not None else None


def _socket(sid: str | None, namespace: str | None) -> Socket:
    return sending.socket_of(_server(), sid or current_sid(), _namespace(namespace))


def emit(
    event: str,
    *args: Any,
    broadcast: bool = False,
    namespace: str | None = None,
    to: Rooms = None,
    room: Rooms = None,
    include_self: bool = True,
    skip_sid: Rooms = None,
    callback: Callable[..., Any] | None = None,
    ignore_queue: bool = False,
) -> None:
    """Emit an event to the client whose event is being handled, or to others.

    Args:
        event: Its name.
        args: Its arguments; a single tuple is several.
        broadcast: Whether everybody in the namespace gets it.
        namespace: None is that of the event.
        to: A room, a client, or a list of them.
        room: The same.
        include_self: False leaves the client out whose event is being handled.
        skip_sid: A client or a list of them that are left out.
        callback: Called with the acknowledgement of each client.
        ignore_queue: Has no effect: there is one process.

    Raises:
        RuntimeError: No event is being handled here, and namespace or recipients aren't named.
        TypeError: An argument can't be sent.
    """
    namespace, chosen = _namespace(namespace), to if to is not None else room
    if chosen is None and not broadcast:
        chosen = current_sid()
    _extension().emit(
        event,
        *args,
        namespace=namespace,
        to=chosen,
        include_self=include_self,
        skip_sid=skip_sid,
        callback=callback,
    )


def call(
    event: str,
    *args: Any,
    namespace: str | None = None,
    to: str | None = None,
    room: str | None = None,
    timeout: float = 60,
    ignore_queue: bool = False,
) -> Any:
    """Emit an event to the client whose event is being handled, or to ``to``; wait for the acknowledgement.

    Raises:
        RuntimeError: No event is being handled here.
        TimeoutError, Disconnected, NotConnected: As for :meth:`SocketIO.call`.
    """
    namespace, sid = _namespace(namespace), to or room or current_sid()
    return _extension().call(event, *args, namespace=namespace, to=sid, timeout=timeout)


def send(message: Any, *, json: bool = False, **options: Any) -> None:
    """Emit a ``message`` event, or with ``json`` a ``json`` event; the rest as :func:`emit`."""
    emit("json" if json else "message", message, **options)


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
