"""The contexts that handlers run in: Flask's application and request, for each event anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from flask import Flask, session

from flask_socketio_sync.sessions import managed, shared
from socketio_sync import Socket

APP_KEY = "flask.app"
# The parameters of the protocol itself are none of the application's.
_PROTOCOL = frozenset(("EIO", "transport", "sid", "t", "b64", "j"))
_QUERY_KEY = "flask_socketio_sync.query"


def app_of(socket: Socket) -> Flask:
    """Return the application by which a client came."""
    return cast(Flask, socket.handshake.environ[APP_KEY])


def _query(environ: dict[str, Any]) -> str:
    query = environ.get(_QUERY_KEY)
    if query is None:
        pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        query = urlencode([pair for pair in pairs if pair[0] not in _PROTOCOL])
        environ[_QUERY_KEY] = query
    return str(query)


@contextmanager
def event_context(
    socket: Socket, event: str | None, arguments: tuple[Any, ...], *, manage_session: bool
) -> Iterator[None]:
    """Have ``request``, ``session``, ``g`` and ``current_app`` for what is done for one event of a client.

    ``request`` is the one that opened the connection, with ``sid``, ``namespace`` and ``event``, a dict of
    ``message`` and ``args``; the latter is None for ``event=None``, the callback of an acknowledgement.
    """
    app = app_of(socket)
    environ = socket.handshake.environ
    # A copy, as a request notes what it has parsed in it.
    context = app.request_context({**environ, "QUERY_STRING": _query(environ), "wsgi.input": BytesIO()})
    request: Any = context.request
    request.sid = socket.id
    request.namespace = socket.namespace.name
    request.event = {"message": event, "args": arguments} if event is not None else None
    with context:
        current = cast(Any, session)._get_current_object()
        keeper = managed(app, current, environ) if manage_session else shared(app, current, event)
        with keeper:
            yield
