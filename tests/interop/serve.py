"""Serve the interop application under the hosts that are started from Python: ``serve.py HOST PORT``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from tests.interop.app import app, io


def runner(port: int) -> None:
    """Serve with the package's own runner."""
    io.run(app, host="127.0.0.1", port=port)


def pywsgi(port: int) -> None:
    """Serve with gevent's server as it is."""
    WSGIServer(("127.0.0.1", port), app).serve_forever()


def gevent_websocket(port: int) -> None:
    """Serve with gevent's server and the handler of gevent-websocket."""
    WSGIServer(("127.0.0.1", port), app, handler_class=WebSocketHandler).serve_forever()


SERVE: dict[str, Callable[[int], None]] = {
    "runner": runner,
    "pywsgi": pywsgi,
    "gevent-websocket": gevent_websocket,
}

if __name__ == "__main__":
    SERVE[sys.argv[1]](int(sys.argv[2]))
