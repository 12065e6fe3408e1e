"""What a socket knows of how its client came."""

from __future__ import annotations

from time import time
from typing import Any

from socketio_sync.engine.proxies import Part, client_address, said
from socketio_sync.protocol.engineio.handshake import parse_query
from socketio_sync.types import Environ


class Handshake:
    """The request that opened the connection, and what the client said when it joined the namespace.

    Attributes:
        auth: What the client passed as ``auth`` (in revision 3, the query of the namespace); ``{}`` if
            nothing.
        environ: The WSGI environ of the first request, without what belongs to the host server.
        time: When the client joined, in seconds since the epoch.
    """

    __slots__ = ("_extra_query", "_forwarded_header", "_trusted_proxies", "auth", "environ", "time")

    def __init__(
        self,
        environ: Environ,
        auth: dict[str, Any],
        *,
        trusted_proxies: int,
        forwarded_header: bool = False,
        extra_query: dict[str, str] | None = None,
    ) -> None:
        """Describe a client; ``extra_query`` is that of its namespace, in revision 3."""
        self.environ = environ
        self.auth = auth
        self.time = time()
        self._trusted_proxies = trusted_proxies
        self._forwarded_header = forwarded_header
        self._extra_query = extra_query

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, with names in lower case."""
        headers = {
            key[5:].replace("_", "-").lower(): value
            for key, value in self.environ.items()
            if key.startswith("HTTP_") and isinstance(value, str)
        }
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if self.environ.get(key):
                headers[key.replace("_", "-").lower()] = self.environ[key]
        return headers

    @property
    def query(self) -> dict[str, str]:
        """The query of the request; of a name that occurs more than once, the last value."""
        query = parse_query(self.environ.get("QUERY_STRING", ""))
        return query if self._extra_query is None else {**query, **self._extra_query}

    @property
    def url(self) -> str:
        """The path and query of the request."""
        path = f"{self.environ.get('SCRIPT_NAME', '')}{self.environ.get('PATH_INFO', '')}"
        query = self.environ.get("QUERY_STRING", "")
        return f"{path}?{query}" if query else path

    def _said(self, part: Part) -> str | None:
        return said(self.environ, part, proxies=self._trusted_proxies, standard=self._forwarded_header)

    @property
    def address(self) -> str:
        """The client's address: the peer's, or with ``trusted_proxies`` what they say."""
        return client_address(self.environ, proxies=self._trusted_proxies, standard=self._forwarded_header)

    @property
    def xdomain(self) -> bool:
        """Whether the request names an origin, as browsers do for those of another site, and WebSockets."""
        return "HTTP_ORIGIN" in self.environ

    @property
    def secure(self) -> bool:
        """Whether the client came over TLS, as far as we and the trusted proxies know."""
        scheme = self._said("proto") or self.environ.get("wsgi.url_scheme")
        return scheme in ("https", "wss")
