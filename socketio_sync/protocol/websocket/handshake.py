"""The opening handshake, seen from a WSGI application.

Specification: RFC 6455, section 4.2.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Any, NamedTuple

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class UpgradeRefused(Exception):
    """A request that can't become a WebSocket.

    Attributes:
        status: 426 for another version of the protocol, else 400.
        message: What is wrong with it, for the body of the answer; nothing of the request is in it.
        headers: To be added to the answer.
    """

    def __init__(self, status: int, message: str, headers: list[tuple[str, str]] | None = None) -> None:
        """Refuse with an HTTP status, a text and further headers."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers: list[tuple[str, str]] = headers if headers is not None else []


class UpgradeRequest(NamedTuple):
    """A request that may be answered with 101.

    Attributes:
        key: The value of ``Sec-WebSocket-Key``.
        subprotocols: What the client offers, in its order of preference.
    """

    key: str
    subprotocols: tuple[str, ...]


def is_upgrade(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request asks for a WebSocket at all, well-formed or not."""
    upgrade = environ.get("HTTP_UPGRADE")
    return upgrade is not None and "websocket" in _tokens(upgrade)


def parse_upgrade(environ: Mapping[str, Any]) -> UpgradeRequest:
    """Check the client's handshake in a WSGI environment.

    Raises:
        UpgradeRefused: It isn't one, or is malformed, or of another version than 13.
    """
    if environ.get("REQUEST_METHOD") != "GET":
        raise UpgradeRefused(400, "a WebSocket handshake must be a GET")
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise UpgradeRefused(400, "a WebSocket handshake must be HTTP/1.1")
    if not is_upgrade(environ):
        raise UpgradeRefused(400, "no Upgrade to websocket")
    if "upgrade" not in _tokens(environ.get("HTTP_CONNECTION", "")):
        raise UpgradeRefused(400, "no upgrade in Connection")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() != "13":
        raise UpgradeRefused(426, "only WebSocket version 13 is spoken", [("Sec-WebSocket-Version", "13")])
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    if _KEY.fullmatch(key) is None:
        raise UpgradeRefused(400, "Sec-WebSocket-Key isn't the base64 of 16 bytes")
    return UpgradeRequest(key, _subprotocols(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "")))


def upgrade_response(request: UpgradeRequest, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Write the whole head of the 101 answer; the first subprotocol offered is accepted.

    Args:
        request: What ``parse_upgrade`` returned.
        headers: Further headers, in WSGI's form.

    Raises:
        ValueError: A header has a name or characters that HTTP doesn't allow, such as a line break.
    """
    digest = sha1((request.key + _GUID).encode(), usedforsecurity=False).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {b64encode(digest).decode()}",
    ]
    accepted = [("Sec-WebSocket-Protocol", name) for name in request.subprotocols[:1]]
    for name, value in [*accepted, *headers]:
        if _TOKEN.fullmatch(name) is None or _CONTROL.search(value) is not None:
            raise ValueError(f"not a header: {name!r}: {value!r}")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _tokens(value: str) -> list[str]:
    return [token.strip() for token in value.lower().split(",")]


def _subprotocols(value: str) -> tuple[str, ...]:
    # Empty elements of a list are to be ignored (RFC 9110, section 5.6.1).
    names = [name for element in value.split(",") if (name := element.strip())]
    if len(set(names)) < len(names) or not all(map(_TOKEN.fullmatch, names)):
        raise UpgradeRefused(400, "Sec-WebSocket-Protocol isn't a list of different tokens")
    return tuple(names)
