"""What all clients together don't take: a bound for the server, beside that for each client."""

from __future__ import annotations

import logging
import sys
from typing import Protocol

from socketio_sync.logs import Throttle
from socketio_sync.transports.timers import Timers

problems = Throttle(logging.getLogger(__name__))

# How often the backlogs are added up, as long as there are any.
PERIOD = 0.1


class Backlogged(Protocol):
    """A connection whose peer doesn't take what is queued for it."""

    @property
    def queued_bytes(self) -> int:
        """Bytes queued and not delivered."""

    def give_up(self, description: str) -> None:
        """Disconnect the peer, and forget what is queued for it."""


class Backlogs:
    """Those with a backlog, on one hub. For the hub's thread only.

    Who is never behind is never looked at: a connection is entered when it falls behind.

    Attributes:
        limit: Most bytes that may be queued for all of them together.
    """

    __slots__ = ("_behind", "_running", "_timers", "limit")

    def __init__(self, timers: Timers) -> None:
        """Begin without a limit."""
        self.limit = sys.maxsize
        self._timers = timers
        self._behind: set[Backlogged] = set()
        self._running = False

    def add(self, connection: Backlogged) -> None:
        """Count what is queued for a connection until all of it is delivered; idempotent."""
        self._behind.add(connection)
        if not self._running:
            self._running = True
            self._timers.after(PERIOD, self._sweep)

    @property
    def is_behind(self) -> bool:
        """Whether something is queued that a peer hasn't taken; a tenth of a second late."""
        return self._running

    def _sweep(self) -> None:
        sizes = [(connection.queued_bytes, connection) for connection in self._behind]
        total = sum([size for size, _ in sizes])
        if total > self.limit:
            self._give_up(sorted(sizes, key=lambda entry: entry[0], reverse=True), total)
        self._behind = {connection for size, connection in sizes if size}
        self._running = bool(self._behind)
        if self._running:
            self._timers.after(PERIOD, self._sweep)

    def _give_up(self, sizes: list[tuple[int, Backlogged]], total: int) -> None:
        """Disconnect the largest until the others are within the limit."""
        for size, connection in sizes:
            problems.warning(
                "SIO804",
                "SIO804 %d bytes are queued for clients that don't read them, %d are allowed "
                "(max_total_outbound_bytes): disconnecting one with %d",
                total,
                self.limit,
                size,
            )
            connection.give_up(f"{size} bytes are queued and not read, the most of all clients")
            total -= size
            if total <= self.limit:
                return
