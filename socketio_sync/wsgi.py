"""The server as users mount it: a WSGI callable, alone or in front of another application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent

from socketio_sync.bundle import ClientBundle
from socketio_sync.engine.draining import FLUSH_SECONDS
from socketio_sync.engine.http import write_answer
from socketio_sync.run import STOP_SECONDS, Runner
from socketio_sync.server.server import Server as CoreServer
from socketio_sync.types import Environ, StartResponse, WSGICallable


class Server(CoreServer):
    """A Socket.IO server that is a WSGI callable.

        io = Server()

        @io.on("chat message")
        def chat(socket, text):
            io.emit("chat message", socket.id, text)

    Mount it with ``WSGIApp(io, app)``, with any gevent WSGI server, or call ``io.run()``. Every method may
    be called from any greenlet and any thread.

    Attributes:
        options: What it was made with.
        engine: The Engine.IO server below.
        namespaces: The namespaces by name.
    """

    def __init__(self, **options: Any) -> None:
        """Make a server; see :class:`~socketio_sync.options.ServerOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option's value can't work.
            FileNotFoundError: ``serve_client`` has no client bundle.
        """
        super().__init__(**options)
        folder = self.options.serve_client
        self._bundle = ClientBundle(folder, self.options.path) if folder is not None else None
        self._runner: Runner | None = None

    def matches(self, environ: Environ) -> bool:
        """Tell whether a request is for this server and not for the application beside it."""
        return self.engine.matches(environ.get("PATH_INFO", ""))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333); others than the server's own with 404."""
        if self._bundle is not None:
            answer = self._bundle.answer(environ)
            if answer is not None:
                extra = self.engine.extra_headers(environ, initial=False)
                return write_answer(answer, environ, start_response, self.engine.options, extra)
        return self.engine(environ, start_response)

    def run(
        self, app: WSGICallable | None = None, *, host: str = "127.0.0.1", port: int = 3000, **options: Any
    ) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`close`, then :meth:`shutdown` and return.

        Args:
            app: What to serve: a :class:`WSGIApp` of this server, or any WSGI application, which gets the
                requests that aren't this server's. None serves nothing else.
            host: The address to listen on.
            port: The port; 0 takes a free one.
            options: Of :class:`socketio_sync.run.Runner`.

        Raises:
            OSError: The address can't be had; the message says why.
        """
        if app is None:
            app = self
        elif not isinstance(app, WSGIApp):
            app = WSGIApp(self, app)
        self.engine.runtime_of(gevent.get_hub())
        matches = self.matches
        # What isn't through with its stop by then is cut off.
        timeout = min(
            self.options.shutdown_timeout, max(options.get("stop_timeout", STOP_SECONDS) - FLUSH_SECONDS, 0.0)
        )

        def on_stop() -> None:
            self.engine.shutdown(timeout)
            # Not this class's own, which would stop the runner.
            CoreServer.close(self)

        self._runner = Runner(
            app, host=host, port=port, socketio_path_matches=matches, on_stop=on_stop, **options
        )
        self._runner.serve_forever()

    def close(self) -> None:
        """Disconnect everyone ("server shutting down"), refuse new sessions, end :meth:`run`; idempotent."""
        super().close()
        if self._runner is not None:
            # In a greenlet of its own: it waits for the requests in progress, the caller's among them.
            self.engine.run_on_hub_soon(gevent.spawn, self._runner.stop)


class WSGIApp:
    """A Socket.IO server in front of another WSGI application, which gets every other request."""

    __slots__ = ("app", "server")

    def __init__(self, server: Server, app: WSGICallable | None = None) -> None:
        """Send requests below the server's path to ``server``, others to ``app``; None answers 404."""
        self.server = server
        self.app: Callable[..., Iterable[bytes]] = app if app is not None else server

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        if self.server.matches(environ):
            return self.server(environ, start_response)
        return self.app(environ, start_response)
