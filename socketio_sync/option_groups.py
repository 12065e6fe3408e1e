"""Options that go together: a feature is off, on, or on with a dict of them; and how options are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import inf
from os import PathLike
from typing import Any, TypeVar, cast

from socketio_sync.types import Environ

Options = TypeVar("Options")


def options_of(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """Return options of a kind.

    Raises:
        TypeError: There is no option of such a name, or a value is of a type that can't work.
        ValueError: A value can't work.
    """
    known = [field.name for field in fields(cast(Any, kind))]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"there is no option {name!r}{hint}")
    return kind(**given)


def check_numbers(options: Any) -> None:
    """Refuse what isn't a number, or is none that a size or a time can be, where the default is a number."""
    for field in fields(options):
        value = getattr(options, field.name)
        if type(field.default) in (int, float) and (
            isinstance(value, bool) or not isinstance(value, int | float)
        ):
            raise TypeError(f"{field.name} must be a number, not {value!r}")
        # NaN isn't at least 0 either.
        if type(field.default) in (int, float) and not value >= 0:
            raise ValueError(f"{field.name} must not be negative, not {value!r}")


def chosen(value: bool | Mapping[str, Any] | None, options: type[Options]) -> Options | None:
    """Return the options of a feature that is off, on, or on with a dict of options."""
    if isinstance(value, Mapping):
        return options_of(options, value)
    return options() if value else None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeflateOptions:
    """Options of the compression of WebSocket messages (RFC 7692).

    Attributes:
        threshold: Shortest message that we compress, in bytes.
        level: How hard we try, 1 to 9.
        mem_level: How much memory that may take while a message is compressed, 1 to 9.
        server_max_window_bits: The size of our window as a power of two, 9 to 15.
        client_max_window_bits: The same for clients that can be told, 8 to 15.
        client_no_context_takeover: Whether a client's messages are compressed each by itself. False saves it
            bandwidth, and costs us a window for each client, as long as it is connected.
    """

    threshold: int = 1024
    level: int = 1
    mem_level: int = 8
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15
    client_no_context_takeover: bool = True

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        ranges = {
            "level": (1, 9),
            "mem_level": (1, 9),
            "server_max_window_bits": (9, 15),
            "client_max_window_bits": (8, 15),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least} to {most}, not {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimits:
    """Options of the rate limits. Each rate is an average, per second, and None for no limit.

    Attributes:
        events: Messages a second from one client: events and acknowledgements, each attachment by itself; not
            heartbeats. At one more the client is disconnected (1008, "rate limit"); that one isn't handled.
        events_burst: How many at once. None is what comes in four seconds, here as for the others.
        bytes: Bytes of these messages a second, with the same end.
        bytes_burst: How many at once; None is ``max_http_buffer_size`` at least. A longer one never passes.
        handshakes: New sessions a second from one address; further ones are refused with 429. A client that
            was disconnected begins anew with its next session: this is how often it can. An IPv6 address
            counts as its network of 64 bits; where none is known, as over a Unix socket, nobody is refused.
        handshakes_burst: How many at once: all clients behind one address may come back together.
        address_events: As ``events``, of all clients of one address together; the one whose message is beyond
            it is disconnected.
        address_events_burst: How many at once.
        address_bytes: As ``bytes``, of all clients of one address together.
        address_bytes_burst: How many at once.
        max_addresses: Most addresses that are remembered for each limit; those that have done nothing for
            longest are forgotten first.
        allow: ``callable(environ, kind) -> bool``, asked at whatever is beyond a limit; True lets it pass, an
            error doesn't. The environ is that of the handshake, the kind the name of the limit. It must not
            block.
    """

    events: float | None = 100.0
    events_burst: float | None = None
    bytes: float | None = 1_000_000.0
    bytes_burst: float | None = None
    handshakes: float | None = 25.0
    handshakes_burst: float | None = 250.0
    address_events: float | None = None
    address_events_burst: float | None = None
    address_bytes: float | None = None
    address_bytes_burst: float | None = None
    max_addresses: int = 10_000
    allow: Callable[[Environ, str], bool] | None = None

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        if self.allow is not None and not callable(self.allow):
            raise TypeError(f"allow must be a function, not {self.allow!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.name == "max_addresses"
            if field.name == "allow" or (value is None and not whole):
                continue
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise TypeError(f"{field.name} must be a number, not {value!r}")
            # With a smaller burst nothing would ever pass.
            least = 1 if whole or field.name.endswith("burst") else 0
            if not least <= value < inf or value == 0:
                raise ValueError(f"{field.name} must be a positive number, not {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryOptions:
    """Options of connection state recovery. Each bound holds for one namespace.

    Attributes:
        max_disconnection_duration: How long a client may be gone and still be recovered.
        skip_middlewares: Whether the namespace's middlewares aren't asked again.
        max_events: Most events kept for all, and most kept for each client beside.
        max_bytes: Most bytes of all that is kept.
        max_sessions: Most clients that are waited for.
        directory: Where a server that closes leaves what it keeps, for the process that comes after it or
            is there already; made if it isn't there. One application, one directory. None ends it with the
            process.
    """

    max_disconnection_duration: float = 120.0
    skip_middlewares: bool = True
    max_events: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    max_sessions: int = 10_000
    directory: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Refuse values that can't work, by name."""
        check_numbers(self)
        for name in ("max_disconnection_duration", "max_events", "max_bytes", "max_sessions"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if not isinstance(self.directory, str | PathLike | None):
            raise TypeError(f"directory must be a path, not {self.directory!r}")
        if self.directory == "":
            raise ValueError("directory must be the path of a directory, not empty")
