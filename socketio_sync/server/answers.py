"""The acknowledgements of a broadcast: collected from any number of clients, here and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from socketio_sync.adapters.base import Answers
from socketio_sync.exceptions import AckTimeout, SocketIOError
from socketio_sync.server.acks import timed_out, value_of
from socketio_sync.transports.timers import Timers


class Share:
    """What one socket waits for of a broadcast: its part of the answers. See :class:`PendingAck`."""

    __slots__ = ("_answers", "_sid")

    def __init__(self, answers: Answers, sid: str) -> None:
        """Pass on what comes of the socket ``sid``."""
        self._answers = answers
        self._sid = sid

    def resolve(self, values: Sequence[Any]) -> None:
        """Pass the client's acknowledgement on."""
        self._answers.answer(self._sid, values)

    def fail(self, error: SocketIOError) -> None:
        """Tell that there will be none."""
        self._answers.miss(self._sid, error)


class Gathering:
    """What the clients of one broadcast have answered. For the hub's thread, but for the results.

    See :class:`~socketio_sync.adapters.base.Answers` for what it is to an adapter.

    Attributes:
        awaited: Whether somebody blocks until it is over.
        is_over: Whether everybody has answered or won't, or nobody waits any more.
    """

    __slots__ = (
        "_clean_ups",
        "_expected",
        "_missing",
        "_on_over",
        "_parts",
        "_timer",
        "_values",
        "awaited",
        "is_over",
    )

    def __init__(self, parts: int, on_over: Callable[[], None], *, awaited: bool) -> None:
        """Collect the answers of ``parts`` namespaces, and call ``on_over`` once no more are waited for.

        Not where ``end`` is what ends it.
        """
        self._parts = parts
        self._on_over = on_over
        self._expected: list[str] = []
        # In the order of their coming.
        self._values: dict[str, Sequence[Any]] = {}
        self._missing: dict[str, SocketIOError] = {}
        self._clean_ups: list[Callable[[], None]] = []
        self._timer: Any = None
        self.awaited = awaited
        self.is_over = False

    # -- for the adapter --------------------------------------------------------------------------

    def expect(self, sids: Sequence[str]) -> None:
        """Learn that these clients, too, got the event."""
        self._expected += sids

    def answer(self, sid: str, values: Sequence[Any]) -> None:
        """Take a client's acknowledgement."""
        if not self.is_over:
            self._values[sid] = values
            self.check()

    def miss(self, sid: str, error: SocketIOError) -> None:
        """Learn that a client won't answer."""
        if not self.is_over:
            self._missing[sid] = error
            self.check()

    def complete(self) -> None:
        """Learn that a namespace expects no more clients than it has said."""
        self._parts -= 1
        self.check()

    def on_over(self, clean_up: Callable[[], None]) -> None:
        """Have ``clean_up`` called when it is over; at once if it is already.

        A thread that is held up between the limit and the sending may come too late.
        """
        if self.is_over:
            clean_up()
        else:
            self._clean_ups.append(clean_up)

    # -- for whoever waits ------------------------------------------------------------------------

    def limit(self, timers: Timers, timeout: float) -> None:
        """Wait no longer than ``timeout`` seconds; ``on_over`` is called then, too."""
        self._timer = timers.after(timeout, self._finish)

    def check(self) -> None:
        """Finish if everybody has answered or won't."""
        if not self._parts and len(self._values) + len(self._missing) == len(self._expected):
            self._finish()

    def _finish(self) -> None:
        if not self.is_over:
            self.end()
            self._on_over()

    def end(self) -> None:
        """Wait no longer; idempotent."""
        if not self.is_over:
            self.is_over = True
            if self._timer is not None:
                self._timer.cancel()
            for clean_up in self._clean_ups:
                clean_up()

    # -- the results, from any thread ----------------------------------------------------------------
    # A thread whose time is over doesn't wait for the hub: answers may come while it looks.

    @property
    def responses(self) -> list[Any]:
        """The first value of each client's answer, None where it has none, in the order of their coming."""
        return [values[0] if values else None for values in self._values.copy().values()]

    def error(self, timeout: float) -> AckTimeout | None:
        """Return None if everybody has answered, else the error that has the answers there are."""
        responses = self.responses
        answered, expected = len(responses), len(self._expected)
        if answered == expected and not self._parts:
            return None
        never = answered + len(self._missing) == expected and not self._parts
        why = ", the others never will" if never else f" within {timeout:g} s"
        return AckTimeout(f"{answered} of {expected} clients acknowledged{why}", responses)

    def each(self, timeout: float) -> dict[str, Any]:
        """Return, by id, each client's answer in Python's terms, or the exception that there is instead."""
        results: dict[str, Any] = {}
        for sid in self._expected:
            if sid in self._values:
                results[sid] = value_of(self._values[sid])
            else:
                results[sid] = self._missing.get(sid) or timed_out(timeout)
        return results
