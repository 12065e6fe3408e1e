"""The heartbeat of one session, told the time.

Specification: engine.io-protocol, "Heartbeat". The server pings in revision 4, the client in revision 3.
"""

from __future__ import annotations

from enum import Enum

# How often a client that pings, and isn't listened to, is looked at again.
_UNHEARD = 1.0


class Due(Enum):
    """What has to be done about a session's heartbeat."""

    NOTHING = "nothing"
    PING = "ping"
    DEAD = "dead"


class Heartbeat:
    """Decides when to ping one session and when to give it up.

    Times are seconds of any clock that never goes back.

    Attributes:
        deadline: When :meth:`due` will next have something to say.
        awaiting_pong: Whether a ping is unanswered; :meth:`on_activity` does nothing otherwise.
    """

    __slots__ = ("_extended", "_interval", "_revision", "_timeout", "awaiting_pong", "deadline")

    def __init__(self, *, revision: int, interval: float, timeout: float, now: float) -> None:
        """Start at the moment the session opens.

        Args:
            revision: 3 or 4.
            interval: From the opening, or a pong, to the next ping.
            timeout: How long an answer may take. In revision 3 a session is given up
                ``interval + timeout`` after the client's last ping.
            now: The time.
        """
        self._revision = revision
        self._interval = interval
        self._timeout = timeout
        self._extended = False
        self.awaiting_pong = False
        self.deadline = now + interval if revision >= 4 else now + interval + timeout

    def due(self, now: float, *, listening: bool = True) -> Due:
        """Say what has to be done. PING is said once: the ping counts as sent at ``now``.

        Args:
            now: The time.
            listening: Whether the peer is listened to at the moment. Otherwise its silence isn't held
                against it, and it is pinged on, as it gives the connection up when no ping comes.
        """
        if now < self.deadline:
            return Due.NOTHING
        if self._revision < 4:
            if listening:
                return Due.DEAD
            self.deadline = now + _UNHEARD
            return Due.NOTHING
        if self.awaiting_pong and listening:
            return Due.DEAD
        self.awaiting_pong = True
        self._extended = False
        self.deadline = now + self._timeout
        return Due.PING

    def on_pong(self, now: float) -> None:
        """Take a pong, asked for or not: the next ping is an interval away. Nothing in revision 3."""
        if self._revision >= 4:
            self.awaiting_pong = False
            self.deadline = now + self._interval

    def on_ping(self, now: float) -> None:
        """Take the client's ping. Nothing in revision 4, where the caller refuses it."""
        if self._revision < 4:
            self.deadline = now + self._interval + self._timeout

    def on_activity(self, now: float) -> None:
        """Take any other packet: the first one after a ping gives its pong another timeout from now.

        Only the first: a client that talks but never answers is given up all the same.
        """
        if self.awaiting_pong and not self._extended:
            self._extended = True
            self.deadline = now + self._timeout
