"""Connection state recovery: who comes back soon gets its id, rooms and data, and what it has missed.

Specification: wire.md 2.10. Every event that may be missed has an offset behind its arguments, which the
client sends when it comes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from socketio_sync.engine.draining import SHUTTING_DOWN
from socketio_sync.engine.server import new_id
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.server.carried import Shelf
from socketio_sync.server.journal import Bounds, Entry, Journal, Lost, Seen, Session, Timeline

if TYPE_CHECKING:
    from socketio_sync.options import RecoveryOptions
    from socketio_sync.server.socket import Socket

# After these the client tries to come back by itself.
RECOVERABLE = frozenset(
    (
        "transport error",
        "transport close",
        "forced close",
        "forced server close",
        "ping timeout",
        SHUTTING_DOWN,
        "slow consumer",
        "rate limit",
    )
)


class Recovery:
    """What one namespace keeps for those who may come back. For the hub's thread only.

    Attributes:
        options: The bounds.
        max_delay: How long a client may be gone before that is noticed, in seconds.
        timeline: The events.
        live: The sockets that are connected, by their secret.
    """

    __slots__ = (
        "_awaits_until",
        "_bounds",
        "_handed_over",
        "_sessions",
        "_shelf",
        "live",
        "max_delay",
        "options",
        "timeline",
    )

    def __init__(self, options: RecoveryOptions, max_delay: float, shelf: Shelf | None = None) -> None:
        """Keep nothing yet.

        Args:
            options: The bounds.
            max_delay: How long a client may be gone before that is noticed, in seconds.
            shelf: Where what is kept is left for the next process, and what the last one has left is found;
                None ends it with the process.
        """
        self.options = options
        self.max_delay = max_delay
        self._bounds = Bounds(options, options.max_disconnection_duration + max_delay)
        self.live: dict[str, Socket] = {}
        self.timeline = Timeline(self._bounds)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._shelf = shelf
        self._awaits_until = 0.0
        # Of whom all is left there; None while the server doesn't close.
        self._handed_over: set[str] | None = None

    @classmethod
    def of(cls, namespace: str, options: RecoveryOptions, max_delay: float) -> Recovery:
        """Make that of a namespace."""
        if options.directory is None:
            return cls(options, max_delay)
        shelf = Shelf(options, namespace, options.max_disconnection_duration + max_delay)
        return cls(options, max_delay, shelf)

    def prepare(self, now: float) -> None:
        """See whether the directory can be used, in the process that serves: the operator must hear of it."""
        if self._shelf is not None:
            self._shelf.is_ready()
            # Until then somebody may come from an earlier process.
            self._awaits_until = now + self._bounds.max_age

    # -- events -----------------------------------------------------------------------------------

    def record(
        self,
        journal: Journal | None,
        offset: int,
        encoded: Encoded,
        now: float,
        rooms: frozenset[str] = frozenset(),
        except_: frozenset[str] = frozenset(),
        sid: str = "",
    ) -> None:
        """Keep an event, in a socket's own journal, with its id, or without one in that of the namespace."""
        entry = Entry(offset, encoded, rooms, except_, now)
        if self._handed_over is not None:
            assert self._shelf is not None
            if journal is None:
                self._shelf.append(entry, now)
            elif journal.pid in self._handed_over:
                self._shelf.append(entry._replace(rooms=frozenset((sid,))), now)
        (journal if journal is not None else self.timeline.shared).append(entry)

    # -- sessions ---------------------------------------------------------------------------------

    def journal(self) -> Journal:
        """Return a journal for a new socket, with a new secret."""
        return Journal(self._bounds, new_id(), self.timeline.last)

    def leave(self, socket: Socket, journal: Journal, reason: str, now: float) -> None:
        """Keep what is needed to bring a socket back that leaves, if it may come back for this reason."""
        self.live.pop(journal.pid, None)
        if reason not in RECOVERABLE:
            journal.clear()
            return
        horizon = self._horizon(socket, journal, now)
        if reason == SHUTTING_DOWN:
            # A namespace that was made when the server had begun to close hasn't done so.
            self.hand_over(now)
        self._keep(Session(socket.id, socket.rooms, socket.data, journal, now, horizon), now)

    def _horizon(self, socket: Socket, journal: Journal, now: float) -> float:
        """Return until when what was sent has reached a client that leaves: it has answered a heartbeat."""
        if socket.connection.session.transport.undelivered:
            # What waited for the client in vain may be older than the last heartbeat, which goes first.
            return float("-inf")
        heard = now - self.max_delay
        if journal.returned is not None and journal.returned >= heard:
            # What it had missed was sent again since, whatever its age.
            return journal.horizon
        return heard

    def _keep(self, session: Session, now: float) -> None:
        self._sessions[session.journal.pid] = session
        if self._handed_over is not None:
            self._leave_behind(session, now)
        while len(self._sessions) > self.options.max_sessions:
            self._sessions.popitem(last=False)[1].journal.clear()

    def hand_over(self, now: float) -> None:
        """Leave all that is kept for the next process, if it is to be found there; as the server closes."""
        if self._shelf is not None and self._handed_over is None:
            self._handed_over = set()
            self._shelf.begin(self.timeline, now)
            for session in self._sessions.values():
                self._leave_behind(session, now)

    def _leave_behind(self, session: Session, now: float) -> None:
        assert self._shelf is not None
        assert self._handed_over is not None
        self._handed_over.add(session.journal.pid)
        self._shelf.put(session, self.timeline, now)

    @property
    def size(self) -> int:
        """The bytes of all that is kept."""
        return self._bounds.size

    @property
    def waits(self) -> bool:
        """Whether anybody may come back."""
        return bool(self._sessions) or self._awaits_until > 0.0

    def is_kept(self, pid: str) -> bool:
        """Tell whether a socket that has left may come back."""
        return pid in self._sessions

    def sweep(self, now: float) -> bool:
        """Forget what is too old; tell whether anything is left."""
        while self._sessions:
            session = next(iter(self._sessions.values()))
            if session.closed >= now - self.options.max_disconnection_duration:
                break
            self.forget(session)
        then = now - self._bounds.max_age
        self.timeline.shared.forget_before(then)
        journals = [session.journal for session in self._sessions.values()]
        journals += [socket.journal for socket in self.live.values() if socket.journal is not None]
        for journal in journals:
            journal.forget_before(then)
            journal.forget_earlier(now)
        if self._awaits_until < now:
            self._awaits_until = 0.0
        found = self._shelf is not None and self._shelf.sweep(now)
        return bool(self.size or self.waits or found)

    def returned(self, auth: Mapping[str, Any], now: float) -> tuple[Missed | None, str | None]:
        """Return the session of a client that says that it has come back; or tell why there is none."""
        claims = claims_of(auth)
        if claims is None:
            return None, None
        try:
            return self.claim(claims, now), None
        except Lost as lost:
            return None, str(lost)

    def claim(self, claims: Claims, now: float) -> Missed:
        """Return the session of a client that comes back; it is kept until ``enter`` takes it out.

        Where the end of its earlier connection wasn't noticed yet, that is closed first: nobody else knows
        the secret.

        Raises:
            Lost: There is no session, or not all that the client has missed is kept.
        """
        earlier = self.live.get(claims.pid)
        if earlier is not None:
            earlier.connection.session.shut("transport close", "the client has come back")
        session = self._sessions.get(claims.pid)
        if session is not None and session.closed < now - self.options.max_disconnection_duration:
            self.forget(session)
            session = None
        session = session or self._found(claims, now)
        if session is None:
            raise Lost("the session is unknown, expired, or was recovered already")
        seen = self.timeline.seen(claims.offset, session.journal)
        # For it to be known now whether all is kept.
        self.missed(session, seen)
        return Missed(self, session, seen)

    def _found(self, claims: Claims, now: float) -> Session | None:
        """Return the session of a client that an earlier process has left; None if there is none.

        Raises:
            Lost: Not all that it has missed is kept.
        """
        if self._shelf is None or not claims.pid:
            return None
        session = self._shelf.take(claims.pid, self.timeline, self._bounds, now)
        if session is not None:
            self._keep(session, now)
        return session

    def enter(self, socket: Socket, journal: Journal, missed: Missed | None, now: float) -> Sequence[Encoded]:
        """Learn that a socket has been let in; return the packets that it has missed.

        Its session can't be claimed again.

        Raises:
            Lost: While middlewares were asked its session has gone, or so much has come that not all is kept.
        """
        packets: Sequence[Encoded] = ()
        if missed is None:
            # What was sent meanwhile wasn't meant for it.
            journal.began = journal.start = self.timeline.last
        else:
            session = missed.session
            if self._sessions.get(journal.pid) is not session:
                raise Lost("the session has expired, or was recovered by somebody else")
            packets = self.missed(session, missed.seen)
            journal.returned, journal.horizon = now, session.horizon
            del self._sessions[journal.pid]
            if self._handed_over is not None and self._shelf is not None:
                self._handed_over.discard(journal.pid)
                self._shelf.withdraw(journal.pid)
        self.live[journal.pid] = socket
        return packets

    def forget(self, session: Session) -> None:
        """Let nobody come back to a session any more; ignored if that is so already."""
        if self._sessions.get(session.journal.pid) is session:
            del self._sessions[session.journal.pid]
            session.journal.clear()

    def missed(self, session: Session, seen: Seen) -> list[Encoded]:
        """Return the packets that a session has missed, in order.

        Raises:
            Lost: Not all of them are kept; the session isn't either, then.
        """
        try:
            return [entry.encoded for entry in self.timeline.missed(session, seen)]
        except Lost:
            self.forget(session)
            raise


class Missed(NamedTuple):
    """A session whose client has come back.

    Attributes:
        recovery: Where it is kept.
        session: What is kept of it.
        seen: How far the client has come.
    """

    recovery: Recovery
    session: Session
    seen: Seen

    @property
    def skip_middlewares(self) -> bool:
        """Whether the namespace's middlewares aren't asked again."""
        return self.recovery.options.skip_middlewares

    def forget(self) -> None:
        """Let the client not come back any more, as a middleware has refused it."""
        self.recovery.forget(self.session)

    def restore(self, socket: Socket) -> Socket:
        """Give a new socket what its predecessor had, but for the rooms."""
        socket.data = self.session.data
        socket.journal = self.session.journal
        socket.recovered = True
        return socket


class Claims(NamedTuple):
    """What a client sends that has come back.

    Attributes:
        pid: The secret that it was given; empty if it sent no text.
        offset: The last offset that it has seen; None if it has seen none.
    """

    pid: str
    offset: Any


def claims_of(auth: Mapping[str, Any]) -> Claims | None:
    """Return what a client has sent with its CONNECT; None if it says nothing of an earlier connection."""
    if "pid" not in auth:
        return None
    pid = auth["pid"]
    return Claims(pid if isinstance(pid, str) else "", auth.get("offset"))
