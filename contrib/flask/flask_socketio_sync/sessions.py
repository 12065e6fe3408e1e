"""``flask.session`` in the handlers of events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from socketio_sync.logs import Throttle

problems = Throttle(logging.getLogger(__name__))

# Where a connection keeps its own.
KEY = "saved_session"


@contextmanager
def managed(app: Flask, session: SessionMixin, environ: dict[str, Any]) -> Iterator[None]:
    """Have ``session`` hold what the connection's own does, and keep what becomes of it.

    The first time, that is what the HTTP session holds; after that the two have nothing to do with each
    other.
    """
    if app.session_interface.is_null_session(session):
        # Nobody can write to it, and it says why.
        yield
        return
    saved: dict[str, Any] = environ.setdefault(KEY, dict(session))
    session.clear()
    session.update(saved)
    before = dict(saved)
    try:
        yield
    finally:
        # Only what this handler has changed: another namespace's may have run meanwhile.
        for key, value in session.items():
            if key not in before or before[key] is not value:
                saved[key] = value
        for key in before.keys() - session.keys():
            saved.pop(key, None)


@contextmanager
def shared(app: Flask, session: SessionMixin, event: str | None) -> Iterator[None]:
    """Have what becomes of ``session`` saved, as behind an HTTP request; say so where that can't be."""
    yield
    interface = app.session_interface
    if not session.modified or interface.is_null_session(session):
        return
    if isinstance(interface, SecureCookieSessionInterface):
        problems.warning(
            "SIO701",
            "SIO701 the session was changed in event %r: a cookie session cannot be saved over a socket. Use "
            "socket.data, a server-side session, or an HTTP route; or manage_session=True",
            event,
        )
        return
    interface.save_session(app, session, Response())
