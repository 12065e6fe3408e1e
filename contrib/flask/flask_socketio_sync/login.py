"""Flask-Login's users: who a client is, and what becomes of it when its user logs out.

Flask-Login is looked for only where an application uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask

from socketio_sync import Socket

F = TypeVar("F", bound=Callable[..., Any])


def uses_login(app: Flask) -> bool:
    """Tell whether an application has a ``LoginManager``."""
    return hasattr(app, "login_manager")


def current_user_id() -> str | None:
    """Return the id of the user of the current context; None where nobody is logged in."""
    from flask_login import current_user

    return cast("str | None", current_user.get_id()) if current_user.is_authenticated else None


class Users:
    """The clients of each user that is logged in. From any greenlet and any thread."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._sockets: dict[str, set[Socket]] = {}
        self._users: dict[Socket, str] = {}
        self._applications: set[int] = set()
        self._lock = threading.Lock()

    def add(self, app: Flask, user: str, socket: Socket) -> None:
        """Remember whose client a socket is, and hear of logouts from now on."""
        with self._lock:
            self._sockets.setdefault(user, set()).add(socket)
            self._users[socket] = user
            known = id(app) in self._applications
            self._applications.add(id(app))
        if not known:
            from flask_login import user_logged_out

            user_logged_out.connect(self._on_logout, app)

    def remove(self, socket: Socket) -> None:
        """Forget a client."""
        with self._lock:
            user = self._users.pop(socket, None)
            if user is None:
                return
            sockets = self._sockets[user]
            sockets.discard(socket)
            if not sockets:
                del self._sockets[user]

    def disconnect(self, user: str) -> None:
        """Disconnect every client of a user."""
        with self._lock:
            sockets = list(self._sockets.get(user, ()))
        for socket in sockets:
            socket.disconnect(close=True)

    def _on_logout(self, app: Flask, user: Any, **more: Any) -> None:
        identity = user.get_id() if user is not None else None
        if identity is not None:
            self.disconnect(identity)


def login_required_event(handler: F) -> F:
    """Run a handler only for clients whose user is logged in; others are disconnected.

    A decorator, below ``@socketio.on(...)``. It asks for every event: who has logged out meanwhile isn't in
    any more. In a connect handler it refuses the client.
    """

    @wraps(handler)
    def checked(*arguments: Any, **options: Any) -> Any:
        if current_user_id() is not None:
            return handler(*arguments, **options)
        from flask_socketio_sync.functions import current_event, disconnect

        if current_event() == "connect":
            return False
        disconnect()
        return None

    return cast(F, checked)
