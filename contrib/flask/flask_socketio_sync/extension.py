"""The extension: a Socket.IO server in front of a Flask application."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import ReferenceType, ref

import gevent
from flask import Flask, has_request_context, request

from flask_socketio_sync import sending
from flask_socketio_sync.dispatch import Dispatcher
from flask_socketio_sync.namespace import Namespace
from flask_socketio_sync.options import Settings, configured
from flask_socketio_sync.reasons import Reason
from flask_socketio_sync.registry import Registry
from flask_socketio_sync.running import Mounted, serve
from flask_socketio_sync.sending import Rooms
from flask_socketio_sync.tasks import Task, in_app_context
from socketio_sync import Server

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from flask_socketio_sync.testing import SocketIOTestClient

F = TypeVar("F", bound=Callable[..., Any])


class SocketIO:
    """Socket.IO for a Flask application.

        socketio = SocketIO(app)

        @socketio.on("message")
        def message(text):
            send(text, broadcast=True)

        socketio.run(app)

    Handlers may be registered before the application is known (``init_app``). What emits may be called from
    any greenlet and any thread.

    Attributes:
        server: The Socket.IO server; None until an application is known.
        server_options: The options of that server, as they were given.
        async_mode: Always ``"gevent"``.
        reason: What disconnect handlers may be told, see :class:`~flask_socketio_sync.reasons.Reason`.
    """

    async_mode = "gevent"
    reason = Reason

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        """Prepare a server, and put it in front of ``app`` if that is given.

        Args:
            app: The application.
            options: Those of Flask-SocketIO, and of :class:`~socketio_sync.options.ServerOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: A value can't be had here.
        """
        self.server: Server | None = None
        self.server_options: dict[str, Any] = options
        self._registry = Registry()
        self._dispatcher = Dispatcher(self._registry, manage_session=True)
        # Only for background tasks that are started where there is no application context.
        self._apps: list[ReferenceType[Flask]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, **options: Any) -> None:
        """Put the server in front of ``app``.

        Options given here count before those given earlier, and both before the application's configuration,
        where ``SOCKETIO_PING_INTERVAL`` is the option ``ping_interval``.

        Raises:
            TypeError: There is no such option.
            ValueError: A value can't be had here.
        """
        self.server_options = {**self.server_options, **options}
        if self.server is None:
            given = {**configured(app), **self.server_options}
            self._dispatcher.manage_session = bool(given.pop("manage_session", True))
            settings = Settings(given)
            self.server = Server(**settings.server)
            self._dispatcher.attach(self.server, always_connect=settings.always_connect)
            for name in ("*",) if settings.namespaces is None else settings.namespaces:
                self._dispatcher.refresh(name)
        app.extensions["socketio"] = self
        self._apps.append(ref(app))
        app.wsgi_app = Mounted(app, self.server, app.wsgi_app)  # type: ignore[method-assign]

    @property
    def manage_session(self) -> bool:
        """Whether each connection has a session of its own; may be changed at any time."""
        return self._dispatcher.manage_session

    @manage_session.setter
    def manage_session(self, value: bool) -> None:
        self._dispatcher.manage_session = value

    # -- registration -----------------------------------------------------------------------------

    def on(self, message: str, namespace: str | None = None) -> Callable[[F], F]:
        """Handle an event; a decorator.

        Args:
            message: The event's name; ``"connect"`` (which may take what the client says, and refuse it by
                returning False or raising ``ConnectionRefusedError``), ``"disconnect"`` (which may take the
                reason), ``"message"``, ``"json"``, or ``"*"`` for all without a handler, with the name first.
            namespace: None is the main one, ``"*"`` all without a handler for the event.
        """

        def add(handler: F) -> F:
            self.on_event(message, handler, namespace)
            return handler

        return add

    def on_event(self, message: str, handler: Callable[..., Any], namespace: str | None = None) -> None:
        """Do the same as ``on``, as a call."""
        self._registry.add(namespace or "/", message, handler)
        self._dispatcher.refresh(namespace or "/")

    def event(self, *arguments: Any, **options: Any) -> Any:
        """Handle the event that the function is named after: ``@socketio.event``, or with a namespace."""
        if len(arguments) == 1 and not options and callable(arguments[0]):
            return self.on(arguments[0].__name__)(arguments[0])
        return lambda handler: self.on(handler.__name__, *arguments, **options)(handler)

    def on_namespace(self, namespace_handler: Namespace) -> None:
        """Have a namespace's events handled by the methods of an object.

        Raises:
            ValueError: It isn't a ``Namespace``.
        """
        if not isinstance(namespace_handler, Namespace):
            raise ValueError(f"a Namespace is wanted, not {namespace_handler!r}")
        namespace_handler.socketio = self
        self._registry.add_object(namespace_handler)
        self._dispatcher.refresh(namespace_handler.namespace)

    def on_error(self, namespace: str | None = None) -> Callable[[F], F]:
        """Handle what the handlers of a namespace raise; a decorator.

        The function gets the exception; what it returns is the acknowledgement.
        """

        def add(handler: F) -> F:
            self._registry.on_error[namespace or "/"] = handler
            return handler

        return add

    def on_error_default(self, exception_handler: F) -> F:
        """Handle what the handlers of all other namespaces raise; a decorator."""
        self._registry.on_error_default = exception_handler
        return exception_handler

    # -- sending ----------------------------------------------------------------------------------

    def emit(
        self,
        event: str,
        *args: Any,
        namespace: str | None = None,
        to: Rooms = None,
        room: Rooms = None,
        include_self: bool = True,
        skip_sid: Rooms = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """Emit an event to everybody in a namespace, or to some.

        Args:
            event: Its name.
            args: Its arguments; a single tuple is several.
            namespace: None is the main one.
            to: A room, a client, or a list of them.
            room: The same.
            include_self: False leaves the client out whose event is being handled.
            skip_sid: A client or a list of them that are left out.
            callback: Called with the acknowledgement of each client.
            ignore_queue: Has no effect: there is one process.

        Raises:
            TypeError: An argument can't be sent.
        """
        skip = list(sending.names(skip_sid))
        if not include_self and has_request_context() and hasattr(request, "sid"):
            skip.append(request.sid)
        run = self._dispatcher.run_callback
        sending.emit(
            self.required_server(),
            event,
            args,
            namespace=namespace or "/",
            to=to if to is not None else room,
            skip=skip,
            callback=None if callback is None else lambda socket, values: run(callback, socket, values),
        )

    def call(
        self,
        event: str,
        *args: Any,
        namespace: str | None = None,
        to: str | None = None,
        room: str | None = None,
        timeout: float = 60,
        ignore_queue: bool = False,
    ) -> Any:
        """Emit an event to one client, and wait for its acknowledgement.

        Args:
            event: Its name.
            args: Its arguments; a single tuple is several.
            namespace: None is the main one.
            to: The client.
            room: The same.
            timeout: How long that may take, in seconds.
            ignore_queue: Has no effect: there is one process.

        Raises:
            TimeoutError: None came in time.
            Disconnected: The client left meanwhile.
            NotConnected: It isn't there.
            TypeError: No client is named, or an argument can't be sent.
        """
        sid = to or room
        if not isinstance(sid, str):
            raise TypeError("call() needs one client: to=sid")
        return sending.call(
            self.required_server(), event, args, namespace=namespace or "/", to=sid, timeout=timeout
        )

    def send(
        self,
        data: Any,
        json: bool = False,
        namespace: str | None = None,
        to: Rooms = None,
        callback: Callable[..., Any] | None = None,
        include_self: bool = True,
        skip_sid: Rooms = None,
        *,
        room: Rooms = None,
        ignore_queue: bool = False,
    ) -> None:
        """Emit a ``message`` event, or with ``json`` a ``json`` event; the rest as :meth:`emit`."""
        self.emit(
            "json" if json else "message",
            data,
            namespace=namespace,
            to=to if to is not None else room,
            callback=callback,
            include_self=include_self,
            skip_sid=skip_sid,
        )

    def close_room(self, room: str, namespace: str | None = None) -> None:
        """Take everybody out of a room."""
        found = sending.namespace_of(self.required_server(), namespace or "/")
        if found is not None:
            found.to(room).sockets_leave(room)

    def disconnect_user(self, user_id: str) -> None:
        """Disconnect every client of one of Flask-Login's users; a logout does that by itself."""
        self._dispatcher.users.disconnect(user_id)

    # -- running ----------------------------------------------------------------------------------

    def run(self, app: Flask, host: str | None = None, port: int | None = None, **options: Any) -> None:
        """Serve an application and its Socket.IO server until SIGTERM or SIGINT.

        Args:
            app: The application.
            host: The address to listen on; None is 127.0.0.1.
            port: The port; None is that of ``SERVER_NAME`` in the configuration, or 5000.
            options: ``debug`` (None is the application's), ``use_reloader`` (whether to start anew when a
                file has changed; None is ``debug``), with ``extra_files`` and ``exclude_patterns``, or
                ``reloader_options``, a dict of them; ``log_output`` (whether requests are logged; None is
                ``debug``), and those of the runner: ``certfile``, ``keyfile``, ``limits``, ...

        Raises:
            OSError: The address can't be had.
            TypeError: There is no such option.
        """
        serve(self, app, host, port, options)

    def stop(self) -> None:
        """Disconnect everybody, refuse new clients, and have :meth:`run` return; from a handler or a page."""
        self.required_server().close()

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Run a function beside the handlers, in an application context that ends with it.

        That is the current application's; where there is none, that of the one that was initialised first.
        """
        app = self._apps[0]() if self._apps else None
        return Task(self.required_server(), in_app_context(target, app), args, kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """Sleep, and let others run meanwhile."""
        gevent.sleep(seconds)

    def test_client(
        self,
        app: Flask,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
        flask_test_client: FlaskClient | None = None,
    ) -> SocketIOTestClient:
        """Return a client for tests; see :class:`~flask_socketio_sync.testing.SocketIOTestClient`."""
        from flask_socketio_sync.testing import SocketIOTestClient

        return SocketIOTestClient(app, self, namespace, query_string, headers, auth, flask_test_client)

    # -- for the parts of the extension -------------------------------------------------------------

    def required_server(self) -> Server:
        """Return the server.

        Raises:
            RuntimeError: No application is known yet.
        """
        if self.server is None:
            raise RuntimeError("this SocketIO has no application yet: call init_app(app) first")
        return self.server


def current_sid() -> str:
    """Return the client whose event is being handled.

    Raises:
        RuntimeError: None is.
    """
    sid = getattr(request, "sid", None) if has_request_context() else None
    if sid is None:
        raise RuntimeError("no Socket.IO event is being handled here; use the methods of SocketIO instead")
    return cast(str, sid)
