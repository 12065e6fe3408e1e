"""The runner: a WSGI server on gevent that may face the internet, and its clean stop on a signal."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.ssl import SSLContext

from socketio_sync.http_connection import Connection, Sweep
from socketio_sync.http_handler import StrictHandler, problems
from socketio_sync.http_head import RequestLimits
from socketio_sync.types import Environ, WSGICallable

logger = logging.getLogger(__name__)

BACKLOG = 1024
STOP_SECONDS = 10.0
# How often the deadlines of all connections are looked at, at most: they are kept to this precision.
SWEEP_SECONDS = 1.0


class HTTPServer(WSGIServer):
    """The listener, and what its connections share.

    Attributes:
        connections: All open connections, less those that were taken over.
        limits: The limits of every request.
        logs_requests: Whether there is an access log.
        stopping: Whether connections end with the answer they are at.
    """

    # Set by gevent where the listener speaks TLS.
    wrap_socket: Any
    ssl_args: Any

    def __init__(
        self,
        listener: Any,
        application: WSGICallable,
        *,
        limits: RequestLimits,
        is_ours: Callable[[Environ], bool],
        log: Any,
        **options: Any,
    ) -> None:
        """Listen at ``listener``; handshakes of which ``is_ours(environ)`` reach the application."""
        # One that listens already has its own.
        backlog = BACKLOG if isinstance(listener, tuple) else None
        super().__init__(
            listener, application, log=log, backlog=backlog, handler_class=StrictHandler, **options
        )
        self.limits = limits
        self.logs_requests = log is not None
        self.connections: set[Connection] = set()
        self.stopping = False
        # gevent-websocket looks these up here.
        self.clients: dict[Any, Any] = {}
        self.logger = logging.getLogger("geventwebsocket")
        self._is_ours = is_ours
        self._sweep: Sweep | None = None

    def pre_start_hook(self, handler: StrictHandler) -> bool:
        """Tell gevent-websocket to leave a handshake to the application."""
        return self._is_ours(handler.environ)

    def start(self) -> None:
        """Start listening."""
        super().start()
        self.keep_deadlines()

    def keep_deadlines(self) -> None:
        """Look at the deadlines of the connections from now on, until ``end``."""
        limits = self.limits
        times = (limits.head_timeout, limits.keepalive_idle, limits.body_grace, limits.write_stall_timeout)
        self._sweep = Sweep(self.loop, self.connections, period=min(SWEEP_SECONDS, min(times) / 8))

    def end(self) -> None:
        """End what outlives the listener, once no connection is open."""
        if self._sweep is not None:
            self._sweep.stop()
            self._sweep = None

    @classmethod
    def get_listener(cls, address: Any, backlog: int | None = None, family: int | None = None) -> Any:
        """Bind and listen; unlike gevent's own, leave no open socket behind where that fails."""
        listener = socket.socket(family=socket.AF_INET if family is None else family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG if backlog is None else backlog)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        return listener

    def do_read(self) -> Any:
        """Accept a connection; nothing on it waits for Nagle's algorithm."""
        accepted = super().do_read()
        if accepted and self.family in (socket.AF_INET, socket.AF_INET6):
            # A client that has reset the connection already is found when it is read.
            with contextlib.suppress(OSError):
                accepted[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Serve a TLS connection, if its handshake succeeds in time."""
        # Not while wrapping: nobody would have the object to close if that fails.
        with self.wrap_socket(client_socket, **self.ssl_args, do_handshake_on_connect=False) as wrapped:
            try:
                with gevent.Timeout(self.limits.head_timeout):
                    wrapped.do_handshake()
            except (gevent.Timeout, OSError) as error:
                host = address[0] if isinstance(address, tuple) else "a local client"
                problems.warning("TLS", "no TLS with %s: %s", host, type(error).__name__)
                return
            self.handle(wrapped, address)


class Runner:
    """Serves a WSGI application until a signal stops it.

    All methods are for the thread that made the runner.
    """

    def __init__(
        self,
        app: WSGICallable,
        *,
        host: str = "127.0.0.1",
        port: int = 3000,
        fd: int | None = None,
        socketio_path_matches: Callable[[Environ], bool] | None = None,
        on_stop: Callable[[], None] | None = None,
        log: Any = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        limits: RequestLimits | None = None,
        stop_timeout: float = STOP_SECONDS,
    ) -> None:
        """Prepare to serve ``app``; :meth:`start` binds the port.

        Args:
            app: The WSGI application.
            host: The address to listen on; ``"0.0.0.0"`` is every IPv4 address of the machine.
            port: The port to listen on; 0 lets the system choose, see :attr:`address`.
            fd: The file descriptor of a TCP socket that listens already, handed over by a parent process or
                by systemd, instead of ``host`` and ``port``; it stays open.
            socketio_path_matches: Tells from an environ whether a WebSocket handshake is for the
                application itself, which then takes the connection over; gevent-websocket answers all
                others, and the application finds ``wsgi.websocket`` in their environ. None: all are the
                application's.
            on_stop: Called once when the runner stops, in a greenlet of its own; returns when the
                connections that were taken over are closed.
            log: Where the access log goes: a ``logging.Logger`` or an object with ``write``; None is none. It
                has the query of each request, and in it the ids of sessions.
            certfile: File with the certificate chain, for TLS.
            keyfile: File with its key; None where ``certfile`` holds it.
            limits: The limits of each request; None is the default of each.
            stop_timeout: How long a stop may take, in seconds; what isn't finished then is cut off.
        """
        tls = {"ssl_context": _tls_context(certfile, keyfile)} if certfile else {}
        self._host, self._port = host, port
        self._on_stop = on_stop
        self._stop_timeout = stop_timeout
        self._stopping = False
        self._stopped = Event()
        self._server = HTTPServer(
            (host, port) if fd is None else _inherited(fd),
            app,
            limits=limits or RequestLimits(),
            is_ours=socketio_path_matches or (lambda environ: True),
            log=log,
            # Otherwise DNS is asked for it, and HTTP/1.1 has the Host header anyway.
            environ={"SERVER_NAME": host},
            **tls,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on; the real port once the runner has started."""
        address: Any = self._server.address
        return address[0], address[1]

    def start(self) -> None:
        """Bind the port and serve in the background, as long as something runs the hub. Idempotent.

        Raises:
            OSError: The address can't be had; the message says which, and why.
        """
        if self._server.started:
            return
        try:
            self._server.start()
        except OSError as error:
            where = f"port {self._port} of {self._host}"
            if error.errno == errno.EADDRINUSE:
                reason = f"{where} is in use by another process; stop that one, or choose another port"
            else:
                reason = f"can't listen on {where}: {error.strerror or error}"
            raise OSError(error.errno, reason) from None

    def serve_forever(self) -> None:
        """Serve until SIGTERM or SIGINT, or until :meth:`stop` is called; then return.

        The first signal stops cleanly, a second one ends the process at once. In another thread than the
        main one, signals aren't handled.

        Raises:
            OSError: As :meth:`start`.
        """
        self.start()
        restore = self._catch_signals() if threading.current_thread() is threading.main_thread() else None
        try:
            self._stopped.wait()
        finally:
            if restore is not None:
                restore()
            self.stop()

    def stop(self, timeout: float | None = None) -> None:
        """Call ``on_stop``, stop listening, let the requests in progress end; blocks. Idempotent.

        Until ``on_stop`` has returned requests are served as ever: a client that polls has to come back to
        hear the rest.

        Args:
            timeout: How long that may take, in seconds; what isn't finished then is cut off. None is the
                runner's ``stop_timeout``.
        """
        if self._stopping:
            return
        self._stopping = True
        server = self._server
        until = time.monotonic() + (self._stop_timeout if timeout is None else timeout)
        stopping = gevent.spawn(self._call_on_stop)
        try:
            stopping.join(max(until - time.monotonic(), 0.0))
            server.close()
            server.stopping = True
            for connection in server.connections:
                if connection.idle:
                    # Not killed: its next request may lie in the kernel, and is answered then.
                    connection.end_input()
            gevent.joinall(_greenlets(server.connections), timeout=max(until - time.monotonic(), 0.0))
            left = [stopping, *_greenlets(server.connections)]
            gevent.killall([greenlet for greenlet in left if not greenlet.dead], block=False)
        finally:
            server.end()
            self._stopped.set()

    def _call_on_stop(self) -> None:
        if self._on_stop is None:
            return
        try:
            self._on_stop()
        except Exception:
            logger.exception("on_stop failed")

    def _catch_signals(self) -> Callable[[], None]:
        """Stop on the first signal; return what puts the process's own handlers back."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.getsignal(number) for number in numbers}
        watchers: list[Any] = []

        def stop(number: int) -> None:
            logger.info("%s: stopping", signal.Signals(number).name)
            for watcher in watchers:
                watcher.cancel()
            for each in numbers:
                signal.signal(each, signal.SIG_DFL)
            self.stop()

        def restore() -> None:
            for watcher in watchers:
                watcher.cancel()
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)

        watchers += [gevent.signal_handler(number, stop, number) for number in numbers]
        return restore


def _inherited(fd: int) -> Any:
    """Return a listening socket that somebody else has made.

    Raises:
        ValueError: It isn't one for TCP.
        OSError: There is no such descriptor.
    """
    listener = socket.socket(fileno=os.dup(fd))
    families = (socket.AF_INET, socket.AF_INET6)
    if listener.family not in families or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        raise ValueError(f"fd={fd} isn't a TCP socket that listens")
    listener.setblocking(False)
    return listener


def _greenlets(connections: Iterable[Connection]) -> list[Any]:
    return [connection.greenlet for connection in connections]


def _tls_context(certfile: str, keyfile: str | None) -> ssl.SSLContext:
    # gevent's own class: the standard one blocks the loop in an unpatched process.
    context: ssl.SSLContext = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context
