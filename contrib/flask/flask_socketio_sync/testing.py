"""The test client, with the methods and the shapes of Flask-SocketIO's, on the real protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from flask import Flask
from gevent.event import AsyncResult

from socketio_sync import ConnectionRefused
from socketio_sync.testing import Channel, ClientFactory, TestClient
from socketio_sync.types import WSGICallable

if TYPE_CHECKING:
    from flask_socketio_sync.extension import SocketIO

# How long an acknowledgement may take for which a test has asked.
ACK_SECONDS = 5.0


class SocketIOTestClient:
    """A client that speaks the real protocol to the application, without a port; several may be used at once.

    What a handler raises, and nothing handles, the call raises that made the handler run.
    """

    def __init__(
        self,
        app: Flask,
        socketio: SocketIO,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
        flask_test_client: Any = None,
    ) -> None:
        """Connect, and join a namespace; ``is_connected`` tells whether the server has let the client in.

        Args:
            app: The application.
            socketio: Its extension.
            namespace: None is the main one.
            query_string: Further parameters of the query.
            headers: Of the request.
            auth: What the client says about itself.
            flask_test_client: Flask's own test client, whose cookies are sent.
        """
        self._app = app
        self._socketio = socketio
        self._flask_test_client = flask_test_client
        self._client: TestClient | None = None
        self.connect(namespace, query_string, headers, auth)

    @property
    def eio_sid(self) -> str | None:
        """The id of the connection; None if there is none."""
        return self._client.sid if self._client is not None else None

    def connect(
        self,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
    ) -> None:
        """Join a namespace; the first time, connect."""
        if self._client is not None and self._client.is_open:
            self._join(namespace or "/", auth)
            return
        try:
            self._client = TestClient(
                cast(WSGICallable, self._app.wsgi_app),
                # Without the headers of a WebSocket, which no page's request has.
                transport="polling",
                namespace=namespace or "/",
                auth=auth,
                headers={**self._cookies(), **dict(headers or {})},
                query=dict(parse_qsl((query_string or "").lstrip("?"), keep_blank_values=True)),
            )
            self._client.settle()
        except ConnectionRefused:
            self._client = None

    def _join(self, namespace: str, auth: Any) -> None:
        assert self._client is not None
        try:
            self._client.connect(namespace, auth)
        except ConnectionRefused:
            return

    def _cookies(self) -> dict[str, str]:
        if self._flask_test_client is None:
            return {}
        server = self._socketio.server
        assert server is not None
        # Answered by the engine, with an error: no page's code runs.
        answer = self._flask_test_client.get(f"{server.options.path}/?EIO=0")
        cookie = answer.request.headers.get("Cookie")
        return {"Cookie": cookie} if cookie else {}

    def _channel(self, namespace: str | None) -> Channel | None:
        if self._client is None:
            return None
        return self._client.of(namespace or "/")

    def is_connected(self, namespace: str | None = None) -> bool:
        """Tell whether the client is in a namespace."""
        channel = self._channel(namespace)
        if channel is None or self._client is None:
            return False
        self._client.settle()
        return channel.connected

    def on(self, event: str, handler: Callable[..., Any], namespace: str | None = None) -> None:
        """Handle an event of the server's; what the handler returns acknowledges it."""
        channel = self._channel(namespace)
        if channel is None:
            raise RuntimeError("not connected")
        channel.on(event, handler)

    def disconnect(self, namespace: str | None = None) -> None:
        """Leave a namespace.

        Raises:
            RuntimeError: The client isn't there.
        """
        channel = self._connected(namespace)
        channel.leave()
        self._settle()

    def emit(self, event: str, *args: Any, **options: Any) -> Any:
        """Emit an event, and let the server handle it.

        Args:
            event: Its name.
            args: Its arguments.
            options: ``namespace`` (the main one) and ``callback`` (whether the acknowledgement is wanted).

        Returns:
            With ``callback`` the acknowledgement: a value, a list of none or several; else None.

        Raises:
            RuntimeError: The client isn't in the namespace.
            TypeError: An argument can't be sent.
        """
        channel = self._connected(options.pop("namespace", None))
        if not options.pop("callback", False):
            self._watched(lambda: channel.emit(event, *args))
            return None
        answer: Any = AsyncResult()
        self._watched(lambda: channel.emit(event, *args, ack=lambda *values: answer.set(values)), answer)
        if not answer.ready():
            return None
        values = answer.get()
        return values[0] if len(values) == 1 else list(values)

    def send(
        self, data: Any, json: bool = False, callback: bool = False, namespace: str | None = None
    ) -> Any:
        """Send a message, or with ``json`` a ``json`` event; the rest as ``emit``."""
        return self.emit("json" if json else "message", data, callback=callback, namespace=namespace)

    def get_received(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return what the server has sent since the last call, once everything is at rest.

        Each is a dict of ``name``, ``args`` and ``namespace``; ``args`` is a list, but for ``message`` and
        ``json`` events, where it is the value itself.

        Raises:
            RuntimeError: The client was never in the namespace.
        """
        channel = self._channel(namespace)
        if channel is None or channel.id is None:
            raise RuntimeError("not connected")
        return [
            {
                "name": each.event,
                "args": each.args[0] if each.event in ("message", "json") and each.args else list(each.args),
                "namespace": channel.name,
            }
            for each in channel.receive_all()
        ]

    def _connected(self, namespace: str | None) -> Channel:
        channel = self._channel(namespace)
        if channel is None or not self.is_connected(namespace):
            raise RuntimeError("not connected")
        return channel

    def _settle(self) -> None:
        assert self._client is not None
        self._client.settle()

    def _watched(self, act: Callable[[], Any], answer: Any = None) -> None:
        """Do something and let the server handle it, until an answer is there if one is wanted.

        Raises the first error that handlers have raised because of it.
        """
        watching = ClientFactory()
        try:
            act()
            self._settle()
            until = time.monotonic() + ACK_SECONDS
            # A handler that sleeps isn't runnable, and may yet answer or fail.
            while answer is not None and not watching.errors and time.monotonic() < until:
                if answer.wait(timeout=0.01) is not None:
                    break
        finally:
            errors = watching.errors.copy()
            watching.errors.clear()
            watching.finish()
        if errors:
            raise errors[0]
