"""Every option, its default, and where the default comes from. An unknown name is a TypeError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from socketio_sync.option_groups import DeflateOptions as DeflateOptions
from socketio_sync.option_groups import RateLimits as RateLimits
from socketio_sync.option_groups import RecoveryOptions as RecoveryOptions
from socketio_sync.option_groups import check_numbers, chosen
from socketio_sync.option_groups import options_of as options_of
from socketio_sync.types import Environ

_Origin: TypeAlias = "str | re.Pattern[str]"
Origins: TypeAlias = "_Origin | Iterable[_Origin] | Callable[[str, Environ], bool] | None"

TRANSPORTS = ("polling", "websocket")
POLICIES = ("close", "drop_oldest", "drop_newest", "block")

# How long somebody who blocks waits for an acknowledgement, unless told otherwise.
ACK_TIMEOUT = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """Options of the Engine.IO server. Times are in seconds, sizes in bytes.

    Attributes:
        path: Where the server answers; requests to it and below it are its own.
        add_trailing_slash: Whether its clients put a slash behind the path, as they do by default; without
            it, requests to the path without a slash are the server's, too.
        transports: Which transports are served; others are refused with code 0.
        allow_upgrades: Whether polling clients are invited to move to WebSocket.
        allow_eio3: Whether clients of revision 3 (JavaScript 1.x and 2.x) are served; otherwise they are
            refused with code 5.
        jsonp: Whether polling through script tags (very old browsers) is served; otherwise 400.
        ping_interval: Time from one heartbeat's end to the next one's start.
        ping_timeout: How long an answer to a heartbeat may take; then the session is closed
            ("ping timeout").
        upgrade_timeout: How long a probing WebSocket may take to complete its upgrade; then it is closed
            (1008), and the session goes on by polling.
        close_timeout: How long a closed WebSocket waits for the peer's close frame; then the connection is
            dropped.
        write_stall_timeout: How long a peer may take nothing of what is queued for it; then it is
            disconnected ("slow consumer").
        shutdown_timeout: How long handlers that run may take when the server shuts down; then their clients
            are sent away all the same.
        shutdown_spread: Over how much time clients are sent away then, at most; a thousand a second always
            are.
        max_connections: Most sessions at a time; further handshakes are refused with 503. None is the
            process's limit of open files less 64, as it is at the first request.
        rate_limit: Whether it is limited how much clients may send and how often they may come: None, True, a
            dict of the fields of :class:`RateLimits`, or a :class:`RateLimits`.
        max_http_buffer_size: Longest request body, answered with 413 beyond it, and longest WebSocket
            message, closed with 1009, both by what is announced.
        max_packets_per_payload: Most packets in one request body; beyond it 400, and the session is closed.
        max_fragments: Most fragments of one WebSocket message; beyond it the WebSocket is closed (1008).
        max_outbound_bytes: Most bytes queued for one client; what happens at the limit is the policy's. A
            single message may always exceed an empty queue.
        outbound_policy: What happens at that limit. ``"close"`` disconnects the client (1013, "slow
            consumer"). ``"drop_oldest"`` and ``"drop_newest"`` drop events, each whole with its
            attachments, and count them in ``socket.conn.dropped``; other packets are never dropped.
            ``"block"`` makes the greenlet that emits to one client wait until an eighth of the limit is
            free, for ``write_stall_timeout`` at most; a broadcast, another thread and the hub itself can't
            wait. Where neither dropping nor waiting makes room, the client is disconnected.
        max_total_outbound_bytes: Most bytes queued for all clients that are behind, looked at ten times a
            second; beyond it those with most are disconnected ("slow consumer"). What a broadcast queues is
            counted for each of them.
        cors_allowed_origins: None is same origin; ``"*"``, an origin, a pattern such as
            ``"https://*.example.com"``, a compiled regular expression, a list of these, or
            ``callable(origin, environ) -> bool``. Requests of others are refused with 403 on every route,
            before a session or a 101.
        cors_credentials: Whether cookies may come with allowed foreign origins.
        cors_allowed_headers: Names of the request headers that allowed foreign origins may send; None is
            whatever they ask for.
        cors_exposed_headers: Names of the headers of answers that their pages may read.
        cors_max_age: How long their browsers may keep the answer to a preflight request.
        cookie: None, a name, or ``{"name": ..., "path": ..., "max_age": ..., "domain": ...,
            "secure": ..., "http_only": ..., "same_site": ...}``: set to the session id on the
            polling handshake, for load balancers.
        http_compression: Whether polling answers are compressed (gzip, deflate) where the client accepts it.
        compression_threshold: Shortest body that is compressed.
        per_message_deflate: Whether WebSocket messages are compressed: False, True, or a dict of the fields
            of :class:`DeflateOptions`.
        trusted_proxies: How many reverse proxies in front of the server say who sent a request, to which host
            and how: for the same origin, and for a handshake's ``address`` and ``secure``.
        forwarded_header: Whether they say it in ``Forwarded`` (RFC 7239); otherwise in ``X-Forwarded-For``,
            ``-Host`` and ``-Proto``.
        allow_request: ``callable(environ)``, called before a session is made; may block. False or a
            ``HandshakeRefused`` refuses it with 403; so does any other error, which is logged.
        generate_id: ``callable(environ) -> str`` for session ids; None makes 20 random characters. Where it
            fails, or makes an id that is in use, the request is refused with code 3.
        initial_packet: A message that each client gets with the answer to its handshake; None sends none.
    """

    path: str = "/engine.io"
    add_trailing_slash: bool = True
    transports: Iterable[str] = TRANSPORTS
    allow_upgrades: bool = True
    allow_eio3: bool = True
    jsonp: bool = False
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    close_timeout: float = 5.0
    write_stall_timeout: float = 10.0
    shutdown_timeout: float = 10.0
    shutdown_spread: float = 5.0
    max_connections: int | None = None
    rate_limit: bool | Mapping[str, Any] | RateLimits | None = None
    max_http_buffer_size: int = 1_000_000
    max_packets_per_payload: int = 10_000
    max_fragments: int = 16_384
    max_outbound_bytes: int = 16 * 1024 * 1024
    outbound_policy: Literal["close", "drop_oldest", "drop_newest", "block"] = "close"
    max_total_outbound_bytes: int = 256 * 1024 * 1024
    cors_allowed_origins: Origins = None
    cors_credentials: bool = True
    cors_allowed_headers: Iterable[str] | None = None
    cors_exposed_headers: Iterable[str] = ()
    cors_max_age: int = 86_400
    cookie: str | Mapping[str, Any] | None = None
    http_compression: bool = True
    compression_threshold: int = 1024
    per_message_deflate: bool | Mapping[str, Any] = False
    trusted_proxies: int = 0
    forwarded_header: bool = False
    allow_request: Callable[[Environ], Any] | None = None
    generate_id: Callable[[Environ], str] | None = None
    initial_packet: str | bytes | None = None

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        check_numbers(self)
        if not self.transports or set(self.transports) - set(TRANSPORTS):
            raise ValueError(f"transports must be some of {TRANSPORTS}, not {self.transports!r}")
        if self.outbound_policy not in POLICIES:
            raise ValueError(f"outbound_policy must be one of {POLICIES}, not {self.outbound_policy!r}")
        for name in ("transports", "cors_allowed_headers", "cors_exposed_headers"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} must be a list of names, not {value!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"path must begin with a slash: {self.path!r}")
        for name in ("ping_interval", "ping_timeout", "upgrade_timeout", "max_http_buffer_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        self.deflate_options()
        self.rate_limits()

    def rate_limits(self) -> RateLimits | None:
        """Return the rate limits; None if they are off."""
        given = self.rate_limit
        if isinstance(given, RateLimits):
            return given
        if given is not None and not isinstance(given, bool | Mapping):
            raise TypeError(f"rate_limit must be True, a dict or RateLimits, not {given!r}")
        return chosen(given, RateLimits)

    def deflate_options(self) -> DeflateOptions | None:
        """Return the options of the compression of WebSocket messages; None if it is off."""
        return chosen(self.per_message_deflate, DeflateOptions)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions(EngineOptions):
    """Options of the Socket.IO server, on top of the engine's.

    Attributes:
        connect_timeout: How long a client may take to join its first namespace; then it is disconnected
            (1008).
        max_pending: Most sessions at a time whose clients haven't joined one yet; further handshakes are
            refused with 503.
        parser: ``"json"``, ``"msgpack"``, or a :class:`~socketio_sync.protocol.socketio.codec.Codec`.
        serve_client: Folder of the official client bundle (``socket.io.js`` and its kin) that is
            served below ``path``; None serves none.
        max_attachments: Most binary attachments of one packet; more is a parse error, as are packets beyond
            the limits that follow: the client is disconnected (1008).
        max_binary_bytes: Most bytes in the attachments of one packet; None is ten times
            ``max_http_buffer_size``.
        attachment_timeout: How long a packet may wait for its attachments.
        json_max_depth: Most levels of arrays and objects in the arguments of a packet, MessagePack too; the
            list of arguments is the first. In ``emit``, more is a ValueError.
        json_max_digits: Most digits of an integer from a client.
        max_namespaces: Most namespaces that one client joins; at one more it is disconnected (1008).
        max_refused_connects: Most refused CONNECTs of one client before it is disconnected (1008).
        max_queued_events: Events of one socket that may wait for its running handler before
            reading stops, so that TCP pushes the client back.
        max_queued_event_bytes: The same in bytes of what was received.
        max_rooms: Most rooms of one socket; then ``join`` raises ``RoomLimitError``.
        max_pending_acks: Most acknowledgements that one socket may owe; then ``call``, and ``emit`` with
            ``ack``, raise ``AckLimitError``.
        max_unknown_acks: Most acknowledgements in a row that nobody asked for; then the client is
            disconnected (1008).
        ack_timeout: How long acknowledgements may take where no ``timeout`` is given. None is 30 s for
            ``call`` and for broadcasts, and no limit for the callback of a single client; with a time that
            callback gets the error, or None, as its first argument.
        cleanup_empty_child_namespaces: Whether a namespace that was made for a client is forgotten when its
            last one has left and can't be recovered any more.
        connection_state_recovery: Whether a client that comes back soon gets its id, rooms and data again,
            and what it has missed: None, True, or a dict of the fields of :class:`RecoveryOptions`.
        error_acks: Whether a handler that raises acknowledges with ``{"error": {...}}``.
        watchdog: How long the hub may serve nobody, because a handler computes or blocks, before a native
            thread logs SIO601 with the handler, the event and the stack; again, as an error, after
            ``ping_interval``. None and 0 are off.
    """

    path: str = "/socket.io"
    connect_timeout: float = 20.0
    max_pending: int = 2_000
    parser: Any = "json"
    serve_client: str | None = None
    max_attachments: int = 10
    max_binary_bytes: int | None = None
    attachment_timeout: float = 30.0
    json_max_depth: int = 128
    json_max_digits: int = 309
    max_namespaces: int = 32
    max_refused_connects: int = 16
    max_queued_events: int = 64
    max_queued_event_bytes: int = 4 * 1024 * 1024
    max_rooms: int = 10_000
    max_pending_acks: int = 10_000
    max_unknown_acks: int = 1_000
    ack_timeout: float | None = None
    cleanup_empty_child_namespaces: bool = False
    connection_state_recovery: bool | Mapping[str, Any] | None = None
    error_acks: bool = False
    watchdog: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        EngineOptions.__post_init__(self)
        if isinstance(self.parser, str) and self.parser not in ("json", "msgpack"):
            raise ValueError(f'parser must be "json", "msgpack" or a codec, not {self.parser!r}')
        self.recovery_options()
        for name in ("json_max_depth", "json_max_digits"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)!r}")
        if self.ack_timeout is not None and self.ack_timeout <= 0:
            raise ValueError(f"ack_timeout must be positive, not {self.ack_timeout!r}")
        if self.watchdog is not None:
            if isinstance(self.watchdog, bool) or not isinstance(self.watchdog, int | float):
                raise TypeError(f"watchdog must be a number, or None, not {self.watchdog!r}")
            if not 0 <= self.watchdog < float("inf"):
                raise ValueError(f"watchdog must be a time in seconds, not {self.watchdog!r}")

    def recovery_options(self) -> RecoveryOptions | None:
        """Return the options of connection state recovery; None if it is off."""
        return chosen(self.connection_state_recovery, RecoveryOptions)

    def ack_timeout_or(self, timeout: float | None) -> float:
        """Return how long somebody waits for an acknowledgement who has said ``timeout``, or None."""
        if timeout is None:
            timeout = self.ack_timeout
        return timeout if timeout is not None else ACK_TIMEOUT

    def engine_options(self) -> EngineOptions:
        """Return the part that the Engine.IO server takes."""
        return EngineOptions(**{field.name: getattr(self, field.name) for field in fields(EngineOptions)})
