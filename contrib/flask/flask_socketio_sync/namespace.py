"""Handlers as the methods of a class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask_socketio_sync.registry import LIFECYCLE
from flask_socketio_sync.sending import Rooms, socket_of
from socketio_sync import Socket
from socketio_sync.server.handlers import trimmed

if TYPE_CHECKING:
    from flask_socketio_sync.extension import SocketIO


class Namespace:
    """A namespace whose events are handled by methods: ``on_`` and the event's name.

        class Chat(Namespace):
            def on_connect(self): ...

            def on_message(self, text):
                self.emit("message", text)

        socketio.on_namespace(Chat("/chat"))

    A method ``error(exception)``, if there is one, handles what the others raise; what it returns is the
    acknowledgement.

    Attributes:
        namespace: Its name.
        socketio: The extension that it is registered with.
    """

    socketio: SocketIO

    def __init__(self, namespace: str | None = None) -> None:
        """Handle the events of a namespace; None is the main one."""
        self.namespace = namespace or "/"

    def handles(self, event: str) -> bool:
        """Tell whether there is a method for an event; ``trigger_event`` may be one for all."""
        return type(self).trigger_event is not Namespace.trigger_event or self._method(event) is not None

    def _method(self, event: str) -> Any:
        method = getattr(self, f"on_{event}", None)
        return method if callable(method) else None

    def trigger_event(self, event: str, *arguments: Any) -> Any:
        """Call the method that handles an event, and return what it returns; may be overridden.

        The first argument is the client's id; those of the event follow. ``connect`` has the WSGI environ and
        what the client says about itself, ``disconnect`` the reason.
        """
        method = self._method(event)
        if method is None:
            return None
        arguments = arguments[2:] if event == "connect" else arguments[1:]
        if event in LIFECYCLE:
            method = trimmed(method, LIFECYCLE[event])
        return method(*arguments)

    def emit(
        self,
        event: str,
        data: Any = None,
        room: Rooms = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Any = None,
        *,
        to: Rooms = None,
        skip_sid: Rooms = None,
    ) -> None:
        """Emit to everybody in the namespace, or in a room; see :meth:`SocketIO.emit`."""
        self.socketio.emit(
            event,
            data,
            to=to if to is not None else room,
            include_self=include_self,
            skip_sid=skip_sid,
            namespace=namespace or self.namespace,
            callback=callback,
        )

    def send(
        self,
        data: Any,
        room: Rooms = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Any = None,
        *,
        to: Rooms = None,
        skip_sid: Rooms = None,
    ) -> None:
        """Send a message to everybody in the namespace, or in a room; see :meth:`SocketIO.send`."""
        self.emit("message", data, room, include_self, namespace, callback, to=to, skip_sid=skip_sid)

    def close_room(self, room: str, namespace: str | None = None) -> None:
        """Take everybody out of a room."""
        self.socketio.close_room(room, namespace or self.namespace)

    # -- single clients ---------------------------------------------------------------------------

    def _socket(self, sid: str, namespace: str | None) -> Socket:
        return socket_of(self.socketio.required_server(), sid, namespace or self.namespace)

    def call(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float = 60,
    ) -> Any:
        """Emit to one client, and wait for its acknowledgement; see :meth:`SocketIO.call`."""
        return self.socketio.call(
            event, data, to=to or sid, namespace=namespace or self.namespace, timeout=timeout
        )

    def enter_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Put a client into a room."""
        self._socket(sid, namespace).join(room)

    def leave_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Take a client out of a room."""
        self._socket(sid, namespace).leave(room)

    def rooms(self, sid: str, namespace: str | None = None) -> list[str]:
        """Return the rooms of a client."""
        return list(self._socket(sid, namespace).rooms)

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Disconnect a client."""
        self._socket(sid, namespace).disconnect()

    def get_session(self, sid: str, namespace: str | None = None) -> dict[str, Any]:
        """Return what is kept of a client as long as it is connected: ``socket.data`` of the server."""
        return self._socket(sid, namespace).data

    def save_session(self, sid: str, session: dict[str, Any], namespace: str | None = None) -> None:
        """Keep something else of a client."""
        self._socket(sid, namespace).data = session

    @contextmanager
    def session(self, sid: str, namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """Have what is kept of a client in a ``with`` block, and kept again behind it."""
        yield self.get_session(sid, namespace)
