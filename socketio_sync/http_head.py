"""The head of an HTTP/1.1 request: strictly parsed, within limits, into a WSGI environ.

Pure: bytes in, values out. The grammar is checked twice, by llhttp (through ``httptools``) and by what
stands here, because releases of llhttp differ in what they let pass and the framing of a request must not
depend on that.

Specification: RFC 9112, "Request Line", "Field Syntax", "Message Body Length"; RFC 9110, "Host and
:authority".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from socketio_sync.option_groups import check_numbers
from socketio_sync.types import Environ

END = b"\r\n\r\n"
LINE_END = b"\r\n"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"(?:\[[0-9A-Fa-fv:.]+\]|[\w.~!$&'()*+;=%-]+)(?::[0-9]{0,5})?", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]+)(.*)", re.ASCII | re.IGNORECASE)
_CODINGS = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LENGTHS = re.compile(rb"\r\ncontent-length:", re.IGNORECASE)
_BARE_LF = re.compile(rb"(?<!\r)\n")
# What a head may consist of: visible ASCII, spaces, tabs, bytes from 128 up, and line ends,
# which are counted apart.
_PERMITTED = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
# More than any limit lets pass; converting a number of any length would take its square in time.
MAX_LENGTH_DIGITS = 19

# Fields of which a second one makes the request ambiguous.
_SINGLE = frozenset({"HTTP_HOST", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"})

# Names of fields, as received, and their keys in an environ; "" for those that are dropped.
_KEYS: dict[bytes, str] = {}
_MAX_KEYS = 1024
_MAX_KEY_LENGTH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimits:
    """How large a request may be and how long it may take. Sizes in bytes, times in seconds.

    Attributes:
        max_request_line: Longest request line; longer is answered with 414.
        max_head: Longest head, with its empty line; longer is answered with 431.
        max_headers: Most header fields; more is answered with 431.
        head_timeout: How long a head may take from its first byte, and a new connection to send
            one; later is answered with 408, or closed silently if nothing came.
        keepalive_idle: How long a connection may wait for its next request; then it is closed silently.
        body_timeout: How long the server waits for a body altogether; longer is answered with 408.
        body_grace: For how long a body may come arbitrarily slowly.
        body_min_rate: Slowest rate of a body after that, in bytes per second; slower is answered with 408.
        write_stall_timeout: How long a client may take nothing of a response; then the connection is
            dropped.
    """

    max_request_line: int = 8 * 1024
    max_head: int = 32 * 1024
    max_headers: int = 100
    head_timeout: float = 10.0
    keepalive_idle: float = 75.0
    body_timeout: float = 60.0
    body_grace: float = 10.0
    body_min_rate: float = 500.0
    write_stall_timeout: float = 10.0

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        check_numbers(self)


class RequestRefused(Exception):
    """The request can't be served, and nothing behind it on the connection either.

    Attributes:
        status: The HTTP status to answer with.
        reason: A fixed text, fit for the answer: it repeats nothing that the client sent.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Refuse with ``status``."""
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class Head(NamedTuple):
    """What a head says about its own request, besides the environ.

    Attributes:
        method: The method.
        target: The request target as sent.
        version: ``"HTTP/1.1"`` or ``"HTTP/1.0"``.
        length: Length of the body; None where it is chunked.
        keep_alive: Whether another request may follow on the connection.
        expects_continue: Whether the client waits for ``100 Continue``.
    """

    method: str
    target: str
    version: str
    length: int | None
    keep_alive: bool
    expects_continue: bool


class HeadParser:
    """Reads one head, fed with whatever pieces of it arrive."""

    __slots__ = ("_fields", "_limits", "_lines", "_parser", "_seen")

    def __init__(self, limits: RequestLimits, environ: Environ) -> None:
        """Read a head into ``environ``, which brings what all requests of the connection share."""
        self._limits = limits
        self._fields = _Fields(environ)
        self._parser = HttpRequestParser(self._fields)
        self._seen = b""
        self._lines = 0

    def feed(self, data: bytes) -> int | None:
        """Take what was received.

        Returns:
            None while the head isn't complete; then how many bytes of ``data`` belong to it. Nothing may be
            fed afterwards.

        Raises:
            RequestRefused: The head is malformed or beyond a limit.
        """
        seen = self._seen + data if self._seen else data
        # An end that lies across two pieces begins at most three bytes before the second.
        end = seen.find(END, max(len(self._seen) - 3, 0))
        if end < 0:
            if _BARE_LF.search(seen, len(self._seen)):
                raise RequestRefused(400, "malformed line in the head")
            self._lines += data.count(b"\n")
            self._check_size(seen, len(seen), self._lines - 1)
            self._parse(data, seen)
            self._seen = seen
            return None
        size = end + len(END)
        used = size - len(self._seen)
        head = seen if size == len(seen) else seen[:size]
        self._lines = head.count(b"\n")
        self._check_size(head, size, self._lines - 2)
        self._parse(data if used == len(data) else data[:used], head)
        self._seen = head
        return used

    def finish(self) -> Head:
        """Check the complete head as a whole, and complete the environ.

        Raises:
            RequestRefused: The head is malformed, or its framing is ambiguous.
        """
        fields, head = self._fields, self._seen
        # RFC 9112, 2.2: one empty line before the request line is let pass; another one
        # leaves llhttp without a request line, which the comparison below finds.
        start = 2 if head.startswith(LINE_END) else 0
        line_end = head.find(LINE_END, start)
        method = self._parser.get_method()
        version = head[line_end - 8 : line_end]
        target = fields.target
        if head[start:line_end] != b"%b %b %b" % (method, target, version):
            raise RequestRefused(400, "malformed request line")
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise RequestRefused(400, "unsupported version of HTTP")
        if (
            head.count(LINE_END) != self._lines
            or head.count(b"\r") != self._lines
            or head.translate(None, _PERMITTED)
            or b"\r\n " in head
            or b"\r\n\t" in head
        ):
            raise RequestRefused(400, "malformed line in the head")
        if fields.fault:
            raise RequestRefused(400, fields.fault)
        return _complete(fields.environ, method.decode("ascii"), target, version.decode("ascii"))

    @property
    def seen(self) -> bytes:
        """The bytes of the head, as far as they were fed."""
        return self._seen

    def _check_size(self, seen: bytes, size: int, lines: int) -> None:
        limits = self._limits
        start = 2 if seen.startswith(LINE_END) else 0
        line_end = seen.find(LINE_END, 2)
        if line_end < 0:
            line_end = size - seen.endswith(b"\r")
        if line_end - start > limits.max_request_line:
            raise RequestRefused(414, "request line too long")
        if size > limits.max_head or lines > limits.max_headers + (start > 0):
            raise RequestRefused(431, "request head too large")

    def _parse(self, data: bytes, seen: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # llhttp ends the head there; what an upgrade means is decided elsewhere.
            return
        except HttpParserError as error:
            codings = _CODINGS.findall(seen)
            if "Transfer-Encoding" in str(error) and len(codings) == 1 and not _LENGTHS.search(seen):
                raise _coding_refused(codings[0].decode("latin-1")) from None
            raise RequestRefused(400, "malformed request head") from None


class _Fields:
    """Collects what llhttp calls out."""

    __slots__ = ("environ", "fault", "target")

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.target = b""
        self.fault = ""

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _KEYS.get(name)
        if key is None:
            key = _key_of(name)
            if key is None:
                self.fault = "malformed header name"
                return
        text = value.strip().decode("latin-1")
        environ = self.environ
        if key not in environ:
            if key:
                environ[key] = text
        elif key in _SINGLE:
            self.fault = "a header that may stand once stands twice"
        elif key == "HTTP_COOKIE":
            environ[key] += "; " + text
        elif key != "CONTENT_TYPE":
            environ[key] += "," + text


def _key_of(name: bytes) -> str | None:
    """Return the environ's key of a header, "" for one that is dropped, None for no valid name."""
    text = name.decode("latin-1")
    if not _TOKEN.fullmatch(text):
        return None
    # "X_Y" and "X-Y" would be the same key: a way around a proxy that sets or strips one.
    key = "" if "_" in text else text.replace("-", "_").upper()
    if key and key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    if len(_KEYS) < _MAX_KEYS and len(name) <= _MAX_KEY_LENGTH:
        _KEYS[name] = key
    return key


def _complete(environ: Environ, method: str, target: bytes, version: str) -> Head:
    """Put into the environ what the request line says, and read the framing off the fields."""
    length = _body_length(environ, version)
    text = target.decode("latin-1")
    path, _, query = _checked_path(environ, method, text, version).partition("?")
    environ["REQUEST_METHOD"] = method
    environ["PATH_INFO"] = unquote(path, "latin-1") if "%" in path else path
    environ["QUERY_STRING"] = query
    environ["SERVER_PROTOCOL"] = version
    options = {option.strip() for option in environ.get("HTTP_CONNECTION", "").lower().split(",")}
    keep_alive = "close" not in options and (version == "HTTP/1.1" or "keep-alive" in options)
    if length != 0 and environ.get("HTTP_UPGRADE", "").lower() == "websocket":
        raise RequestRefused(400, "a WebSocket handshake with a body")
    expects = version == "HTTP/1.1" and environ.get("HTTP_EXPECT", "").lower() == "100-continue"
    return Head(method, text, version, length, keep_alive, expects)


def _body_length(environ: Environ, version: str) -> int | None:
    """Return the length of the body, or None for a chunked one; refuse whatever is ambiguous."""
    length = environ.get("CONTENT_LENGTH")
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None:
            raise RequestRefused(400, "both a content length and a transfer coding")
        if version != "HTTP/1.1":
            raise RequestRefused(400, "a transfer coding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise _coding_refused(coding)
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        raise RequestRefused(400, "malformed content length")
    return int(length)


def _checked_path(environ: Environ, method: str, target: str, version: str) -> str:
    """Return path and query of the target; refuse a target or a Host that isn't one."""
    host = environ.get("HTTP_HOST")
    if host is None:
        if version == "HTTP/1.1":
            raise RequestRefused(400, "no Host header")
    elif not _HOST.fullmatch(host):
        raise RequestRefused(400, "malformed Host header")
    if not target.isascii() or "#" in target:
        raise RequestRefused(400, "malformed request target")
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise RequestRefused(400, "malformed request target")
    # RFC 9112, 3.2.2: the target's authority replaces the Host header.
    environ["HTTP_HOST"] = absolute[1]
    return absolute[2] if absolute[2].startswith("/") else "/" + absolute[2]


def _coding_refused(value: str) -> RequestRefused:
    """Return the refusal of a ``Transfer-Encoding`` that isn't just ``chunked``."""
    names = [name.strip() for name in value.lower().split(",")]
    if all(_TOKEN.fullmatch(name) for name in names) and set(names) != {"chunked"}:
        return RequestRefused(501, "unknown transfer coding")
    return RequestRefused(400, "malformed transfer coding")
