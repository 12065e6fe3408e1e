"""Serving an application: mounted in front of it, and ``socketio.run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from werkzeug.debug import DebuggedApplication

from flask_socketio_sync.contexts import APP_KEY
from flask_socketio_sync.reloader import INTERVAL, Watch, inherited_fd, listen, watch
from socketio_sync import Server, WSGIApp
from socketio_sync.types import Environ, StartResponse, WSGICallable

if TYPE_CHECKING:
    from flask_socketio_sync.extension import SocketIO

HOST = "127.0.0.1"
PORT = 5000


class Mounted(WSGIApp):
    """A Socket.IO server in front of an application, which it tells of itself."""

    __slots__ = ("_flask",)

    def __init__(self, flask: Flask, server: Server, app: WSGICallable) -> None:
        """Put ``server`` in front of ``app``, the WSGI callable of ``flask``."""
        super().__init__(server, app)
        self._flask = flask

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        environ[APP_KEY] = self._flask
        return super().__call__(environ, start_response)


class _Whole(WSGIApp):
    """An application in front of which its server is already, with whatever was put around both."""

    __slots__ = ()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self.app(environ, start_response)


def serve(
    extension: SocketIO, app: Flask, host: str | None, port: int | None, options: dict[str, Any]
) -> None:
    """Serve until SIGTERM or SIGINT; see :meth:`SocketIO.run` for the options."""
    host = host or HOST
    if port is None:
        name = app.config.get("SERVER_NAME") or ""
        port = int(name.rpartition(":")[2]) if ":" in name else PORT
    debug = options.pop("debug", None)
    if debug is not None:
        app.debug = debug
    use_reloader = options.pop("use_reloader", None)
    reloading = {**options.pop("reloader_options", {}), "extra_files": options.pop("extra_files", None) or ()}
    exclude = options.pop("exclude_patterns", None) or reloading.get("exclude_patterns") or ()
    # Of Werkzeug's server, which isn't used.
    for name in ("allow_unsafe_werkzeug", "reloader_type"):
        options.pop(name, None)
    log_output = options.pop("log_output", None)
    fd = inherited_fd()
    if fd is None and (app.debug if use_reloader is None else use_reloader):
        folders = {Path.cwd(), Path(app.root_path).resolve(), Path(sys.argv[0]).resolve().parent}
        watching = Watch(_outermost(folders), reloading["extra_files"], exclude)
        with listen(host, port) as listener:
            sys.exit(watch(listener, watching, interval=reloading.get("interval", INTERVAL)))
    if app.debug if log_output is None else log_output:
        options.setdefault("log", app.logger)
    mounted = cast(Any, app.wsgi_app)
    if app.debug and isinstance(mounted, Mounted):
        # Around the pages only: a traceback in HTML is no answer to a Socket.IO client.
        mounted.app = DebuggedApplication(mounted.app, evalex=True)
    server = extension.server
    assert server is not None, "SocketIO.run() without an application"
    server.run(_Whole(server, cast(WSGICallable, app)), host=host, port=port, fd=fd, **options)


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that aren't in another one."""
    folders = sorted(folders, key=lambda folder: len(folder.parts))
    outermost: list[Path] = []
    for folder in folders:
        if not any(folder.is_relative_to(other) for other in outermost) and os.access(folder, os.R_OK):
            outermost.append(folder)
    return outermost
