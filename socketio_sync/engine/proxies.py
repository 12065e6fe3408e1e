"""What trusted reverse proxies say of a request: who sent it, to which host, and how.

Specification: RFC 7239, "Forwarded HTTP Header Field"; the older ``X-Forwarded-*`` have none.
"""

from __future__ import annotations

import re
from typing import Literal

from socketio_sync.types import Environ

Part = Literal["for", "host", "proto"]

_OLDER = {"for": "HTTP_X_FORWARDED_FOR", "host": "HTTP_X_FORWARDED_HOST", "proto": "HTTP_X_FORWARDED_PROTO"}
# An element ends at a comma outside of a quoted string.
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
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
    elements = _ELEMENT.findall(environ.get("HTTP_FORWARDED" if standard else _OLDER[part], ""))
    elements = [element.strip() for element in elements if element.strip()]
    if not elements:
        return None
    element: str = elements[-min(proxies, len(elements))]
    return _pair(element, part) if standard else element


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
