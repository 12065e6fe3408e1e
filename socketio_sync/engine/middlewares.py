"""WSGI middlewares around an engine, and the way past them for connections that are taken over.

A middleware may wrap ``start_response``, the body, and whatever the environ holds; a WebSocket needs the
host's own. So each request carries a note of what the host gave us, past them all.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from socketio_sync.engine.host import CROSSING, problems
from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.protocol.engineio.handshake import BAD_REQUEST, Refusal
from socketio_sync.protocol.websocket.handshake import is_upgrade
from socketio_sync.transports.takeover import Takeover, take_over
from socketio_sync.types import Environ, Headers, Middleware, StartResponse, WSGICallable

logger = logging.getLogger(__name__)


Refuse = Callable[[Environ, StartResponse, HandshakeRefused], Iterable[bytes]]


class Crossing:
    """One request on its way through the middlewares.

    Attributes:
        environ: The host's, as it was.
        start_response: The host's.
        release: Ends the host's handler once the connection was taken over; None while it wasn't.
        error: What was raised behind the middlewares, by the engine or a hook of the application's.
    """

    __slots__ = ("environ", "error", "release", "start_response")

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        """Note what the host gave us."""
        self.environ = environ.copy()
        self.start_response = start_response
        self.release: Callable[[], list[bytes]] | None = None
        self.error: BaseException | None = None


class Middlewares:
    """A WSGI application: an engine behind the middlewares of its application."""

    __slots__ = ("_app", "_engine", "_middlewares", "_refuse")

    def __init__(self, engine: WSGICallable, refuse: Refuse) -> None:
        """Stand before ``engine``; ``refuse`` answers for a middleware that raises."""
        self._engine = engine
        self._refuse = refuse
        self._middlewares: list[Middleware] = []
        self._app: WSGICallable = self._behind

    def add(self, middleware: Middleware) -> None:
        """Put a middleware behind those before it."""
        app: WSGICallable = self._behind
        for each in reversed([*self._middlewares, middleware]):
            app = each(app)
        self._middlewares.append(middleware)
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        crossing = environ[CROSSING] = Crossing(environ, start_response)
        upgrade = is_upgrade(environ)
        try:
            # Whatever follows an upgrade that was refused isn't meant as HTTP.
            body = _begun(self._app(environ, _closing(start_response) if upgrade else start_response))
            if upgrade:
                # The connection may only be taken over when the body is asked for.
                body = _whole(body)
        except Exception as error:
            if error is crossing.error:
                raise
            if crossing.release is None:
                return self._failed(environ, start_response, error)
            logger.exception("an engine middleware raised when its connection had become a WebSocket")
            body = ()
        finally:
            environ.pop(CROSSING, None)
        return body if crossing.release is None else crossing.release()

    def _behind(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request that has come through all of them."""
        crossing: Crossing | None = environ.get(CROSSING)
        if crossing is None:
            return self._engine(environ, start_response)
        if environ["REQUEST_METHOD"] == "GET" and "wsgi.input" in crossing.environ:
            # pywsgi's connection is found by it, and a GET has nothing to read.
            environ["wsgi.input"] = crossing.environ["wsgi.input"]
        try:
            return self._engine(environ, start_response)
        except BaseException as error:
            crossing.error = error
            raise

    def take_over(self, environ: Environ, start_response: StartResponse) -> Takeover | None:
        """Take over the connection of a request that has come through, as ``take_over`` does."""
        crossing: Crossing | None = environ.get(CROSSING)
        if crossing is None:
            problems.warning(
                "SIO403",
                "SIO403 an engine middleware hands on an environ of its own making; a WebSocket needs the "
                "host's, or a copy of it",
            )
            return take_over(environ, start_response)
        taken = take_over(crossing.environ, crossing.start_response)
        if taken is None:
            return None
        # What ends the host's handler may be an exception, which is no business of the middlewares.
        crossing.release = taken.release
        return taken._replace(release=list)

    def _failed(self, environ: Environ, start_response: StartResponse, error: Exception) -> Iterable[bytes]:
        if isinstance(error, HandshakeRefused):
            refusal = error
        else:
            logger.error("an engine middleware raised", exc_info=error)
            refusal = Refusal(BAD_REQUEST, context={"name": "MIDDLEWARE_FAILURE"})
        exc_info = sys.exc_info()

        def restart(status: str, headers: Headers) -> Any:
            # An answer that has begun can't be taken back: the host raises the error then.
            return start_response(status, headers, exc_info)

        return self._refuse(environ, restart, refusal)


def _closing(start_response: StartResponse) -> StartResponse:
    """Have the connection closed behind an answer."""

    def closing(status: str, headers: Headers, exc_info: Any = None) -> Any:
        others = [header for header in headers if header[0].lower() != "connection"]
        return start_response(status, [*others, ("Connection", "close")], exc_info)

    return closing


def _begun(body: Iterable[bytes]) -> Iterable[bytes]:
    """Ask for the first piece of a body: a generator hasn't run yet, and what it raises must be answered."""
    return body if isinstance(body, list | tuple) else _Begun(body)


def _whole(body: Iterable[bytes]) -> list[bytes]:
    try:
        return list(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


class _Begun:
    """A body of which the first piece has been asked for."""

    __slots__ = ("_body", "_pieces")

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body
        pieces = iter(body)
        self._pieces = chain([piece for piece in (next(pieces, None),) if piece is not None], pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
