"""What trusted reverse proxies say of a request: who sent it, to which host, and how.

Specification: RFC 7239, "Forwarded HTTP Header Field"; the older ``X-Forwarded-*`` have none.
"""

from __future__ import annotations

import re
from typing import Literal

from socketio_sync.types import Environ

Part = Literal["for", "host", "proto"]

_OLDER = {"for": "HTTP_X_FORWARDED_FOR", "host": "HTTP_X_FORWARDED_HOST", "proto": "HTTP_X_FORWARDED_PROTO"}
_PAIRS = r'\s*\w+=(?:"(?:[^"\\]|\\.)*"|[^",;\s]*)\s*'
_ELEMENT = re.compile(f"{_PAIRS}(?:;{_PAIRS})*;?\\s*", re.ASCII)
# So many commas may stand in the quoted strings of the elements that we look at.
_MAX_QUOTED = 16
_PAIR = re.compile(r'\s*(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))\s*(?:;|$)', re.ASCII)
_NODE = re.compile(r"\[([^\]]*)\](?::\w+)?|([^:]*)(?::\w+)?")


def said(environ: Environ, part: Part, *, proxies: int, standard: bool) -> str | None:
    """Return what the outermost trusted proxy says; None where it says nothing, or nobody is trusted.

    Args:
        environ: The request's.
        part: What to look for.
        proxies: How many proxies are trusted, counted from ours: what stands before them a client may
            have written.
        standard: Whether they set ``Forwarded``; otherwise they set ``X-Forwarded-*``. Only one of the two
            counts, as a proxy lets the other pass.
    """
    if proxies < 1:
        return None
    if standard:
        element = _element(environ.get("HTTP_FORWARDED", ""), proxies)
        return _pair(element, part) if element is not None else None
    elements = [each.strip() for each in environ.get(_OLDER[part], "").split(",")]
    elements = [each for each in elements if each]
    return elements[-min(proxies, len(elements))] if elements else None


def client_address(environ: Environ, *, proxies: int, standard: bool) -> str:
    """Return the client's address: the peer's, or what trusted proxies say; empty where there is none."""
    return said(environ, "for", proxies=proxies, standard=standard) or str(environ.get("REMOTE_ADDR", ""))


def _element(header: str, proxies: int) -> str | None:
    """Return the element of the outermost trusted proxy.

    From the right, where the trusted ones write: a client that leaves a quoted string open would otherwise
    have it end in the element behind it.
    """
    element = None
    count = 0
    end = start = len(header)
    for _ in range(proxies + _MAX_QUOTED):
        start = header.rfind(",", 0, start)
        candidate = header[start + 1 : end]
        # Else the comma stands in a quoted string, or nothing stands behind it.
        if _ELEMENT.fullmatch(candidate):
            element = candidate
            count += 1
        if count == proxies or start < 0:
            return element
        if element is candidate or not candidate.strip():
            end = start
    return None


def _pair(element: str, part: Part) -> str | None:
    for name, quoted, token in _PAIR.findall(element):
        if name.lower() == part:
            value = re.sub(r"\\(.)", r"\1", quoted) or token
            return _address(value) if part == "for" else value
    return None


def _address(node: str) -> str:
    """Return a node's address without its port, and without the brackets of IPv6."""
    match = _NODE.fullmatch(node)
    return (match[1] or match[2] or "") if match is not None else node
