"""The body of an HTTP/1.1 request: where it ends, how long it may take, and reading it as ``wsgi.input``.

Pure: whoever receives the bytes hands in a function that does it.

Specification: RFC 9112, "Message Body Length", "Chunked Transfer Coding"; PEP 3333, "Input and Error
Streams".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from socketio_sync.http_head import LINE_END, RequestLimits, RequestRefused

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t -~\x80-\xff]*")
# Fields that decide where a message ends or whom it's for: behind the body it is too late for them.
_FORBIDDEN_TRAILERS = frozenset({b"content-length", b"transfer-encoding", b"host"})
# Extensions and trailers are ignored; without a limit they would be a body of any size.
MAX_CHUNK_LINE = 256
MAX_OVERHEAD = 8 * 1024


class BodyRefused(OSError):
    """Reading the body failed: an application's ``read`` raises it.

    Attributes:
        status: The HTTP status that the request is answered with.
        reason: A fixed text, fit for the answer.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Refuse with ``status``."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class BodyDecoder(Protocol):
    """Finds the body's end in what is received.

    Attributes:
        done: Whether the body is complete.
        rest: What was received behind the body; empty until it is complete.
    """

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Take what was received, return the part of the body in it.

        Raises:
            RequestRefused: The framing is malformed.
        """


class LengthDecoder:
    """A body of a known length."""

    __slots__ = ("_left", "done", "rest")

    def __init__(self, length: int) -> None:
        """Expect ``length`` bytes."""
        self._left = length
        self.done = length == 0
        self.rest = b""

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._left

    def feed(self, data: bytes) -> bytes:
        """Take what was received, as :class:`BodyDecoder` says."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return data
        self.done = True
        self._left = 0
        self.rest = data[left:]
        return data[:left]


class ChunkedDecoder:
    """A body in chunks. Line ends are CR LF and nothing else; extensions and trailers are dropped."""

    __slots__ = ("_held", "_left", "_overhead", "_state", "done", "rest")

    def __init__(self) -> None:
        """Expect the size of the first chunk."""
        self._held = b""
        self._left = 0
        self._overhead = 0
        self._state: _State = ChunkedDecoder._size
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take what was received, as :class:`BodyDecoder` says."""
        data = self._held + data if self._held else data
        position = 0
        pieces: list[bytes] = []
        while not self.done:
            step = self._state(self, data, position, pieces)
            if step < 0:
                break
            position += step
        remainder = data[position:]
        if self.done:
            self.rest = remainder
        else:
            self._held = remainder
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Each state returns how many bytes it has used up, or -1 where it needs more.

    def _size(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        line = self._line(data, position, MAX_CHUNK_LINE)
        if line is None:
            return -1
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise RequestRefused(400, "malformed chunk size")
        self._left = int(match[1], 16)
        self._count(len(line) - len(match[1]))
        self._state = ChunkedDecoder._data if self._left else ChunkedDecoder._trailer
        return len(line) + len(LINE_END)

    def _data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        if not piece:
            return -1
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = ChunkedDecoder._data_end
        return len(piece)

    def _data_end(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        end = data[position : position + 2]
        if not LINE_END.startswith(end):
            raise RequestRefused(400, "malformed end of a chunk")
        if len(end) < len(LINE_END):
            return -1
        self._state = ChunkedDecoder._size
        return len(LINE_END)

    def _trailer(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        line = self._line(data, position, MAX_OVERHEAD)
        if line is None:
            return -1
        if line:
            match = _TRAILER.fullmatch(line)
            if match is None or match[1].lower() in _FORBIDDEN_TRAILERS:
                raise RequestRefused(400, "malformed trailer")
            self._count(len(line))
        else:
            self.done = True
        return len(line) + len(LINE_END)

    def _line(self, data: bytes, position: int, limit: int) -> bytes | None:
        """Return the line at ``position``, or None while it isn't complete."""
        end = data.find(b"\n", position, position + limit + len(LINE_END))
        if end < 0:
            if len(data) - position >= limit + len(LINE_END):
                raise RequestRefused(400, "a line of the chunked body is too long")
            return None
        if end == position or data[end - 1] != ord("\r"):
            raise RequestRefused(400, "malformed line in the chunked body")
        return data[position : end - 1]

    def _count(self, size: int) -> None:
        self._overhead += size
        if self._overhead > MAX_OVERHEAD:
            raise RequestRefused(400, "too many chunk extensions or trailers")


_State = Callable[[ChunkedDecoder, bytes, int, list[bytes]], int]


class Patience:
    """How much longer a body may be waited for; told the time, and only the time that was spent waiting."""

    __slots__ = ("_limits", "_received", "_waited")

    def __init__(self, limits: RequestLimits) -> None:
        """Start with nothing received."""
        self._limits = limits
        self._waited = 0.0
        self._received = 0

    def left(self) -> float:
        """Return for how many seconds the next bytes may be waited for."""
        limits = self._limits
        rate = limits.body_min_rate
        earned = self._received / rate if rate > 0 else limits.body_timeout
        return min(limits.body_timeout, max(limits.body_grace, earned)) - self._waited

    def note(self, waited: float, received: int) -> None:
        """Note that ``received`` bytes came after ``waited`` seconds."""
        self._waited += waited
        self._received += received


class RequestBody:
    """The ``wsgi.input`` of a request whose body hasn't arrived as a whole.

    Attributes:
        decoder: What knows where the body ends.
        error: Why the body can't be read any further; None while it can.
    """

    def __init__(self, decoder: BodyDecoder, receive: Callable[[], bytes]) -> None:
        """Read through ``decoder`` what ``receive`` returns, which blocks until there is something.

        ``receive`` may raise :class:`BodyRefused`.
        """
        self.decoder = decoder
        self.error: BodyRefused | None = None
        self._receive = receive
        self._ready = bytearray()

    def take(self, data: bytes) -> None:
        """Take bytes that were received already.

        Raises:
            RequestRefused: The framing is malformed.
        """
        self._ready += self.decoder.feed(data)

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, or all that the body has left; fewer only at its end.

        Raises:
            BodyRefused: It is malformed, too slow, or ends early.
        """
        ready = self._ready
        if size is None or size < 0:
            while self._more():
                pass
            size = len(ready)
        while len(ready) < size and self._more():
            pass
        return self._cut(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line with its end, at most ``size`` bytes of it; b"" at the body's end."""
        ready = self._ready
        limit = size if size is not None and size >= 0 else None
        searched = 0
        while True:
            end = ready.find(b"\n", searched, limit)
            if end >= 0:
                return self._cut(end + 1)
            searched = len(ready)
            if limit is not None and searched >= limit:
                return self._cut(limit)
            if not self._more():
                return self._cut(len(ready))

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return the lines that are left, or enough of them to make up ``hint`` bytes."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the lines that are left."""
        return iter(self.readline, b"")

    def discard(self, limit: int) -> bool:
        """Read what is left and throw it away; return whether that was at most about ``limit`` bytes."""
        thrown = len(self._ready)
        self._ready.clear()
        while thrown <= limit:
            if not self._more():
                return True
            thrown += len(self._ready)
            self._ready.clear()
        return self.decoder.done

    def _cut(self, size: int) -> bytes:
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def _more(self) -> bool:
        """Receive more of the body; return False at its end."""
        if self.error is not None:
            raise self.error
        if self.decoder.done:
            return False
        try:
            self._ready += self.decoder.feed(self._receive())
        except RequestRefused as refused:
            self.error = BodyRefused(refused.status, refused.reason)
            raise self.error from None
        except BodyRefused as refused:
            self.error = refused
            raise
        return True
