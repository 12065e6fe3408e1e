"""A pywsgi handler that reads requests strictly and never waits for a client without a deadline.

From the request line to the last byte of the body it's ours; running the application and writing its answer stay
pywsgi's, and WebSocket routes other than the server's own stay gevent-websocket's.
"""

from __future__ import annotations

import io
import logging
import socket as stdlib_socket
import time
from errno import ECONNRESET
from http import HTTPStatus
from math import inf
from types import TracebackType
from typing import Any

from gevent import getcurrent
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from socketio_sync.http_body import BodyRefused, ChunkedDecoder, LengthDecoder, Patience, RequestBody
from socketio_sync.http_head import Head, HeadParser, RequestRefused
from socketio_sync.logs import Throttle
from socketio_sync.types import Environ

logger = logging.getLogger(__name__)
problems = Throttle(logger)

RUNNER_KEY = "socketio_sync.handler"

RECEIVE_BYTES = 64 * 1024
# A body that the application left unread is read up to here to keep the connection; the same much is read
# from a connection that is being closed, so that the answer isn't lost in a reset.
DRAIN_BYTES = 64 * 1024
LINGER_SECONDS = 1.0
# A body up to here goes out with its head, in one system call.
JOIN_BYTES = 16 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class DeadlinePassed(Exception):
    """Thrown into a handler that has waited for its client for too long."""


class _NoBody:
    """Stands where pywsgi wants to discard a body of which nothing is left."""

    error: BodyRefused | None = None

    def _discard(self) -> None:
        pass


_NO_BODY = _NoBody()


class _Body(RequestBody):
    def _discard(self) -> None:
        """Do nothing: the handler decides what becomes of an unread body."""


class _RawConnection(io.RawIOBase):
    """The connection as a file, for gevent-websocket: what was received already, then the socket."""

    def __init__(self, handler: StrictHandler) -> None:
        self._handler = handler

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._handler.take_buffered(len(buffer))
        if not data:
            return int(self._handler.socket.recv_into(buffer))
        buffer[: len(data)] = data
        return len(data)


class StrictHandler(WebSocketHandler):  # type: ignore[misc]
    """Serves one connection. Its server is a :class:`socketio_sync.run.HTTPServer`.

    Attributes:
        deadline: When it has waited for its client for too long, on the monotonic clock; the server
            watches it, and throws :class:`DeadlinePassed`.
        idle: Whether it waits for the first byte of a request.
        greenlet: The greenlet that serves the connection.
    """

    wsgi_input: _NoBody | _Body

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        """Serve ``sock``; pywsgi's buffered reader isn't made."""
        self.socket = sock
        self.client_address = address
        self.server = server
        self.greenlet = getcurrent()
        self.deadline = inf
        self.idle = False
        self._limits = server.limits
        self._buffered = b""
        self._rfile: io.BufferedReader | None = None
        self._awaits_continue = False
        self._is_first = True
        self.wsgi_input = _NO_BODY
        self._base = self._base_environ()

    def _base_environ(self) -> Environ:
        """Return what the environs of all requests on this connection have in common."""
        environ: Environ = self.server.get_environ()
        environ["SCRIPT_NAME"] = ""
        environ["wsgi.input_terminated"] = True
        environ[RUNNER_KEY] = self
        if isinstance(self.client_address, tuple):
            environ["REMOTE_ADDR"] = str(self.client_address[0])
            environ["REMOTE_PORT"] = str(self.client_address[1])
        return environ

    @property
    def rfile(self) -> io.BufferedReader:
        """The connection as a file, for gevent-websocket; made when it's first asked for."""
        if self._rfile is None:
            self._rfile = io.BufferedReader(_RawConnection(self))
        return self._rfile

    def take_buffered(self, size: int | None = None) -> bytes:
        """Return, once, what was received behind the request; at most ``size`` bytes of it."""
        data = self._buffered if size is None else self._buffered[:size]
        self._buffered = self._buffered[len(data) :]
        return data

    def handle(self) -> None:
        """Serve the requests of the connection until it ends. Called by the server."""
        connections = self.server.connections
        connections.add(self)
        lingers = False
        try:
            while self.handle_one_request():
                pass
            lingers = bool(self._buffered) or not self._body_is_read()
        except RequestRefused as refused:
            self._refuse(refused)
            lingers = True
        except (DeadlinePassed, OSError):
            # Nothing was sent, or the client is gone: nobody to answer.
            pass
        finally:
            self.idle = False
            if lingers and not self.socket.closed:
                self._linger()
            self.socket.close()
            connections.discard(self)
            # An environ that somebody keeps holds the handler: let that be all it holds.
            self.socket = self._rfile = None
            self._base = {}
            self.wsgi_input = _NO_BODY

    def handle_one_request(self) -> bool:
        """Read a request and have it answered; return whether another one may follow."""
        head, environ = self._read_head()
        if head is None:
            return False
        self.environ = environ
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.close_connection = not head.keep_alive
        self._awaits_continue = head.expects_continue and head.length != 0
        if self.server.logs_requests:
            self.requestline = f"{head.method} {head.target} {head.version}"
        self._open_body(head.length)
        self.application = self.server.application
        self.handle_one_response()
        self.environ = None
        if self.close_connection or self.socket.closed:
            return False
        return self._finish_body()

    # Reading

    def _read_head(self) -> tuple[Head | None, Environ]:
        """Read the next head; None where the client has none, or not all of one."""
        data, self._buffered = self._buffered, b""
        if not data:
            data = self._await_request()
        environ = self._base.copy()
        parser = HeadParser(self._limits, environ)
        until = 0.0
        while data:
            used = parser.feed(data)
            if used is not None:
                self._buffered = data[used:]
                return parser.finish(), environ
            until = until or time.monotonic() + self._limits.head_timeout
            try:
                data = self._receive(until)
            except DeadlinePassed:
                raise RequestRefused(408, "the request head took too long") from None
        return None, environ

    def _await_request(self) -> bytes:
        """Wait for the first bytes of a request; b"" where the client has closed."""
        limits = self._limits
        # The first request of a connection has no predecessor, and its client no excuse.
        seconds = limits.head_timeout if self._is_first else limits.keepalive_idle
        self._is_first = False
        if self.server.stopping:
            return b""
        self.idle = True
        try:
            return self._receive(time.monotonic() + seconds)
        finally:
            self.idle = False

    def _receive(self, until: float) -> bytes:
        """Return what arrives before ``until``, on the monotonic clock; b"" at the client's end.

        Raises:
            DeadlinePassed: Nothing arrived.
        """
        self.deadline = until
        try:
            data: bytes = self.socket.recv(RECEIVE_BYTES)
        finally:
            self.deadline = inf
        return data

    def _open_body(self, length: int | None) -> None:
        """Put ``wsgi.input`` into the environ."""
        environ, received = self.environ, self._buffered
        if length is not None and len(received) >= length:
            self._buffered = received[length:]
            self._awaits_continue = False
            self.wsgi_input = _NO_BODY
            environ["wsgi.input"] = io.BytesIO(received[:length])
            return
        decoder = ChunkedDecoder() if length is None else LengthDecoder(length)
        patience = Patience(self._limits)
        self.wsgi_input = environ["wsgi.input"] = body = _Body(decoder, lambda: self._receive_body(patience))
        if received:
            # Refused before the application runs, where it can be.
            body.take(received)
            self._awaits_continue = False
            self._buffered = b""

    def _receive_body(self, patience: Patience) -> bytes:
        if self._awaits_continue:
            self._awaits_continue = False
            if not self.headers_sent:
                self._send(_CONTINUE)
        start = time.monotonic()
        try:
            data = self._receive(start + patience.left())
        except DeadlinePassed:
            raise BodyRefused(408, "the request body took too long") from None
        except OSError:
            data = b""
        if not data:
            raise BodyRefused(400, "the request body ended early")
        patience.note(time.monotonic() - start, len(data))
        return data

    def _body_is_read(self) -> bool:
        body = self.wsgi_input
        return not isinstance(body, _Body) or body.decoder.done

    def _finish_body(self) -> bool:
        """Skip what the application left of the body; return whether the connection can go on."""
        body = self.wsgi_input
        if isinstance(body, _Body):
            try:
                if body.error is not None or not body.discard(DRAIN_BYTES):
                    return False
            except BodyRefused:
                return False
            self._buffered = body.decoder.rest
        return True

    # Answering

    def run_application(self) -> None:
        """Run the application; gevent-websocket sees only what asks for an upgrade."""
        if self.server.stopping:
            self.close_connection = True
        if "HTTP_UPGRADE" in self.environ:
            super().run_application()
        else:
            WSGIHandler.run_application(self)

    def upgrade_websocket(self) -> Any:
        """Upgrade as gevent-websocket does, with the bodies of its refusals as bytes."""
        result = super().upgrade_websocket()
        if self.status and not self.status.startswith(b"101"):
            self.close_connection = True
        return [part.encode() if isinstance(part, str) else part for part in result] if result else result

    def finalize_headers(self) -> None:
        """Complete the headers as pywsgi does, and say so if the connection ends with this answer."""
        super().finalize_headers()
        unframed = self.provided_content_length is None and not hasattr(self.result, "__len__")
        if self.request_version == "HTTP/1.0" and unframed and self.code not in (204, 304):
            self.close_connection = True
        if not self.close_connection and not self._can_go_on():
            self.close_connection = True
        if self.close_connection and self.code != 101:
            headers = self.response_headers
            headers[:] = [header for header in headers if header[0].lower() != b"connection"]
            headers.append((b"Connection", b"close"))

    def _can_go_on(self) -> bool:
        """Tell, before the head of the answer is sent, whether another request can be read behind this one."""
        body = self.wsgi_input
        if not isinstance(body, _Body) or body.decoder.done:
            return True
        if body.error is not None or self._awaits_continue:
            return False
        return not isinstance(body.decoder, LengthDecoder) or body.decoder.left <= DRAIN_BYTES

    def _write_with_headers(self, data: bytes) -> None:
        """Send the head, with the first data unless they are many: one system call for most answers."""
        if self.wsgi_input.error is not None:
            # Whatever the application makes of a body that it couldn't read, the client is
            # told what was wrong with it.
            raise self.wsgi_input.error
        self.finalize_headers()
        head = bytearray(b"HTTP/1.1 %b\r\n" % self.status)
        for name, value in self.response_headers:
            head += b"%b: %b\r\n" % (name, value)
        head += b"\r\n"
        if self.command == "HEAD":
            self.response_use_chunked = False
        elif data and len(data) <= JOIN_BYTES:
            head += b"%x\r\n%b\r\n" % (len(data), data) if self.response_use_chunked else data
            data = b""
        self.headers_sent = True
        self._sendall(head)
        self._write(data)

    def _write(self, data: bytes) -> None:
        # An answer to HEAD has no body, whatever the application says: the client would
        # take it for the next answer.
        if self.command != "HEAD":
            super()._write(data)

    def _sendall(self, data: bytes | bytearray) -> None:
        try:
            self._send(data)
        except OSError as error:
            self.status = f"socket error: {error}"
            self.code = -abs(self.code or 0)
            raise
        self.response_length += len(data)

    def _send(self, data: bytes | bytearray) -> None:
        """Send all of ``data``, as long as the client takes some of it in time."""
        stall = self._limits.write_stall_timeout
        self.deadline = time.monotonic() + stall
        try:
            sent = self.socket.send(data)
            while sent < len(data):
                taken = self.socket.send(memoryview(data)[sent:])
                if taken:
                    sent += taken
                    self.deadline = time.monotonic() + stall
        except DeadlinePassed:
            # One of the errors that pywsgi takes for a client that has left.
            raise ConnectionResetError(ECONNRESET, "the client takes nothing") from None
        finally:
            self.deadline = inf

    def handle_error(self, t: Any, v: BaseException | None, tb: TracebackType | None) -> None:
        """Answer for an error in the application; one that the client made is its own fault."""
        cause = v if isinstance(v, BodyRefused) else self.wsgi_input.error
        if cause is None:
            super().handle_error(t, v, tb)
            return
        if v is not cause:
            self._log_error(t, v, tb)
        self.close_connection = True
        if not self.headers_sent:
            self._refuse(RequestRefused(cause.status, cause.reason))

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer a request that can't be served."""
        status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
        address = self.client_address[0] if isinstance(self.client_address, tuple) else "a local client"
        problems.warning(refused.reason, "refused a request from %s: %s (%s)", address, refused.reason, status)
        body = f"{refused.reason}\n"
        self.status = status.encode()
        self._orig_status = status
        self.headers_sent = True
        try:
            self._send(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n\r\n{body}".encode("ascii")
            )
        except OSError:
            return

    def _linger(self) -> None:
        """Close our direction and read on for a moment, so that no reset overtakes the answer."""
        until = time.monotonic() + LINGER_SECONDS
        left = DRAIN_BYTES
        try:
            self.socket.shutdown(stdlib_socket.SHUT_WR)
            while left > 0:
                data = self._receive(until)
                if not data:
                    return
                left -= len(data)
        except (DeadlinePassed, OSError):
            return

    def log_request(self) -> None:
        """Write the access log, where there is one."""
        if self.server.logs_requests:
            WSGIHandler.log_request(self)
