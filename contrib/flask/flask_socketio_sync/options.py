"""What applications pass to ``SocketIO(...)``, in the terms of our server."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from flask import Flask

CONFIG_PREFIX = "SOCKETIO_"
CORS_ORIGINS = "CORS_ORIGINS"
_EXPRESSION = re.compile(r"[\\^$()\[\]?*]")

logger = logging.getLogger(__name__)

# What only made sense with several ways of running; handlers are always in order, and there is one way.
_WITHOUT_EFFECT = {
    "async_handlers": "the events of one client are handled in order, and hold nobody else up",
    "monitor_clients": "dead clients are always found",
    "allow_unsafe_werkzeug": "Werkzeug's server isn't used",
}
_NOT_YET = ("message_queue", "channel", "client_manager", "write_only", "queue_class")


class _Forwarding(logging.Handler):
    """Hands our lines to a logger of the application's."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        self._target.handle(record)


class Settings:
    """What is the extension's own, and what is the server's.

    Attributes:
        server: The options of our server.
        namespaces: Those that are accepted without a handler; None is all of them.
        always_connect: Whether clients are let in before their connect handler runs.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Translate ``options``.

        Raises:
            ValueError: A value can't be had here; the message says why.
        """
        rest = dict(options)
        for name in _NOT_YET:
            if rest.pop(name, None):
                raise ValueError(
                    f"{name}: several processes that share their clients aren't possible in this version; "
                    "see the CHANGELOG"
                )
        for name, reason in _WITHOUT_EFFECT.items():
            if rest.pop(name, None) is not None:
                logger.info("%s has no effect: %s", name, reason)
        self._check_async_mode(rest.pop("async_mode", None))
        self._set_loggers(rest)
        namespaces = rest.pop("namespaces", None) or ("/",)
        self.namespaces = None if namespaces == "*" else tuple(namespaces)
        self.always_connect = bool(rest.pop("always_connect", False))
        self.server = rest
        self._translate_path()
        self._translate_serializer()
        self._check_json()
        self._translate_heartbeat()
        self._translate_origins()

    @staticmethod
    def _check_async_mode(mode: Any) -> None:
        if mode not in (None, "gevent"):
            raise ValueError(
                f"async_mode={mode!r}: this server runs on gevent; leave it out, or write async_mode='gevent'"
            )

    @staticmethod
    def _set_loggers(options: dict[str, Any]) -> None:
        for name, scope in (("logger", "socketio_sync"), ("engineio_logger", "socketio_sync.engine")):
            wanted = options.pop(name, False)
            if not wanted:
                continue
            ours = logging.getLogger(scope)
            if isinstance(wanted, logging.Logger):
                ours.addHandler(_Forwarding(wanted))
                ours.setLevel(wanted.getEffectiveLevel())
                continue
            ours.setLevel(logging.DEBUG)
            if not ours.hasHandlers():
                ours.addHandler(logging.StreamHandler())

    def _translate_path(self) -> None:
        resource = self.server.pop("resource", None)
        path = self.server.pop("path", None) or resource or "socket.io"
        self.server["path"] = "/" + path.strip("/")

    def _translate_serializer(self) -> None:
        serializer = self.server.pop("serializer", None)
        if serializer in (None, "default"):
            return
        if serializer != "msgpack" and isinstance(serializer, str):
            raise ValueError(f"serializer={serializer!r}: there are 'default' and 'msgpack', and parser=...")
        self.server["parser"] = serializer

    def _check_json(self) -> None:
        module = self.server.pop("json", None)
        if module is None or getattr(module, "__name__", "") in ("json", "flask.json"):
            # What these two write, dates for example, is written here, too.
            return
        raise ValueError(f"json={module!r}: the JSON of packets is the server's; see its option parser")

    def _translate_heartbeat(self) -> None:
        interval = self.server.get("ping_interval")
        if isinstance(interval, tuple):
            # A grace period was what the other side had to be given, as its clock ran on while it was busy.
            self.server["ping_interval"] = interval[0]

    def _translate_origins(self) -> None:
        if self.server.get("cors_allowed_origins") == []:
            # It meant: don't look at origins.
            self.server["cors_allowed_origins"] = "*"


def configured(app: Flask | None) -> dict[str, Any]:
    """Return the options in a configuration: ``SOCKETIO_PING_INTERVAL`` is ``ping_interval``.

    Flask-CORS's ``CORS_ORIGINS`` is ``cors_allowed_origins``, unless that is there, too.
    """
    if app is None:
        return {}
    found = {
        key.removeprefix(CONFIG_PREFIX).lower(): value
        for key, value in app.config.items()
        if key.startswith(CONFIG_PREFIX)
    }
    if CORS_ORIGINS in app.config:
        found.setdefault("cors_allowed_origins", _origins(app.config[CORS_ORIGINS]))
    return found


def _origins(allowed: Any) -> Any:
    """Return Flask-CORS's setting as ours: a string with characters of a regular expression is one there."""
    if isinstance(allowed, str):
        return re.compile(allowed) if allowed != "*" and _EXPRESSION.search(allowed) else allowed
    if isinstance(allowed, re.Pattern):
        return allowed
    return [_origins(each) for each in allowed]
