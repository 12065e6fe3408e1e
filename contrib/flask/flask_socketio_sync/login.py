"""Flask-Login's users: who a client is, and what becomes of it when its user logs out.

Flask-Login is looked for only where an application uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import WeakSet

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
        # Several applications may share a server, and each has users of its own.
        self._sockets: dict[tuple[Flask, str], set[Socket]] = {}
        self._users: dict[Socket, tuple[Flask, str]] = {}
        self._applications: WeakSet[Flask] = WeakSet()
        self._lock = threading.Lock()

    def add(self, app: Flask, user: str, socket: Socket) -> None:
        """Remember whose client a socket is, and hear of logouts from now on."""
        with self._lock:
            self._sockets.setdefault((app, user), set()).add(socket)
            self._users[socket] = app, user
            known = app in self._applications
            self._applications.add(app)
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

    def disconnect(self, user: str, app: Flask | None = None) -> None:
        """Disconnect every client of a user, of one application or of all."""
        with self._lock:
            apps = [app] if app is not None else list(self._applications)
            found = [socket for each in apps for socket in self._sockets.get((each, user), ())]
        for socket in found:
            socket.disconnect(close=True)

    def _on_logout(self, app: Flask, user: Any, **more: Any) -> None:
        identity = user.get_id() if user is not None else None
        if identity is not None:
            self.disconnect(identity, app)


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
