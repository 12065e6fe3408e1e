"""A pywsgi handler that reads requests strictly and never waits for a client without a deadline.

This is the reading half; ``http_answers`` is the writing half. WebSocket routes other than the server's own
stay gevent-websocket's.
"""

from __future__ import annotations

import io
import logging
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Any

from gevent.pywsgi import WSGIHandler

from socketio_sync.http_answers import DRAIN_BYTES, AnsweringHandler
from socketio_sync.http_body import BodyRefused, ChunkedDecoder, LengthDecoder, Patience, RequestBody
from socketio_sync.http_connection import Connection, DeadlinePassed
from socketio_sync.http_head import HeadParser, RequestRefused
from socketio_sync.http_known import KnownHeads, Received
from socketio_sync.logs import Throttle
from socketio_sync.types import Environ

logger = logging.getLogger(__name__)
problems = Throttle(logger)

RUNNER_KEY = "socketio_sync.handler"

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class StrictHandler(AnsweringHandler):
    """Serves one connection of a :class:`socketio_sync.run.HTTPServer`.

    Attributes:
        connection: The connection.
        socket: Its socket; None once the handler has ended.
    """

    # pywsgi's, whose type changes.
    socket: Any

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        """Serve ``sock``; pywsgi's buffered reader isn't made."""
        self.socket = sock
        self.client_address = address
        self.server = server
        self.connection = Connection(sock)
        self.body = None
        self._limits = limits = server.limits
        self.stall = limits.write_stall_timeout
        self._known: KnownHeads | None = None
        self._rfile: io.BufferedReader | None = None
        self.awaits_continue = False
        self._patience = limits.head_timeout
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
        self.connection.leave()
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
            connection.leave()
            self.socket.close()
            self.server.connections.discard(connection)
            # An environ that somebody keeps holds the handler: let that be all it holds.
            self.socket = self.environ = self._rfile = self.body = self._known = None
            self._base = {}

    def handle_one_request(self) -> bool:
        """Read a request and have it answered; return whether another one may follow."""
        connection = self.connection
        data = connection.take_buffered() if connection.buffered else self._await_request()
        known = self._known
        received = (known.recall(data) if known is not None else None) or self._receive_head(data)
        if received is None:
            return False
        head, environ, rest = received
        self.environ = environ
        self.command, self.path, self.request_version, length, keep_alive, expects = head
        self.close_connection = not keep_alive
        if length is not None and len(rest) >= length:
            # Most requests come as a whole.
            if len(rest) > length:
                connection.give_back(rest[length:])
                rest = rest[:length]
            self.body = None
            self.awaits_continue = False
            environ["wsgi.input"] = io.BytesIO(rest)
        else:
            self.awaits_continue = expects
            environ["wsgi.input"] = self._open_body(length, rest)
        if self.server.logs_requests:
            self.requestline = f"{self.command} {self.path} {self.request_version}"
        self.application = self.server.application
        self.handle_one_response()
        self.environ = None
        if self.close_connection or not connection.is_open:
            return False
        return self.body is None or self._finish_body(self.body)

    # Reading

    def _receive_head(self, data: bytes) -> Received | None:
        """Parse a head that begins with ``data``; None where the client has sent none, or not all of one."""
        connection = self.connection
        environ = self._base.copy()
        parser = HeadParser(self._limits, environ)
        until = 0.0
        while data:
            used = parser.feed(data)
            if used is not None:
                head = parser.finish()
                if head.keep_alive:
                    self._known = self._known or KnownHeads(self._limits)
                    self._known.note(parser.seen, head, environ)
                return Received(head, environ, data[used:])
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
        connection = self.connection
        connection.idle = True
        data = connection.receive(monotonic() + self._patience)
        connection.idle = False
        # Who has just connected has something to say; who was served may come back.
        self._patience = self._limits.keepalive_idle
        return data

    def _open_body(self, length: int | None, rest: bytes) -> RequestBody:
        """Return the ``wsgi.input`` of a body of which only ``rest`` has come."""
        decoder = ChunkedDecoder() if length is None else LengthDecoder(length)
        patience = Patience(self._limits)
        self.body = body = RequestBody(decoder, lambda: self._receive_body(patience))
        if rest:
            self.awaits_continue = False
            # Raises RequestRefused: what is malformed by now never reaches the application.
            body.take(rest)
        return body

    def _receive_body(self, patience: Patience) -> bytes:
        if self.awaits_continue:
            self.awaits_continue = False
            if not self.headers_sent:
                self.connection.send(_CONTINUE, stall=self.stall)
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
        return self.body is None or self.body.decoder.done

    def _finish_body(self, body: RequestBody) -> bool:
        """Skip what the application left of the body; return whether the connection can go on."""
        try:
            if not body.discard(DRAIN_BYTES):
                return False
        except BodyRefused:
            return False
        self.connection.give_back(body.decoder.rest)
        return True

    # Answering

    def upgrade_websocket(self) -> Any:
        """Upgrade as gevent-websocket does, with the bodies of its refusals as bytes."""
        try:
            result = super().upgrade_websocket()
        except ValueError:
            # A key that isn't base64: a TypeError is what gevent-websocket expects of it.
            self.start_response("400 Bad Request", [])
            result = ["Sec-WebSocket-Key isn't valid"]
        if result is None:
            return None
        self.close_connection = True
        return [part.encode() if isinstance(part, str) else part for part in result]

    def handle_error(
        self, t: type[BaseException] | None, v: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Answer for an error in the application; one that the client made is its own fault."""
        body = self.body
        cause = v if isinstance(v, BodyRefused) else body.error if body is not None else None
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
            self.connection.send(answer.encode("ascii"), stall=self.stall)
        except OSError:
            return

    def log_request(self) -> None:
        """Write the access log, where there is one."""
        if self.server.logs_requests:
            WSGIHandler.log_request(self)
