"""From our server's events to the application's handlers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask_socketio_sync.contexts import app_of, event_context
from flask_socketio_sync.login import Users, current_user_id, uses_login
from flask_socketio_sync.reasons import translated
from flask_socketio_sync.registry import ANY, Found, Registry
from socketio_sync import ConnectionRefused, Server, Socket
from socketio_sync.server.endpoint import Endpoint

REJECTED = "Connection rejected by server"


class ConnectionRefusedError(ConnectionRefused):
    """Raised by a connect handler to refuse a client.

    The first argument is the message that its ``connect_error`` has, a second one the data; more are a list.
    """

    def __init__(self, *arguments: Any) -> None:
        """Refuse with a message, and data for the client's eyes."""
        message = str(arguments[0]) if arguments else REJECTED
        data = arguments[1] if len(arguments) == 2 else list(arguments[1:]) or None
        super().__init__(message, data)


class Dispatcher:
    """Has a server's events handled by what is registered.

    Attributes:
        registry: What is registered.
        manage_session: Whether each connection has a session of its own; may be changed at any time.
        users: Whose clients are here, where the application uses Flask-Login.
    """

    def __init__(self, registry: Registry, *, manage_session: bool) -> None:
        """Dispatch to ``registry``."""
        self.registry = registry
        self.manage_session = manage_session
        self.users = Users()
        self._prepared: set[tuple[str, str]] = set()
        self._server: Server | None = None
        self._always_connect = False

    def attach(self, server: Server, *, always_connect: bool) -> None:
        """Have the events of ``server`` handled."""
        self._server = server
        self._always_connect = always_connect
        for namespace in self.registry.namespaces:
            self.refresh(namespace)

    def refresh(self, namespace: str) -> None:
        """Learn that something was registered for a namespace."""
        if self._server is None:
            return
        endpoint: Endpoint = self._server.of(_everywhere if namespace == ANY else namespace)
        if (namespace, "") not in self._prepared:
            self._prepared.add((namespace, ""))
            if self._always_connect:
                endpoint.on("connection", self._connected)
            else:
                endpoint.use(self._gate, joined=True)
            endpoint.on("disconnect", self._disconnected)
            endpoint.on_unhandled(self.handle)
        # The server knows the names that have a function, and tells of others that are like them.
        for event in self.registry.events(namespace):
            if (namespace, event) not in self._prepared:
                self._prepared.add((namespace, event))
                endpoint.on(event, partial(self._named, event))

    # -- a client's life ------------------------------------------------------------------------------

    def _gate(self, socket: Socket) -> None:
        """Let a client in, unless its connect handler says otherwise."""
        # Flask-SocketIO hands None to a handler that asks, for a client that says nothing.
        arguments = (socket.handshake.auth or None,)
        if self._run(socket, "connect", arguments) is False:
            raise ConnectionRefused(REJECTED)
        app = app_of(socket)
        if uses_login(app):
            with event_context(socket, "connect", arguments, manage_session=self.manage_session):
                user = current_user_id()
            if user is not None:
                self.users.add(app, user, socket)

    def _connected(self, socket: Socket) -> None:
        try:
            self._gate(socket)
        except ConnectionRefused:
            socket.disconnect()

    def _disconnected(self, socket: Socket, reason: str) -> None:
        self.users.remove(socket)
        self._run(socket, "disconnect", (translated(reason),))

    # -- events ---------------------------------------------------------------------------------------

    def _named(self, event: str, socket: Socket, *arguments: Any) -> Any:
        return self.handle(socket, event, *arguments)

    def handle(self, socket: Socket, event: str, *arguments: Any) -> Any:
        """Handle an event; return the acknowledgement, or ``NotImplemented`` if nothing handles it."""
        return self._run(socket, event, arguments)

    def _run(self, socket: Socket, event: str, arguments: tuple[Any, ...]) -> Any:
        found = self.registry.find(socket.namespace.name, event)
        if found is None:
            return NotImplemented
        with event_context(socket, event, arguments, manage_session=self.manage_session):
            if found.owner is not None:
                # Objects may have a method for everything, which has nothing else to go by.
                request = (socket.handshake.environ,) if event == "connect" else ()
                arguments = (socket.id, *request, *arguments)
            return self._guarded(socket, found, arguments)

    def _guarded(self, socket: Socket, found: Found, arguments: tuple[Any, ...]) -> Any:
        try:
            return found.call(*arguments)
        except ConnectionRefused:
            raise
        except Exception as error:
            handle_error = self.registry.error_handler(socket.namespace.name, found)
            if handle_error is None:
                raise
            return handle_error(error)

    def run_callback(self, callback: Callable[..., Any], socket: Socket, values: tuple[Any, ...]) -> None:
        """Run the callback of an acknowledgement in the context of the client that has sent it."""
        with event_context(socket, None, values, manage_session=self.manage_session):
            self._guarded(socket, Found(callback), values)


def _everywhere(name: str, auth: Any) -> bool:
    return True
