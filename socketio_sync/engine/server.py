"""The Engine.IO server: a WSGI callable, a table of sessions, and the events of their lives."""

from __future__ import annotations

import logging
import resource
import secrets
import sys
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

import gevent
from gevent import monkey

from socketio_sync.engine.draining import SHUTTING_DOWN, check_caller, drain, ends, flush
from socketio_sync.engine.events import Events
from socketio_sync.engine.handler import EngineHandler
from socketio_sync.engine.host import HubThread, on_gevent, problems, reduced, refusal_reason, run_on_hub
from socketio_sync.engine.http import unavailable_answer, write_answer
from socketio_sync.engine.lingering import Lingering
from socketio_sync.engine.middlewares import Middlewares
from socketio_sync.engine.origins import Origins
from socketio_sync.engine.rates import rates_of
from socketio_sync.engine.requests import Requests
from socketio_sync.engine.sessions import SessionEvents
from socketio_sync.engine.socket import EngineSocket, message_of
from socketio_sync.engine.views import View
from socketio_sync.logs import contain, shown
from socketio_sync.options import EngineOptions, options_of
from socketio_sync.protocol.engineio.handshake import BAD_REQUEST, FORBIDDEN, Refusal
from socketio_sync.protocol.websocket.handshake import is_upgrade
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.runtime import Runtime
from socketio_sync.types import Environ, Headers, Middleware, StartResponse, WSGICallable

logger = logging.getLogger(__name__)

# Native: for threads that have no hub.
_binding: Any = monkey.get_original("_thread", "allocate_lock")()

# Reasons after which no client will ask: it has gone.
_GONE = ("transport close", "transport error", "ping timeout")

# Descriptors that aren't for connections: files, listeners, databases.
OTHER_DESCRIPTORS = 64


class EngineServer(Events):
    """An Engine.IO server by itself: ordered text and binary messages to each of its clients.

        engine = EngineServer()

        @engine.on("connection")
        def connection(session):
            session.on("message", session.send)

    Mount it as a WSGI callable; it answers requests below its ``path`` (``"/engine.io"``), others with 404.

    Its events: ``"connection"`` (called with the session), ``"connection_error"`` (environ, code, message,
    context of a refused request), ``"headers"`` (a mutable list of header pairs, and the environ, for every
    answer) and ``"initial_headers"`` (the same, for the first answer of a session).

    Attributes:
        closed: Whether new sessions are refused for good.
    """

    EVENTS = ("connection", "connection_error", "headers", "initial_headers")

    def __init__(self, **options: Any) -> None:
        """Make a server.

        Args:
            options: See :class:`~socketio_sync.options.EngineOptions`.

        Raises:
            TypeError: There is no such option.
        """
        self._setup(options_of(EngineOptions, options), SessionEvents)

    def _setup(
        self, options: EngineOptions, accept: Callable[[EngineServer, EngineSocket], EngineHandler]
    ) -> None:
        self.options = options
        self._prefix = options.path.rstrip("/") + "/"
        self._without_slash = None if options.add_trailing_slash else options.path.rstrip("/")
        self.origins = Origins(options)
        self.rates = rates_of(options)
        initial = options.initial_packet
        self.initial_message = message_of(initial) if initial is not None else None
        self.closed = False
        self._draining = 0
        self.opened = 0
        # How many sessions aren't pending, and how many may be: the layer above knows, if that exists there.
        self.joined = 0
        self.max_pending = sys.maxsize
        # Called on the hub before the first client is sent away; maybe again.
        self.before_close: Callable[[], None] = lambda: None
        self._max_connections = sys.maxsize
        # With so many sessions there may be too many of one kind; ``check_room`` tells.
        self.crowded_at = sys.maxsize
        self._accept = accept
        self._listeners = None
        self._sessions: dict[str, EngineSocket] = {}
        self._lingering = Lingering(options.max_outbound_bytes)
        self._requests = Requests(self)
        self._middlewares = Middlewares(self.serve, self._requests.refuse)
        # What serves: the middlewares, once there are any.
        self._serve: WSGICallable = self.serve
        self._runtime: Runtime | None = None
        self._early: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    # -- for applications -------------------------------------------------------------------------

    def use(self, middleware: Middleware) -> Middleware:
        """Put a WSGI middleware before the server: ``middleware(app)`` returns the application to call.

        It sees every request to the server's path, WebSockets too, before anything else; those that were
        given first see them first. Keys that it adds to the environ are in ``handshake.environ``. It may
        answer by itself, and wrap ``start_response`` and the body; it must hand on the host's environ or a
        copy. Where it raises, the request is refused with 400 and ``connection_error`` has the context
        ``MIDDLEWARE_FAILURE``; a ``HandshakeRefused`` says with what.
        """
        self._middlewares.add(middleware)
        self._serve = self._middlewares
        self._requests.upgrades.take_over = self._middlewares.take_over
        return middleware

    @property
    def clients_count(self) -> int:
        """How many sessions are open."""
        return self.opened

    @property
    def sessions(self) -> Mapping[str, EngineSocket]:
        """The open sessions by id; see :class:`~socketio_sync.engine.views.View`."""
        return View(self._sessions)

    def close(self) -> None:
        """Close every session ("server shutting down") and refuse new ones. From any greenlet or thread.

        At once; :meth:`shutdown` takes its time.
        """
        self.closed = True
        if self._runtime is not None:
            self.call_on_hub(self._close_sessions)

    def _close_sessions(self) -> None:
        contain(logger, self.before_close)
        for session in list(self._sessions.values()):
            session.shut(SHUTTING_DOWN, code=1001)

    def shutdown(self, timeout: float | None = None, spread: float | None = None) -> None:
        """Send every client away, to connect again elsewhere, and refuse new ones with 503; blocks.

        A session is closed ("server shutting down", a WebSocket with 1001) when its handlers have come to
        their ends and what they sent is queued; the method returns when the handlers of its close have ended,
        too, and the queues are empty. Idempotent; from any greenlet or thread, but not from a handler, for
        which it would wait: ``gevent.spawn(server.shutdown)``.

        Args:
            timeout: How long handlers may take, in seconds; then their clients are sent away all the same.
                None is the option ``shutdown_timeout``.
            spread: Over how many seconds clients are sent away, at most, so that they don't all come back at
                once; a thousand a second always are. None is the option ``shutdown_spread``.

        Raises:
            RuntimeError: A handler calls it.
        """
        check_caller()
        self.closed = True
        if self._runtime is not None:
            options = self.options
            self.call_on_hub(
                self._drain,
                options.shutdown_timeout if timeout is None else timeout,
                options.shutdown_spread if spread is None else spread,
            )

    def _drain(self, timeout: float, spread: float) -> None:
        until = monotonic() + timeout
        self._draining += 1
        try:
            contain(logger, self.before_close)
            drain(list(self._sessions.values()), timeout=timeout, spread=spread)
            # Who was let in while the server closed.
            self._close_sessions()
            flush(self.runtime, self._lingering, timeout=max(until - monotonic(), 0.0))
        finally:
            self._draining -= 1

    @property
    def is_draining(self) -> bool:
        """Whether :meth:`shutdown` sends clients away at this moment."""
        return self._draining > 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        path = environ.get("PATH_INFO", "")
        if not self.matches(path):
            headers = [("Content-Type", "text/plain"), ("Content-Length", "9")]
            if is_upgrade(environ):
                # Whatever follows isn't meant as HTTP.
                start_response("400 Bad Request", [*headers, ("Connection", "close")])
            else:
                start_response("404 Not Found", headers)
            return [b"not found"]
        return self._serve(environ, start_response)

    def matches(self, path: str) -> bool:
        """Tell whether a request path is the server's own: its path with a slash, or anything below."""
        return path.startswith(self._prefix) or path == self._without_slash

    # -- for the layers beside and above -----------------------------------------------------------

    @classmethod
    def with_acceptor(
        cls, options: EngineOptions, accept: Callable[[EngineServer, EngineSocket], EngineHandler]
    ) -> EngineServer:
        """Make the server below another layer, whose ``accept`` gives each new session its handler."""
        server = cls.__new__(cls)
        server._setup(options, accept)
        return server

    def serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request whose path is known to be ours."""
        if on_gevent() and (self._runtime is None or self._runtime.is_current()):
            self.runtime_of(gevent.get_hub())
            return self._requests.serve(environ, start_response)
        reason = refusal_reason(environ)
        if reason is not None:
            return write_answer(unavailable_answer(reason), environ, start_response, self.options, [])
        if self._runtime is None:
            with _binding:
                # The first requests may come at once, each in its thread.
                if self._runtime is None:
                    self._bind(HubThread().runtime)
        return self._requests.serve_threaded(environ, start_response)

    @property
    def runtime(self) -> Runtime:
        """The hub's runtime; made at the first request, or earlier by whoever needs it in its thread."""
        return self._runtime if self._runtime is not None else self.runtime_of(gevent.get_hub())

    @property
    def is_bound(self) -> bool:
        """Whether a hub serves this server yet; before that there is nobody to send to."""
        return self._runtime is not None

    def runtime_of(self, hub: Any) -> Runtime:
        """Return the runtime, on ``hub`` if it doesn't exist yet; from the hub's own thread."""
        if self._runtime is None:
            self._bind(Runtime(hub))
        assert self._runtime is not None
        return self._runtime

    def _bind(self, runtime: Runtime) -> None:
        self._runtime = runtime
        runtime.backlogs.limit = self.options.max_total_outbound_bytes
        # Now, in the process that serves, as it may have been given more of them than its parent.
        most = self.options.max_connections
        self._max_connections = descriptors_left() if most is None else most
        self.crowded_at = min(self._max_connections, self.max_pending)
        ends.add(self)
        self._run_early()

    def run_on_hub_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have ``function`` called on the hub, once there is one; from any greenlet or thread.

        Nobody but the host decides which hub that is: who asks before the first request, in a thread or
        process of its own even, must not choose it.
        """
        self._early.append((function, args))
        if self._runtime is not None:
            self._run_early()

    def _run_early(self) -> None:
        assert self._runtime is not None
        while self._early:
            function, args = self._early.popleft()
            self._runtime.from_thread(function, *args)

    def call_on_hub(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function`` on the hub's thread and return what it returns; from any greenlet or thread."""
        if self.runtime.is_current():
            return function(*args)
        return run_on_hub(self.runtime, function, *args)

    def find(self, sid: str | None) -> EngineSocket | None:
        """Return a session by id: an open one, or one whose client hasn't heard yet that it is closed."""
        if sid is None:
            return None
        return self._sessions.get(sid) or self._lingering.get(sid)

    def check_room(self) -> None:
        """See whether there is room for another session.

        Raises:
            Refusal: Status 503: ``max_connections`` are open, or ``max_pending`` of them pending.
        """
        count = self.opened
        if count >= self._max_connections:
            raise _full("SIO802", "max_connections", count)
        if count - self.joined >= self.max_pending:
            raise _full("SIO803", "max_pending", count - self.joined)

    def generate_id(self, environ: Environ) -> str:
        """Return an id for a new session.

        Raises:
            Refusal: Code 3, the application's ``generate_id`` failed, or made an id that is in use.
        """
        generate = self.options.generate_id
        if generate is None:
            return new_id()
        try:
            sid = generate(environ)
        except Exception as error:
            logger.exception("generate_id failed")
            raise Refusal(BAD_REQUEST, context={"name": "ID_GENERATION_ERROR"}) from error
        if self.find(sid) is not None:
            # It must not take another client's session over.
            logger.error("generate_id made %s again, which is in use", shown(sid))
            raise Refusal(BAD_REQUEST, context={"name": "ID_GENERATION_ERROR"})
        return sid

    def open_session(self, sid: str, environ: Environ, revision: int) -> EngineSocket:
        """Make a session; its transport and handler come with ``admit``."""
        return EngineSocket(sid, reduced(environ), revision, self.options, self.runtime, self._on_closed)

    def admit(self, session: EngineSocket, transport: Any) -> None:
        """Enter a session into the table and give it its handler."""
        handler = self._accept(self, session)
        # Only where something is limited: otherwise nothing stands in the way of a message.
        guarded = handler if self.rates is None else self.rates.guarded(session, handler)
        session.attach(transport, guarded)
        self._sessions[session.id] = session
        self.opened += 1
        logger.debug("session %s: open over %s, protocol %d", session.id, transport.name, session.protocol)
        try:
            handler.on_open()
        except BaseException:
            session.shut("transport error", "it can't be served", code=1011)
            raise

    def _on_closed(self, session: EngineSocket) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        self.opened -= 1
        transport = session.transport
        if not isinstance(transport, PollingTransport) or (session.reason in _GONE and not transport.left):
            return
        # A poll may have been sent before the client's own close, and come after it.
        if transport.undelivered:
            self._lingering.add(session, transport.queued_bytes, self.runtime.timers)

    def forget(self, session: EngineSocket) -> None:
        """Forget a closed session: its client knows."""
        self._lingering.discard(session.id)

    def extra_headers(self, environ: Environ, *, initial: bool) -> Headers:
        """Return what every answer carries: CORS, and what the ``headers`` hooks add."""
        headers = self.origins.headers(environ)
        if self._listeners is not None:
            for event in ("initial_headers", "headers") if initial else ("headers",):
                for listener in self.listeners(event):
                    listener(headers, environ)
        return headers


def descriptors_left() -> int:
    """Return how many connections this process may have, with some descriptors kept for other purposes."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else max(most - OTHER_DESCRIPTORS, 1)


def _full(code: str, option: str, count: int) -> Refusal:
    problems.warning(
        code,
        "%s a new session was refused: there are %d, and %s allows no more; raise it (and the limit of open "
        "files, ulimit -n), or find out who opens so many",
        code,
        count,
        option,
    )
    context = {"name": option.upper(), "count": count}
    return Refusal(FORBIDDEN, message="the server is full", context=context, for_now=True)


def new_id() -> str:
    """Make a session id: 15 random bytes as 20 characters that are safe in a URL.

    Exactly 20: adapters of clusters tell ids from rooms by that.
    """
    return urlsafe_b64encode(secrets.token_bytes(15)).decode()
