"""Which origins may talk to us, and the CORS headers that tell their browsers so.

Same origin by default: a page of another site must not ride on a visitor's cookies, over HTTP or WebSocket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from socketio_sync.engine.proxies import said
from socketio_sync.options import EngineOptions
from socketio_sync.types import Environ, Headers

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_LEGAL = re.compile(r"[\x21-\x7e]*\Z")


def is_legal(origin: str) -> bool:
    """Tell whether an ``Origin`` header holds nothing but printable ASCII without blanks."""
    return _LEGAL.match(origin) is not None


def _compile(allowed: Any) -> Callable[[str, Environ], bool]:
    if callable(allowed):
        return lambda origin, environ: bool(allowed(origin, environ))
    if isinstance(allowed, re.Pattern):
        return lambda origin, environ: allowed.fullmatch(origin) is not None
    if isinstance(allowed, str):
        if "*" not in allowed:
            wanted = allowed.rstrip("/").lower()
            return lambda origin, environ: origin.lower() == wanted
        # A star stands for one or more labels or digits, never for what follows the host.
        pattern = re.compile(re.escape(allowed.rstrip("/")).replace(r"\*", r"[^/@?#]+"), re.IGNORECASE)
        return lambda origin, environ: pattern.fullmatch(origin) is not None
    if not isinstance(allowed, Iterable):
        raise TypeError(f"cors_allowed_origins can't be {allowed!r}")
    rules = [_compile(entry) for entry in allowed]
    return lambda origin, environ: any(rule(origin, environ) for rule in rules)


def _authority(scheme: str, netloc: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{netloc}")
    return (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme)


def _names(origin: str, host: str) -> bool:
    """Tell whether an origin names the host of a request."""
    try:
        parts = urlsplit(origin)
        wanted = _authority(parts.scheme, parts.netloc)
        return bool(wanted[0]) and wanted == _authority(parts.scheme, host)
    except ValueError:
        return False


# A page's requests all have the same two, and comparing them costs as much as answering.
_names_cached = lru_cache(1024)(_names)
_MAX_CACHED_LENGTH = 256


def is_same_origin(origin: str, environ: Environ, proxies: int, *, standard: bool = False) -> bool:
    """Compare an origin with the host that the request was sent to.

    The scheme isn't compared: behind a proxy that ends TLS it is unknown. What trusted proxies say of the
    host counts as well; ``standard`` tells whether they say it in ``Forwarded``.
    """
    host = environ.get("HTTP_HOST", "")
    names = _names_cached if len(origin) + len(host) <= _MAX_CACHED_LENGTH else _names
    if names(origin, host):
        return True
    forwarded = said(environ, "host", proxies=proxies, standard=standard)
    return forwarded is not None and _names(origin, forwarded)


class Origins:
    """The rule about origins, compiled once. May be used from any greenlet or thread."""

    __slots__ = ("_any", "_common", "_options", "_rule")

    def __init__(self, options: EngineOptions) -> None:
        """Compile ``cors_allowed_origins``."""
        allowed = options.cors_allowed_origins
        self._any = allowed == "*" or (isinstance(allowed, list | tuple) and "*" in allowed)
        self._rule = None if allowed is None or self._any else _compile(allowed)
        self._options = options
        exposed = ",".join(options.cors_exposed_headers)
        # What every answer to an allowed origin carries.
        self._common: Headers = [("Access-Control-Expose-Headers", exposed)] if exposed else []

    @property
    def configured(self) -> bool:
        """Whether other origins than our own are allowed at all."""
        return self._any or self._rule is not None

    def allows(self, environ: Environ) -> bool:
        """Tell whether a request may be served; one without ``Origin`` may."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or self._any:
            return True
        options = self._options
        if is_same_origin(origin, environ, options.trusted_proxies, standard=options.forwarded_header):
            return True
        return self._rule is not None and self._rule(origin, environ)

    def headers(self, environ: Environ) -> Headers:
        """Return the CORS headers for an answer to a request that is allowed."""
        if not self.configured:
            return []
        if self._any:
            # Never together with credentials: "*" means that no visitor's cookies are at stake.
            return [("Access-Control-Allow-Origin", "*"), *self._common]
        origin = environ.get("HTTP_ORIGIN")
        vary = [("Vary", "Origin")]
        if origin is None or not self.allows(environ):
            return vary
        headers = [("Access-Control-Allow-Origin", origin), *vary]
        headers += self._common
        if self._options.cors_credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
        return headers

    def preflight_headers(self, environ: Environ) -> Headers:
        """Return what the answer to a preflight (``OPTIONS``) request has beside :meth:`headers`."""
        headers = [("Access-Control-Allow-Methods", "GET,POST")]
        options = self._options
        requested = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
        if options.cors_allowed_headers is not None:
            headers.append(("Access-Control-Allow-Headers", ",".join(options.cors_allowed_headers)))
        elif requested and is_legal(requested.replace(" ", "")):
            headers.append(("Access-Control-Allow-Headers", requested))
            headers.append(("Vary", "Access-Control-Request-Headers"))
        if environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true":
            headers.append(("Access-Control-Allow-Private-Network", "true"))
        headers.append(("Access-Control-Max-Age", f"{options.cors_max_age:d}"))
        return headers
