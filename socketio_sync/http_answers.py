"""The writing half of the runner's handler: one system call for most answers, headers encoded once.

It stands where pywsgi's own ``start_response`` and ``finalize_headers`` stand, with the same rules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from errno import ECONNRESET, EPIPE
from time import time
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

from geventwebsocket.handler import WebSocketHandler

from socketio_sync.http_body import LengthDecoder, RequestBody
from socketio_sync.http_connection import Connection

# A body that the application left unread is read up to here to keep the connection.
DRAIN_BYTES = 64 * 1024
# An answer's body up to here goes out with its head, in one system call.
JOIN_BYTES = 16 * 1024

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType]

# Of a client that has left: nobody's error.
_CLIENT_LEFT = (EPIPE, ECONNRESET)

# Headers whose presence decides what else is written.
_TELLING = frozenset({"connection", "date", "content-length"})


class Start(NamedTuple):
    """The encoded first line of an answer, perhaps with headers behind it, and the status in numbers."""

    lines: bytes
    code: int


class Field(NamedTuple):
    """An encoded header; ``name`` is its lower-case name if it's a telling one, else empty."""

    line: bytes
    name: str


# The answers of an application have the same statuses and headers again and again: each is checked and
# encoded once. Bounded, because some headers differ in every answer.
_STATUSES: dict[str, Start] = {}
_FIELDS: dict[tuple[str, str], Field] = {}
_STARTS: dict[tuple[Any, ...], Start] = {}
_MAX_STATUSES = 256
_MAX_FIELDS, _MAX_FIELD_LENGTH = 1024, 128
_MAX_STARTS, _MAX_START_LENGTH = 256, 512


def encode_status(status: str) -> Start:
    """Check and encode a WSGI status.

    Raises:
        UnicodeError: It isn't a ``str`` of Latin-1 characters.
        ValueError: It has a line break, or doesn't begin with a number.
    """
    if not isinstance(status, str):
        raise UnicodeError("the status must be a native string")
    if "\r" in status or "\n" in status:
        raise ValueError("carriage return or newline in status", status)
    start = Start(b"HTTP/1.1 %b\r\n" % status.encode("latin-1"), int(status.split(" ", 1)[0]))
    if len(_STATUSES) < _MAX_STATUSES:
        _STATUSES[status] = start
    return start


def encode_field(name: str, value: str) -> Field:
    """Check and encode a header.

    Raises:
        UnicodeError: Name or value isn't a ``str`` of Latin-1 characters.
        ValueError: One of them has a line break, with which an answer could be split in two.
    """
    if not (isinstance(name, str) and isinstance(value, str)):
        raise UnicodeError("a header's name and value must be native strings", name, value)
    if "\r" in name or "\n" in name:
        raise ValueError("carriage return or newline in header name", name)
    if "\r" in value or "\n" in value:
        raise ValueError("carriage return or newline in header value", value)
    try:
        line = f"{name}: {value}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise UnicodeError("a header beyond Latin-1", name, value) from None
    lower = name.lower()
    field = Field(line, lower if lower in _TELLING else "")
    if len(line) <= _MAX_FIELD_LENGTH:
        if len(_FIELDS) >= _MAX_FIELDS:
            # Those that are used all the time are soon back.
            _FIELDS.clear()
        _FIELDS[name, value] = field
    return field


def encode_start(status: str, headers: Sequence[tuple[str, str]]) -> Start | None:
    """Encode what an answer begins with; None where one of the headers is a telling one.

    Raises:
        UnicodeError, ValueError: As ``encode_status`` and ``encode_field``.
    """
    line, code = _STATUSES.get(status) or encode_status(status)
    fields = [_FIELDS.get((name, value)) or encode_field(name, value) for name, value in headers]
    if any(field.name for field in fields):
        return None
    start = Start(line + b"".join([field.line for field in fields]), code)
    if len(start.lines) <= _MAX_START_LENGTH:
        if len(_STARTS) >= _MAX_STARTS:
            _STARTS.clear()
        key = (status, *headers)
        _STARTS[key] = start
    return start


class _Date:
    """The Date header, which changes once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time())
        if second != self._second:
            self._line = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
            self._second = second
        return self._line


_date = _Date()


class AnsweringHandler(WebSocketHandler):  # type: ignore[misc]
    """Runs the application for one request after another and writes its answers.

    Attributes:
        connection: The connection.
        stall: For how many seconds a client may take nothing of an answer.
        body: The request's, if it hadn't arrived as a whole with the head.
        awaits_continue: Whether the client waits for ``100 Continue`` before it sends that.
    """

    # pywsgi's attributes, whose types change while a request is served.
    status: Any
    code: Any
    result: Any
    environ: Any
    connection: Connection
    stall: float
    body: RequestBody | None
    awaits_continue: bool

    def handle_one_response(self) -> None:
        """Run the application and write its answer; whatever it raises is dealt with here."""
        logs = self.server.logs_requests
        if logs:
            self.time_start = time()
        self.status = None
        self.headers_sent = False
        self.result = None
        self.response_use_chunked = False
        self.response_length = 0
        try:
            self.run_application()
        except OSError as error:
            if error.errno in _CLIENT_LEFT:
                self.close_connection = True
            else:
                self.handle_error(*sys.exc_info())
        except BaseException:
            self.handle_error(*sys.exc_info())
        finally:
            if logs:
                self.time_finish = time()
                self.log_request()

    def run_application(self) -> None:
        """Run the application; gevent-websocket sees only upgrades that the application leaves to it."""
        if "HTTP_UPGRADE" in self.environ and not self.server.pre_start_hook(self):
            super().run_application()
            return
        result = self.application(self.environ, self.start_response)
        if self.headers_sent and type(result) is tuple and not result:
            # That of ``respond``.
            return
        self.result = result
        try:
            self.process_result()
        finally:
            close = getattr(result, "close", None)
            self.result = None
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Any:
        """Take status and headers of an answer (PEP 3333); they are sent with its first bytes.

        Raises:
            UnicodeError: One of them isn't a ``str`` of Latin-1 characters.
            ValueError: One of them has a line break.
            AssertionError: An answer that has no body has a length.
        """
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        status_line, code = _STATUSES.get(status) or encode_status(status)
        lines = [status_line]
        connections: list[bytes] = []
        self.provided_date = self.provided_content_length = None
        connection = None
        known = _FIELDS
        for name, value in headers:
            line, telling = known.get((name, value)) or encode_field(name, value)
            if telling == "connection":
                connection = value
                connections.append(line)
                continue
            lines.append(line)
            if telling == "content-length":
                self.provided_content_length = value
            elif telling:
                self.provided_date = value
        if code in (204, 304) and self.provided_content_length not in (None, "0"):
            raise self.ApplicationError(f"a length in a {code} answer, which has no body")
        # Assigned only now: what is refused above leaves no trace.
        self.status = self._orig_status = status
        self.code = code
        self._lines, self._connections = lines, connections
        if connection is None:
            if self.request_version == "HTTP/1.0" and not self.close_connection:
                connections.append(b"Connection: keep-alive\r\n")
        elif connection.lower() == "close":
            self.close_connection = True
        if "wsgi.websocket" in self.environ:
            self._prepare_response()
        return self.write

    def finalize_headers(self) -> None:
        """Complete the head of the answer; say so if the connection ends with it."""
        body = self.body
        if body is not None and body.error is not None:
            # Whatever the application makes of a body that it couldn't read, the client is
            # told what was wrong with it.
            raise body.error
        lines, code = self._lines, self.code
        if self.provided_date is None:
            lines.append(_date.line())
        if code == 101:
            lines += self._connections
            return
        if self.provided_content_length is None and code not in (204, 304):
            if hasattr(self.result, "__len__"):
                lines.append(b"Content-Length: %d\r\n" % sum(map(len, self.result)))
            elif self.request_version != "HTTP/1.0":
                self.response_use_chunked = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
        if self.close_connection or self.server.stopping or not self._can_go_on():
            self.close_connection = True
            lines.append(b"Connection: close\r\n")
        else:
            lines += self._connections

    def respond(self, status: str, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Send a whole answer, as ``start_response`` and one piece of body would; once per request.

        The application then returns an empty tuple.

        Args:
            status: As for ``start_response``.
            headers: Tuples, as for ``start_response``, but for the length, which is added.
            body: Not to be used in an answer that has none: to a HEAD, or with status 204 or 304.

        Raises:
            OSError: It couldn't be sent.
            UnicodeError, ValueError: As ``start_response``.
        """
        start = _STARTS.get((status, *headers)) or encode_start(status, headers)
        if (
            start is None
            or self.body is not None
            or self.close_connection
            or self.request_version != "HTTP/1.1"
            or self.server.stopping
            or len(body) > JOIN_BYTES
        ):
            self.start_response(status, [*headers, ("Content-Length", str(len(body)))])
            self.write(body)
            return
        self.status = self._orig_status = status
        self.code = start.code
        self.headers_sent = True
        self._sendall(b"%b%bContent-Length: %d\r\n\r\n%b" % (start.lines, _date.line(), len(body), body))

    def _can_go_on(self) -> bool:
        """Tell, before the answer's head is sent, whether another request can follow this one."""
        # In HTTP/1.0 an answer without a length ends where the connection does.
        has_length = self.provided_content_length is not None or hasattr(self.result, "__len__")
        if self.request_version == "HTTP/1.0" and not has_length and self.code not in (204, 304):
            return False
        body = self.body
        if body is None or body.decoder.done:
            return True
        if body.error is not None or self.awaits_continue:
            return False
        return not isinstance(body.decoder, LengthDecoder) or body.decoder.left <= DRAIN_BYTES

    def _write_with_headers(self, data: bytes) -> None:
        """Send the head, with the first data unless they are many: one system call for most answers."""
        self.finalize_headers()
        lines = self._lines
        lines.append(b"\r\n")
        if self.command == "HEAD":
            self.response_use_chunked = False
        elif data and len(data) <= JOIN_BYTES:
            lines.append(b"%x\r\n%b\r\n" % (len(data), data) if self.response_use_chunked else data)
            data = b""
        self.headers_sent = True
        self._sendall(b"".join(lines))
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        # An answer to HEAD has no body, whatever the application says: the client would
        # take it for the next answer.
        if self.command != "HEAD":
            super()._write(data)

    def _sendall(self, data: bytes | bytearray) -> None:
        try:
            self.connection.send(data, stall=self.stall)
        except OSError as error:
            self.status = f"socket error: {error}"
            self.code = -abs(self.code or 0)
            raise
        self.response_length += len(data)
