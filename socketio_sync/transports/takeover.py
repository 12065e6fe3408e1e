"""Taking a connection over from the WSGI server that accepted it.

The decision is made per request, from what the environ holds, never from what is importable:

=============================  =============================================================
what the environ holds         which host that is
=============================  =============================================================
``socketio_sync.handler``      our own runner
``wsgi.websocket``             gevent-websocket's handler, which has answered 101 already
``gunicorn.socket``            gunicorn's gevent worker
``wsgi.input`` over a socket   gevent's pywsgi, plain or as gunicorn's pywsgi worker
=============================  =============================================================

A plain socket is *detached*: the descriptor leaves the host's socket object, so that whatever the host does
afterwards meets a closed one, and the host's handler ends at once. TLS can't be moved that way; there the
host's greenlet stays and lends its socket.
"""

from __future__ import annotations

import contextlib
import socket as stdlib_socket
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from gevent.pywsgi import Input
from gevent.socket import socket as gevent_socket
from gevent.ssl import SSLSocket

from socketio_sync.protocol.websocket.frames import encode_close
from socketio_sync.transports.stream import Stream, TLSStream, plain_stream
from socketio_sync.types import Environ

RUNNER_KEY = "socketio_sync.handler"


class Takeover(NamedTuple):
    """A connection that is ours.

    Attributes:
        stream: Its bytes.
        buffered: What the host had received behind the request's head.
        upgraded: Whether the host has answered 101 already.
        detached: Whether the host's greenlet may end; if not, it must wait in ``run``.
        release: Called last in the WSGI application: returns the empty body, or raises what ends the
            host's handler without a stray byte.
    """

    stream: Stream
    buffered: bytes
    upgraded: bool
    detached: bool
    release: Callable[[], list[bytes]]


class _Found(NamedTuple):
    sock: Any
    take_buffered: Callable[[], bytes]
    finish: Callable[[], None]
    release: Callable[[], list[bytes]]


def host_socket(environ: Environ) -> Any:
    """Return the gevent socket under a request, or None where the host doesn't give one."""
    runner = environ.get(RUNNER_KEY)
    if runner is not None:
        sock = runner.socket
    elif environ.get("wsgi.websocket") is not None:
        sock = environ["wsgi.websocket"].handler.socket
    elif "gunicorn.socket" in environ:
        sock = None if environ.get("HTTP_VERSION") == "2" else environ["gunicorn.socket"]
    else:
        sock = getattr(getattr(_rfile(environ), "raw", None), "_sock", None)
    return sock if isinstance(sock, gevent_socket | SSLSocket) else None


def take_over(environ: Environ, start_response: Callable[..., Any]) -> Takeover | None:
    """Take the connection under a request, or return None where the host gives no socket.

    The caller answers the request on the stream and ends the application with ``release()``.
    """
    sock = host_socket(environ)
    if sock is None:
        return None
    found = _find(environ, start_response, sock)
    detached = not isinstance(sock, SSLSocket)
    stream: Stream = plain_stream(sock.detach()) if detached else TLSStream(sock)
    try:
        # Only now: with the descriptor gone, the host's buffered reader can hand out what
        # it holds, but can't read more.
        buffered = found.take_buffered()
        found.finish()
    except BaseException:
        stream.close()
        raise
    return Takeover(stream, buffered, environ.get("wsgi.websocket") is not None, detached, found.release)


def _find(environ: Environ, start_response: Callable[..., Any], sock: Any) -> _Found:
    runner = environ.get(RUNNER_KEY)
    if runner is not None:
        return _Found(sock, runner.take_buffered, lambda: _end_handler(runner), list)
    upgraded = environ.get("wsgi.websocket")
    if upgraded is not None:
        handler = upgraded.handler
        return _Found(sock, lambda: _buffered(handler.rfile), lambda: _end_websocket(upgraded), list)
    if "gunicorn.socket" in environ:
        body = environ["wsgi.input"]
        return _Found(sock, lambda: _gunicorn_buffered(body), _nothing, _stop_gunicorn)
    rfile = _rfile(environ)
    handler = getattr(start_response, "__self__", None)
    return _Found(sock, lambda: _buffered(rfile), lambda: _end_pywsgi(rfile, handler), list)


def _rfile(environ: Environ) -> Any:
    """Return pywsgi's buffered reader; on upgrade requests it is the input itself."""
    body = environ.get("wsgi.input")
    return body.rfile if isinstance(body, Input) else body


def own_runner(environ: Environ, start_response: Any) -> Any:
    """Return the handler of our own runner, if nobody stands between it and the application, else None.

    Its ``respond(status, headers, body)`` then does at once what the steps of WSGI come to.
    """
    runner = environ.get(RUNNER_KEY)
    return runner if runner is not None and getattr(start_response, "__self__", None) is runner else None


def disable_nagle(environ: Environ) -> None:
    """Set TCP_NODELAY on a connection that stays the host's.

    pywsgi doesn't, and sends head and body of an answer in two segments: the second would wait 40 ms for the
    acknowledgement of the first.
    """
    # Our own runner has set it; gunicorn sets it on what it listens on, and each connection inherits it.
    if RUNNER_KEY in environ or "gunicorn.socket" in environ:
        return
    sock = host_socket(environ)
    # Unix sockets have no Nagle algorithm to switch off.
    if sock is not None and sock.family in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
        with contextlib.suppress(OSError):
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)


def abandon_body(environ: Environ) -> bool:
    """Tell whether a part of the request's body is unread; if so, keep pywsgi from reading it.

    pywsgi reads what the application left before it goes on, however much was announced and however slowly it
    comes. The answer must say ``Connection: close``.
    """
    body = environ.get("wsgi.input")
    if not isinstance(body, Input):
        return False
    left: bool = body.chunk_length != 0 if body.chunked_input else body.position < (body.content_length or 0)
    if left:
        body._chunked_input_error = True  # type: ignore[attr-defined]
    return left


def _nothing() -> None:
    pass


def _buffered(rfile: Any) -> bytes:
    try:
        return bytes(rfile.peek())
    except (OSError, ValueError):
        return b""


def _gunicorn_buffered(body: Any) -> bytes:
    unreader = body.reader.unreader
    take = getattr(unreader, "take_buffered", None)
    data = take() if take is not None else unreader.buf.getvalue()
    return bytes(body.buf.getvalue()) + bytes(data)


def _stop_gunicorn() -> NoReturn:
    # gunicorn's worker ends the connection without writing on exactly this exception.
    raise StopIteration


def _end_handler(handler: Any) -> None:
    """Make a pywsgi handler end after this request, write nothing, and log a 101."""
    handler.close_connection = True
    handler.headers_sent = True
    handler.status = b"101 Switching Protocols"
    handler._orig_status = "101 Switching Protocols"
    handler.code = 101
    handler.response_headers = []


def _end_pywsgi(rfile: Any, handler: Any) -> None:
    if hasattr(handler, "close_connection"):
        _end_handler(handler)
    # A middleware may have wrapped start_response; a closed rfile ends pywsgi's loop all the same.
    with contextlib.suppress(OSError):
        rfile.close()


def _end_websocket(upgraded: Any) -> None:
    # Its handler closes the WebSocket, with a frame, unless it is closed already.
    upgraded.closed = True
    upgraded.handler.close_connection = True


def refuse_upgraded(upgraded: Any, code: int, reason: str) -> None:
    """End gevent-websocket's WebSocket with a close frame; its own ``close`` sends one without the code."""
    with contextlib.suppress(OSError):
        upgraded.raw_write(encode_close(code, reason))
    _end_websocket(upgraded)


class PeerWatch:
    """Notices that the peer of a held request has gone, without taking a byte from the connection."""

    __slots__ = ("_connection", "_gone", "_sock", "_watcher")

    def __init__(self, environ: Environ, loop: Any, gone: Callable[[], None]) -> None:
        """Call ``gone`` once, on the hub, when the peer closes; on hosts without a socket, never."""
        self._watcher: Any = None
        runner = environ.get(RUNNER_KEY)
        # Our own runner watches its plain connections all the time.
        if runner is not None and runner.connection.watch_peer(gone):
            self._connection = runner.connection
            return
        self._connection = None
        self._gone = gone
        self._sock = host_socket(environ)
        if self._sock is not None:
            self._watcher = loop.io(self._sock.fileno(), 1)
            self._watcher.start(self._readable)

    def _readable(self) -> None:
        self.stop()
        try:
            peeked = self._sock._sock.recv(1, stdlib_socket.MSG_PEEK)
        except BlockingIOError:
            return
        except (OSError, AttributeError):
            peeked = b""
        # Bytes are the next, pipelined request: it is read when this one is answered.
        if not peeked:
            self._gone()

    def stop(self) -> None:
        """Stop watching; idempotent."""
        if self._connection is not None:
            self._connection.unwatch_peer()
        elif self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
