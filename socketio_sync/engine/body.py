"""Reading the body of a POST: the length is refused before the bytes are read."""

from __future__ import annotations

from socketio_sync.exceptions import PacketError, PayloadTooLarge, SocketIOError
from socketio_sync.types import Environ

_CHUNK = 64 * 1024


class BodyLost(SocketIOError):
    """The client went away before its request was complete."""


class UnsupportedEncoding(PacketError):
    """The body is compressed: inflating what a stranger sent is how bombs work."""


def read_body(environ: Environ, limit: int) -> bytes:
    """Read the whole body of a request; blocks.

    Raises:
        PayloadTooLarge: It is announced, or turns out, to be longer than ``limit`` bytes.
        UnsupportedEncoding: It has a ``Content-Encoding``.
        BodyLost: It ended early.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    if encoding is not None and encoding.lower() not in ("", "identity"):
        raise UnsupportedEncoding("a compressed request body")
    announced = environ.get("CONTENT_LENGTH", "")
    try:
        length = int(announced) if announced else None
    except ValueError:
        raise PacketError(f"a content length of {announced!r}") from None
    if length is not None and length > limit:
        raise PayloadTooLarge(f"a body of {length} bytes where {limit} are allowed")
    if length is None and "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    try:
        return _read(environ, length, limit)
    except (OSError, ValueError) as error:
        raise BodyLost(str(error)) from error


def _read(environ: Environ, length: int | None, limit: int) -> bytes:
    source = environ["wsgi.input"]
    pieces: list[bytes] = []
    left = length if length is not None else limit + 1
    while left > 0:
        piece: bytes = source.read(min(left, _CHUNK))
        if not piece:
            break
        if len(piece) == length:
            return piece
        pieces.append(piece)
        left -= len(piece)
    body = b"".join(pieces)
    if length is not None and len(body) < length:
        raise BodyLost(f"{len(body)} of {length} bytes came")
    if len(body) > limit:
        raise PayloadTooLarge(f"a chunked body of more than {limit} bytes")
    return body
