"""The one place where what happened becomes an HTTP answer: statuses, headers, compression, cookies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.handshake import Refusal
from socketio_sync.transports.takeover import own_runner
from socketio_sync.types import Environ, Headers, StartResponse

_STATUSES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NO_CONTENT = 204
_UNAVAILABLE = 503
# When a client may try again that finds the server full, in seconds.
RETRY_AFTER = "5"
# A proxy that buffers would keep the packets until the next one comes.
_TEXT = (
    ("Content-Type", "text/plain; charset=UTF-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)
_BINARY = (("Content-Type", "application/octet-stream"), *_TEXT[1:])
_ACCEPTED = (("Content-Type", "text/html"), ("Cache-Control", "no-store"))

# gzip at level 1 takes a third of the CPU of level 6 for some 10 % more bytes.
_LEVEL = 1


class Answer(NamedTuple):
    """An HTTP answer before it is written.

    Attributes:
        status: The status code.
        headers: Headers beside those that every answer gets.
        body: The body, uncompressed.
        on_failed: Called when the host couldn't write the answer; None where nothing depends on it.
        compress: Whether the body may be compressed.
    """

    status: int
    headers: Headers
    body: bytes = b""
    on_failed: Callable[[], None] | None = None
    compress: bool = True


def text_answer(
    body: bytes,
    *,
    binary: bool = False,
    on_failed: Callable[[], None] | None = None,
    compress: bool = True,
) -> Answer:
    """Make the answer to a poll."""
    return Answer(200, [*(_BINARY if binary else _TEXT)], body, on_failed, compress)


def javascript_answer(body: bytes, on_failed: Callable[[], None] | None = None) -> Answer:
    """Make the answer to a poll by script tag."""
    headers = [
        ("Content-Type", "application/javascript; charset=UTF-8"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Answer(200, headers, body, on_failed)


def accepted_answer() -> Answer:
    """Make the answer to a POST of which every packet was accepted."""
    return Answer(200, [*_ACCEPTED], b"ok")


def refusal_answer(refusal: HandshakeRefused) -> Answer:
    """Make the answer to a refused request: the code and a fixed text as JSON."""
    if not isinstance(refusal, Refusal):
        refusal = Refusal(refusal.code, message=refusal.message)
    headers = [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if refusal.retry_after is not None:
        headers.append(("Retry-After", str(refusal.retry_after)))
    elif refusal.status == _UNAVAILABLE:
        headers.append(("Retry-After", RETRY_AFTER))
    return Answer(refusal.status, headers, refusal.body)


def unavailable_answer(message: str) -> Answer:
    """Make the answer for a host that can't serve us, with the reason as text."""
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store")]
    return Answer(503, headers, message.encode())


def empty_answer(status: int, headers: Headers | None = None) -> Answer:
    """Make an answer without a body."""
    return Answer(status, headers if headers is not None else [])


def cookie_header(cookie: str | Mapping[str, Any], sid: str) -> tuple[str, str]:
    """Make the ``Set-Cookie`` header with the session id; defaults as the Node server's."""
    settings: Mapping[str, Any] = {"name": cookie} if isinstance(cookie, str) else cookie
    parts = [f"{settings.get('name', 'io')}={sid}", f"Path={settings.get('path', '/')}"]
    if settings.get("max_age") is not None:
        parts.append(f"Max-Age={settings['max_age']}")
    if settings.get("domain"):
        parts.append(f"Domain={settings['domain']}")
    if settings.get("http_only", True):
        parts.append("HttpOnly")
    if settings.get("secure"):
        parts.append("Secure")
    same_site = settings.get("same_site", "lax")
    if same_site:
        parts.append(f"SameSite={str(same_site).capitalize()}")
    return "Set-Cookie", "; ".join(parts)


def _compressed(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    codings = {}
    for entry in accepted.lower().split(","):
        name, _, parameters = entry.partition(";")
        codings[name.strip()] = parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    if codings.get("gzip"):
        return gzip.compress(body, _LEVEL, mtime=0), "gzip"
    if codings.get("deflate"):
        return zlib.compress(body, _LEVEL), "deflate"
    return body, None


def write_answer(
    answer: Answer, environ: Environ, start_response: StartResponse, options: EngineOptions, extra: Headers
) -> Iterable[bytes]:
    """Start the response and return its body.

    Args:
        answer: What to say.
        environ: The request's.
        start_response: The host's.
        options: For the compression.
        extra: Headers of every answer: CORS, and what hooks add.

    Raises:
        OSError: Our own runner, which is handed the whole answer at once, couldn't send it.
    """
    status, headers, body, on_failed, compress = answer
    if extra:
        # Hooks may have put lists there, which no host minds.
        headers = [*headers, *((name, value) for name, value in extra)]
    if len(body) >= options.compression_threshold and options.http_compression:
        coding = None
        if compress:
            body, coding = _compressed(body, environ.get("HTTP_ACCEPT_ENCODING", ""))
        if coding is not None:
            headers.append(("Content-Encoding", coding))
        headers.append(("Vary", "Accept-Encoding"))
    agent = environ.get("HTTP_USER_AGENT", "")
    if ";MSIE" in agent or "Trident/" in agent:
        headers.append(("X-XSS-Protection", "0"))
    method = environ["REQUEST_METHOD"]
    runner = own_runner(environ, start_response)
    if runner is not None and status != _NO_CONTENT and method != "HEAD":
        try:
            runner.respond(_STATUSES[status], headers, body)
        except BaseException:
            if on_failed is not None:
                on_failed()
            raise
        return ()
    # pywsgi closes silently, and clients that pool connections then fail on the next request.
    if "close" in environ.get("HTTP_CONNECTION", "").lower() and ("Connection", "close") not in headers:
        headers.append(("Connection", "close"))
    if status != _NO_CONTENT:
        headers.append(("Content-Length", str(len(body))))
    start_response(_STATUSES[status], headers)
    if method == "HEAD":
        return []
    return [body] if on_failed is None else _Delivery(body, on_failed)


class _Delivery:
    """A body that notices when its host gives up before all of it is written (PEP 3333, ``close``)."""

    __slots__ = ("_body", "_on_failed", "_written")

    def __init__(self, body: bytes, on_failed: Callable[[], None]) -> None:
        self._body: bytes | None = body
        self._on_failed = on_failed
        self._written = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._body is None:
            # The host asks for more only after it has written what it got.
            self._written = True
            raise StopIteration
        body, self._body = self._body, None
        return body

    def close(self) -> None:
        if not self._written:
            self._on_failed()
