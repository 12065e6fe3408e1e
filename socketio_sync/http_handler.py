"""A pywsgi handler that reads requests strictly and never waits for a client without a deadline.

From the request line to the last byte of the body it's ours; running the application and writing its
answer stay pywsgi's, and WebSocket routes other than the server's own stay gevent-websocket's.
"""

from __future__ import annotations

import io
import logging
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Any

from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from socketio_sync.http_body import BodyRefused, ChunkedDecoder, LengthDecoder, Patience, RequestBody
from socketio_sync.http_connection import Connection, DeadlinePassed
from socketio_sync.http_head import Head, HeadParser, RequestRefused
from socketio_sync.logs import Throttle
from socketio_sync.types import Environ

logger = logging.getLogger(__name__)
problems = Throttle(logger)

RUNNER_KEY = "socketio_sync.handler"

# A body that the application left unread is read up to here to keep the connection.
DRAIN_BYTES = 64 * 1024
# A body up to here goes out with its head, in one system call.
JOIN_BYTES = 16 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _NoBody:
    """Stands where pywsgi wants to discard a body of which nothing is left."""

    error: BodyRefused | None = None

    def _discard(self) -> None:
        pass


class _Body(RequestBody):
    def _discard(self) -> None:
        """Do nothing: the handler decides what becomes of an unread body."""


_NO_BODY = _NoBody()


class StrictHandler(WebSocketHandler):  # type: ignore[misc]
    """Serves one connection of a :class:`socketio_sync.run.HTTPServer`.

    Attributes:
        connection: The connection.
        socket: Its socket; None once the handler has ended.
    """

    # pywsgi's attributes, whose types change while a request is served.
    status: Any
    code: Any
    environ: Any
    response_headers: Any
    socket: Any
    wsgi_input: _NoBody | _Body

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        """Serve ``sock``; pywsgi's buffered reader isn't made."""
        self.socket = sock
        self.client_address = address
        self.server = server
        self.connection = Connection(sock)
        self.wsgi_input = _NO_BODY
        self._limits = server.limits
        self._rfile: io.BufferedReader | None = None
        self._awaits_continue = False
        self._is_first = True
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
            self._rfile = self.connection.as_file()
        return self._rfile

    def take_buffered(self) -> bytes:
        """Return, once, what was received behind the request: for whoever takes the connection over."""
        return self.connection.take_buffered()

    def handle(self) -> None:
        """Serve the requests of the connection until it ends. Called by the server."""
        connection = self.connection
        self.server.connections.add(connection)
        lingers = False
        try:
            while self.handle_one_request():
                pass
            lingers = connection.has_buffered or not self._body_is_read()
        except RequestRefused as refused:
            lingers = True
            self._refuse(refused)
        except (DeadlinePassed, OSError):
            # Nothing was sent, or the client is gone: nobody to answer.
            pass
        finally:
            connection.idle = False
            if lingers and connection.is_open:
                connection.linger()
            self.socket.close()
            self.server.connections.discard(connection)
            # An environ that somebody keeps holds the handler: let that be all it holds.
            self.socket = self.environ = self._rfile = None
            self.wsgi_input = _NO_BODY
            self._base = {}

    def handle_one_request(self) -> bool:
        """Read a request and have it answered; return whether another one may follow."""
        head = self._read_head()
        if head is None:
            return False
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.close_connection = not head.keep_alive
        self._awaits_continue = head.expects_continue and head.length != 0
        if self.server.logs_requests:
            self.requestline = f"{head.method} {head.target} {head.version}"
        self._open_body(head.length)
        self.application = self.server.application
        self.handle_one_response()
        self.environ = None
        if self.close_connection or not self.connection.is_open:
            return False
        return self._finish_body()

    # Reading

    def _read_head(self) -> Head | None:
        """Read the next head into a new environ; None where the client has none, or not all of one."""
        connection = self.connection
        data = connection.take_buffered() or self._await_request()
        self.environ = self._base.copy()
        parser = HeadParser(self._limits, self.environ)
        until = 0.0
        while data:
            used = parser.feed(data)
            if used is not None:
                connection.give_back(data[used:])
                return parser.finish()
            until = until or monotonic() + self._limits.head_timeout
            try:
                data = connection.receive(until)
            except DeadlinePassed:
                raise RequestRefused(408, "the request head took too long") from None
        return None

    def _await_request(self) -> bytes:
        """Wait for the first bytes of a request; b"" where the client has closed."""
        if self.server.stopping:
            return b""
        # Who has just connected has something to say; who was served may come back.
        limits = self._limits
        seconds = limits.head_timeout if self._is_first else limits.keepalive_idle
        self._is_first = False
        connection = self.connection
        connection.idle = True
        data = connection.receive(monotonic() + seconds)
        connection.idle = False
        return data

    def _open_body(self, length: int | None) -> None:
        """Put ``wsgi.input`` into the environ."""
        received = self.connection.take_buffered()
        if length is not None and len(received) >= length:
            self.connection.give_back(received[length:])
            self._awaits_continue = False
            self.wsgi_input = _NO_BODY
            self.environ["wsgi.input"] = io.BytesIO(received[:length])
            return
        decoder = ChunkedDecoder() if length is None else LengthDecoder(length)
        patience = Patience(self._limits)
        self.wsgi_input = body = _Body(decoder, lambda: self._receive_body(patience))
        self.environ["wsgi.input"] = body
        if received:
            self._awaits_continue = False
            # Raises RequestRefused: what is malformed by now never reaches the application.
            body.take(received)

    def _receive_body(self, patience: Patience) -> bytes:
        if self._awaits_continue:
            self._awaits_continue = False
            if not self.headers_sent:
                self.connection.send(_CONTINUE, stall=self._limits.write_stall_timeout)
        start = monotonic()
        try:
            data = self.connection.receive(start + patience.left())
        except DeadlinePassed:
            raise BodyRefused(408, "the request body took too long") from None
        except OSError:
            data = b""
        if not data:
            raise BodyRefused(400, "the request body ended early")
        patience.note(monotonic() - start, len(data))
        return data

    def _body_is_read(self) -> bool:
        body = self.wsgi_input
        return not isinstance(body, _Body) or body.decoder.done

    def _finish_body(self) -> bool:
        """Skip what the application left of the body; return whether the connection can go on."""
        body = self.wsgi_input
        if isinstance(body, _Body):
            try:
                if not body.discard(DRAIN_BYTES):
                    return False
            except BodyRefused:
                return False
            self.connection.give_back(body.decoder.rest)
        return True

    # Answering

    def run_application(self) -> None:
        """Run the application; gevent-websocket sees only what asks for an upgrade."""
        if "HTTP_UPGRADE" in self.environ:
            super().run_application()
        else:
            WSGIHandler.run_application(self)

    def upgrade_websocket(self) -> Any:
        """Upgrade as gevent-websocket does, with the bodies of its refusals as bytes."""
        result = super().upgrade_websocket()
        if result is None:
            return None
        self.close_connection = True
        return [part.encode() if isinstance(part, str) else part for part in result]

    def finalize_headers(self) -> None:
        """Complete the headers as pywsgi does, and say so if the connection ends with this answer."""
        super().finalize_headers()
        if self.code == 101:
            return
        self.close_connection = self.close_connection or self.server.stopping or not self._can_go_on()
        if self.close_connection:
            headers = [header for header in self.response_headers if header[0].lower() != b"connection"]
            self.response_headers = [*headers, (b"Connection", b"close")]

    def _can_go_on(self) -> bool:
        """Tell, before the answer's head is sent, whether another request can follow this one."""
        # In HTTP/1.0 an answer without a length ends where the connection does.
        has_length = self.provided_content_length is not None or hasattr(self.result, "__len__")
        if self.request_version == "HTTP/1.0" and not has_length and self.code not in (204, 304):
            return False
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
        answer = bytearray(b"HTTP/1.1 %b\r\n" % self.status)
        for name, value in self.response_headers:
            answer += b"%b: %b\r\n" % (name, value)
        answer += b"\r\n"
        if self.command == "HEAD":
            self.response_use_chunked = False
        elif data and len(data) <= JOIN_BYTES:
            answer += b"%x\r\n%b\r\n" % (len(data), data) if self.response_use_chunked else data
            data = b""
        self.headers_sent = True
        self._sendall(answer)
        self._write(data)

    def _write(self, data: bytes) -> None:
        # An answer to HEAD has no body, whatever the application says: the client would
        # take it for the next answer.
        if self.command != "HEAD":
            super()._write(data)

    def _sendall(self, data: bytes | bytearray) -> None:
        try:
            self.connection.send(data, stall=self._limits.write_stall_timeout)
        except OSError as error:
            self.status = f"socket error: {error}"
            self.code = -abs(self.code or 0)
            raise
        self.response_length += len(data)

    def handle_error(
        self, t: type[BaseException] | None, v: BaseException | None, tb: TracebackType | None
    ) -> None:
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
        host = self.client_address[0] if isinstance(self.client_address, tuple) else "a local client"
        problems.warning(refused.reason, "refused a request from %s: %s (%s)", host, refused.reason, status)
        body = f"{refused.reason}\n"
        answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}"
        )
        self.status = self._orig_status = status
        self.headers_sent = True
        try:
            self.connection.send(answer.encode("ascii"), stall=self._limits.write_stall_timeout)
        except OSError:
            return

    def log_request(self) -> None:
        """Write the access log, where there is one."""
        if self.server.logs_requests:
            WSGIHandler.log_request(self)
