"""The library's own runner on a free port, in the test's own process, and an application to serve."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import gevent
import pytest

from socketio_sync.http_head import RequestLimits
from socketio_sync.run import Runner
from tests.support.client import Bytes, Connection, Response, close_all

Environ = dict[str, Any]


class Application:
    """A WSGI application whose path says what it does.

    Attributes:
        served: The paths that it was called with, in order.
        environs: The environs that came with them.
    """

    def __init__(self) -> None:
        self.served: list[str] = []
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.served.append(path)
        self.environs.append(environ)
        name = path.strip("/").split("/")[0] or "hello"
        answer: Iterable[bytes] = getattr(self, f"do_{name}")(environ, start_response)
        return answer

    def do_hello(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer without a look at the body."""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    do_hidden = do_hello

    def do_echo(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with the body."""
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [body]

    def do_first(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with the first byte of the body."""
        body = environ["wsgi.input"].read(1)
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [body]

    def do_environ(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with those parts of the environ that JSON can say."""
        start_response("200 OK", [("Content-Type", "application/json")])
        shown = {key: value for key, value in environ.items() if isinstance(value, str | bool | tuple)}
        return [json.dumps(shown).encode()]

    def do_pieces(self, environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
        """Answer without saying how long."""
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one "
        yield b""
        yield b"two"

    def do_megabytes(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with as many megabytes as the path says."""
        count = int(environ["PATH_INFO"].rpartition("/")[2])
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [b"m" * (count * 1_000_000)]

    def do_respond(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer at once with as many bytes as the path says, with the headers of the query."""
        size = int(environ["PATH_INFO"].rpartition("/")[2])
        headers = [("Content-Type", "text/plain"), *parse_qsl(environ["QUERY_STRING"])]
        environ["socketio_sync.handler"].respond("200 OK", headers, b"r" * size)
        return ()

    def do_steps(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as ``do_respond``, in the steps of WSGI."""
        size = int(environ["PATH_INFO"].rpartition("/")[2])
        headers = [("Content-Type", "text/plain"), *parse_qsl(environ["QUERY_STRING"])]
        start_response("200 OK", [*headers, ("Content-Length", str(size))])
        return [b"r" * size]

    def do_nothing(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("204 No Content", [])
        return []

    def do_fail(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise LookupError("the application's own fault")

    def do_catch(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as if all was well even where the body can't be read."""
        try:
            environ["wsgi.input"].read()
        except OSError:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"never mind"]
        return self.do_hello(environ, start_response)


class Served:
    """A runner that serves an :class:`Application`.

    Attributes:
        app: The application.
        runner: The runner.
        port: Where it listens.
    """

    def __init__(self, app: Application, **options: Any) -> None:
        self.app = app
        limits = options.pop("limits", None)
        self.runner = Runner(app, port=0, limits=limits and RequestLimits(**limits), **options)
        self.runner.start()
        self.port = self.runner.address[1]

    def connect(self) -> Connection:
        return Connection(self.port)

    def sends(self, data: bytes) -> tuple[Response, Bytes]:
        """Send bytes on a connection of their own; return the first answer, and the connection."""
        connection = self.connect()
        connection.send(data)
        return connection.finish(), connection


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a runner; its keyword arguments are the runner's, ``limits`` a dict."""
    started: list[Served] = []

    def start(**options: Any) -> Served:
        started.append(Served(options.pop("app", None) or Application(), **options))
        return started[-1]

    yield start
    close_all()
    for served in started:
        served.runner.stop(timeout=1.0)
    # What was killed ends in the next turn of the loop.
    gevent.sleep(0)


HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
"""A request that must not be served behind one that was refused, or out of its body."""


def request(path: str, *fields: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(path: str, body: bytes) -> bytes:
    return request(path, "Transfer-Encoding: chunked", method="POST", body=body)


def drip(connection: Connection, data: bytes) -> None:
    """Send byte after byte until the server has had enough."""
    try:
        for index in range(len(data)):
            connection.send(data[index : index + 1])
            gevent.sleep(0.02)
    except OSError:
        return
