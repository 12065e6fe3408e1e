"""How often clients may do what: messages and bytes of one client and of one address, and handshakes."""

from __future__ import annotations

import logging
import math
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from socketio_sync.engine.buckets import Buckets, TokenBucket
from socketio_sync.engine.handler import EngineHandler, ForwardingHandler
from socketio_sync.engine.proxies import client_address
from socketio_sync.logs import Throttle, shown
from socketio_sync.options import EngineOptions, RateLimits
from socketio_sync.protocol.engineio.handshake import FORBIDDEN, Refusal
from socketio_sync.types import Environ

if TYPE_CHECKING:
    from socketio_sync.engine.socket import EngineSocket

logger = logging.getLogger(__name__)
problems = Throttle(logger)

REASON = "rate limit"

# What is kept of an address that isn't one: proxies may say anything.
_MAX_KEY = 64
# One subscriber has at least so many bits of an IPv6 address to himself.
_IPV6_PREFIX = 64


class Limit(NamedTuple):
    """A limit that is on.

    Attributes:
        kind: The option that it comes from.
        sized: Whether bytes are counted; otherwise messages or handshakes.
        rate: How many a second.
        burst: How many at once.
    """

    kind: str
    sized: bool
    rate: float
    burst: float

    def __str__(self) -> str:
        """Say which it is."""
        return f"{self.kind}={self.rate:g}, {self.burst:g} at once"


class Rates:
    """The limits of one server, with the buckets of its clients' addresses. For the hub's thread only."""

    __slots__ = ("_allow", "_handshakes", "_options", "_own", "_shared")

    def __init__(self, limits: RateLimits, options: EngineOptions) -> None:
        """Apply ``limits``; the other options say who is trusted to tell addresses, for example."""
        self._options = options
        self._allow = limits.allow
        longest = options.max_http_buffer_size
        self._own = _limits(limits, ("events", "bytes"), longest)
        shared = _limits(limits, ("address_events", "address_bytes"), longest)
        most = limits.max_addresses
        self._shared = [(limit, Buckets(limit.rate, limit.burst, most)) for limit in shared]
        self._handshakes = [
            (limit, Buckets(limit.rate, limit.burst, most))
            for limit in _limits(limits, ("handshakes",), longest)
        ]

    def check_handshake(self, environ: Environ) -> None:
        """Count a handshake.

        Raises:
            Refusal: Status 429: its address has made too many.
        """
        key = self._key(environ)
        for limit, buckets in self._handshakes if key else ():
            now = monotonic()
            bucket = buckets.of(key, now)
            if not bucket.take(now) and not self.allows(environ, limit):
                problems.warning(
                    "SIO805",
                    "SIO805 a new session from %s was refused (rate_limit: %s); raise it, find out who opens "
                    "so many, or, if that is the address of a proxy, set trusted_proxies",
                    shown(key),
                    limit,
                )
                # Rounded up: earlier it would be refused again.
                seconds = max(1, math.ceil(bucket.wait(now)))
                context = {"name": "RATE_LIMIT", "kind": limit.kind, "retry_after": seconds}
                raise Refusal(FORBIDDEN, message="too many requests", context=context, retry_after=seconds)

    def guarded(self, session: EngineSocket, handler: EngineHandler) -> EngineHandler:
        """Return what stands before a session's handler; the handler itself if messages aren't limited."""
        key = self._key(session.environ)
        shared = self._shared if key else []
        if not self._own and not shared:
            return handler
        now = monotonic()
        own = [(limit, TokenBucket(limit.rate, limit.burst, now)) for limit in self._own]
        return GuardedHandler(self, session, handler, key, own, shared)

    def allows(self, environ: Environ, limit: Limit) -> bool:
        """Ask the application whether what is beyond a limit passes nevertheless."""
        if self._allow is None:
            return False
        try:
            return bool(self._allow(environ, limit.kind))
        except Exception:
            logger.exception("the function that may lift rate limits failed")
            return False

    def close(self, session: EngineSocket, limit: Limit) -> None:
        """Close a session that is beyond a limit."""
        problems.warning(
            "SIO806",
            "SIO806 session %s of %s: closed (rate_limit: %s); raise it, or have the client send less often",
            session.id,
            shown(self._address(session.environ)),
            limit,
        )
        session.refuse(REASON, f"{REASON}: {limit}")

    def _address(self, environ: Environ) -> str:
        options = self._options
        return client_address(environ, proxies=options.trusted_proxies, standard=options.forwarded_header)

    def _key(self, environ: Environ) -> str:
        return key_of(self._address(environ))


class GuardedHandler(ForwardingHandler):
    """Counts each message before the handler behind it gets it."""

    __slots__ = ("_key", "_own", "_rates", "_session", "_shared")

    def __init__(
        self,
        rates: Rates,
        session: EngineSocket,
        handler: EngineHandler,
        key: str,
        own: list[tuple[Limit, TokenBucket]],
        shared: list[tuple[Limit, Buckets]],
    ) -> None:
        """Stand before ``handler``; ``key`` is that of the client's bucket in each of the ``shared``."""
        super().__init__(handler)
        self._rates = rates
        self._session = session
        self._key = key
        self._own = own
        self._shared = shared

    def on_message(self, data: str | bytes) -> None:
        """Take one message, unless it is one too many."""
        limit = self._count(data)
        if limit is None or self._rates.allows(self._session.environ, limit):
            self._handler.on_message(data)
        else:
            self._rates.close(self._session, limit)

    def _count(self, data: str | bytes) -> Limit | None:
        """Count a message; return the first limit that it is beyond."""
        # Time that the process was stalled counts, too: what has come meanwhile comes at once now.
        now = monotonic()
        size = len(data)
        if isinstance(data, str) and not data.isascii():
            size = len(data.encode("utf-8", "surrogatepass"))
        for limit, bucket in self._own:
            if not bucket.take(now, size if limit.sized else 1):
                return limit
        for limit, buckets in self._shared:
            if not buckets.of(self._key, now).take(now, size if limit.sized else 1):
                return limit
        return None


def rates_of(options: EngineOptions) -> Rates | None:
    """Return the limits that a server applies; None if they are off."""
    limits = options.rate_limits()
    return Rates(limits, options) if limits is not None else None


def key_of(address: str) -> str:
    """Return under which name an address is counted; empty where none is known.

    An IPv6 address counts as its network of 64 bits, of which one client may use every address.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:_MAX_KEY]
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    network = int(ip) >> (128 - _IPV6_PREFIX) << (128 - _IPV6_PREFIX)
    return f"{IPv6Address(network)}/{_IPV6_PREFIX}"


def _limits(limits: RateLimits, kinds: tuple[str, ...], longest: int) -> list[Limit]:
    """Return which of these limits are on; a ``longest`` message fits into the default burst."""
    chosen = []
    for kind in kinds:
        rate, burst = getattr(limits, kind), getattr(limits, f"{kind}_burst")
        if rate is not None:
            sized = kind.endswith("bytes")
            default = max(rate * 4, longest if sized else 1)
            chosen.append(Limit(kind, sized, rate, burst if burst is not None else default))
    return chosen
