"""The contexts that handlers run in: Flask's application and request, for each event anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypedDict, cast
from urllib.parse import parse_qsl, urlencode

import flask
from flask import Flask, Request, session

from flask_socketio_sync.sessions import managed, shared
from socketio_sync import Socket

APP_KEY = "flask.app"
# The parameters of the protocol itself are none of the application's.
_PROTOCOL = frozenset(("EIO", "transport", "sid", "t", "b64", "j"))
_QUERY_KEY = "flask_socketio_sync.query"


class EventInfo(TypedDict):
    """What ``request.event`` is."""

    message: str
    args: tuple[Any, ...]


class EventRequest(Request):
    """What Flask's ``request`` is in a handler: the one that opened the connection, and more.

    Attributes:
        sid: The client.
        namespace: The namespace in which the event has come.
        event: The event: a dict of ``message``, its name, and ``args``, a tuple. None in the callback of an
            acknowledgement.
    """

    sid: str
    namespace: str
    event: EventInfo | None


#: Flask's own proxy, with the type that it has in handlers.
request = cast(EventRequest, flask.request)


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

    ``request`` is an :class:`EventRequest`; ``event=None`` is the callback of an acknowledgement.
    """
    app = app_of(socket)
    environ = socket.handshake.environ
    # A copy, as a request notes what it has parsed in it.
    context = app.request_context({**environ, "QUERY_STRING": _query(environ), "wsgi.input": BytesIO()})
    # Of whatever class the application's requests are.
    opened = cast(EventRequest, context.request)
    opened.sid = socket.id
    opened.namespace = socket.namespace.name
    opened.event = {"message": event, "args": arguments} if event is not None else None
    with context:
        current = cast(Any, session)._get_current_object()
        keeper = managed(app, current, environ) if manage_session else shared(app, current, event)
        with keeper:
            yield
