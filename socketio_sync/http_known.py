"""Heads that differ from an earlier one of the same connection only where most heads differ.

A client that polls sends the same header fields again and again; what changes is the query, against caches,
and the length of the body. The rest was parsed and checked once and is recognised by its bytes. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from socketio_sync.http_head import MAX_LENGTH_DIGITS, Head, RequestLimits
from socketio_sync.types import Environ

# What the parser accepts in a query: visible ASCII without "#".
_is_query = re.compile(rb'[!"$-~]*').fullmatch
_VERSION = b" HTTP/1.1\r\n"
_LENGTH = b"\r\nContent-Length: "

# Per connection: one for each method of a client that polls. A longer head isn't worth its memory.
_MAX_KNOWN = 2
_MAX_SIZE = 4096

# Half the time of calling the class of a named tuple.
_new = tuple.__new__


class Received(NamedTuple):
    """A request whose head has arrived.

    Attributes:
        head: What the head says.
        environ: The same for the application; the receiver's own.
        rest: What came behind the head.
    """

    head: Head
    environ: Environ
    rest: bytes


class _Known(NamedTuple):
    """A head in pieces: ``start`` query ``middle`` [digits ``last``]; without digits ``last`` is empty.

    ``path`` is the target up to the query.
    """

    start: bytes
    middle: bytes
    last: bytes
    path: str
    head: Head
    environ: Environ


class KnownHeads:
    """The heads that one connection has sent."""

    __slots__ = ("_known", "_max_size")

    def __init__(self, limits: RequestLimits) -> None:
        """Know none yet; ``limits`` are those of the parser."""
        self._max_size = min(_MAX_SIZE, limits.max_request_line, limits.max_head)
        self._known: list[_Known] = []

    def recall(self, data: bytes) -> Received | None:
        """Recognise the head at the beginning of ``data``.

        Returns:
            What the parser would make of it; None for a head that has to be parsed, a malformed one perhaps.
        """
        for start, middle, last, path, head, template in self._known:
            if not data.startswith(start):
                continue
            query = len(start)
            query_end = data.find(_VERSION, query, self._max_size)
            if (
                query_end < 0
                or not data.startswith(middle, query_end)
                or not _is_query(data, query, query_end)
            ):
                continue
            method, _, version, length, keep_alive, expects = head
            end = query_end + len(middle)
            environ = template.copy()
            if last:
                digits_end = data.find(b"\r", end, end + MAX_LENGTH_DIGITS + 1)
                digits = data[end:digits_end]
                if digits_end < 0 or not digits.isdigit() or not data.startswith(last, digits_end):
                    continue
                end = digits_end + len(last)
                environ["CONTENT_LENGTH"] = digits.decode("ascii")
                length = int(digits)
            if end > self._max_size:
                continue
            text = environ["QUERY_STRING"] = data[query:query_end].decode("ascii")
            head = _new(Head, (method, path + text, version, length, keep_alive, expects))
            return _new(Received, (head, environ, data[end:]))
        return None

    def note(self, seen: bytes, head: Head, environ: Environ) -> None:
        """Remember a head that was parsed and accepted, if one like it can be recognised by its bytes.

        Args:
            seen: Its bytes.
            head: What it says.
            environ: What was made of it, before anything else is put in; copied.
        """
        # What an upgrade may be depends on the length; what waits for 100 Continue, too.
        if "HTTP_UPGRADE" in environ or head.expects_continue or head.length is None:
            return
        if head.version != "HTTP/1.1" or len(seen) > _MAX_SIZE:
            return
        path, mark, query = head.target.partition("?")
        start = f"{head.method} {path}{mark}".encode("latin-1")
        query_end = len(start) + len(query)
        # Neither an empty line before the request line, nor a target with a host in it.
        if not mark or path[:1] != "/" or not seen.startswith(start):
            return
        middle, last = seen[query_end:], b""
        digits = middle.find(_LENGTH) + len(_LENGTH)
        if digits >= len(_LENGTH):
            digits_end = middle.find(b"\r", digits)
            if middle[digits:digits_end].isdigit():
                middle, last = middle[:digits], middle[digits_end:]
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known.append(_Known(start, middle, last, path + mark, head, environ.copy()))
