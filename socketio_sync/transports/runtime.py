"""What belongs to one hub and is shared by all connections on it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import monkey

from socketio_sync.transports.backlogs import Backlogs
from socketio_sync.transports.outbox import Outbox
from socketio_sync.transports.timers import Timers
from socketio_sync.transports.workers import Workers

logger = logging.getLogger(__name__)

# The native thread's: in a patched process the usual function tells greenlets apart.
_get_ident: Callable[[], int] = monkey.get_original("_thread", "get_ident")

# As much as one system call brings in at most. Larger messages arrive in several pieces;
# nothing else is bounded by it.
RECEIVE_BYTES = 64 * 1024
# So many calls of threads are made in one turn of the loop.
BATCH = 1000


class Runtime:
    """The hub that serves a server's connections, with its outbox, timers and workers.

    Attributes:
        hub: The gevent hub.
        loop: Its event loop.
        backlogs: What clients don't take.
        outbox: The connections to flush at the end of the turn.
        timers: All deadlines.
        workers: The greenlets in which connections are read and application code runs.
    """

    __slots__ = ("_called", "_calls", "_ident", "backlogs", "hub", "loop", "outbox", "timers", "workers")

    def __init__(self, hub: Any) -> None:
        """Serve on ``hub``; called in the hub's own thread."""
        self.hub = hub
        self.loop = hub.loop
        self.outbox = Outbox(hub.loop)
        self.timers = Timers(hub.loop)
        self.backlogs = Backlogs(self.timers)
        self.workers = Workers(hub)
        self._ident = _get_ident()
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        # Not gevent's run_callback_threadsafe: it counts references to the loop, and loses count when
        # the loop does so at the same moment; the loop then ends with everybody in it.
        self._called = hub.loop.async_(ref=False)
        self._called.start(_run_calls, self._calls, self._called)

    def is_current(self) -> bool:
        """Tell whether the calling thread is the hub's own."""
        return _get_ident() == self._ident

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` on the hub in its next turn. From the hub's thread only."""
        self.loop.run_callback(function, *args)

    def after_poll(self, function: Callable[..., Any]) -> None:
        """Call ``function`` on the hub once the loop has served what is ready. From the hub's thread only.

        For who gives way to others: gevent runs up to fifty callbacks of ``soon``, and those that they add,
        before it looks at descriptors and timers again.
        """
        self.timers.after(0.0, function)

    def from_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` on the hub, in order of the calls; wakes a waiting loop. From any thread."""
        self._calls.append((function, args))
        self._called.send()


def _run_calls(calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]], called: Any) -> None:
    # Those that come meanwhile have their turn later: threads that never stop mustn't keep the loop.
    # And only so many: while a batch is worked off they may add a longer one, and so on.
    for _ in range(min(len(calls), BATCH)):
        function, args = calls.popleft()
        try:
            function(*args)
        except Exception:
            logger.exception("what a thread wanted done on the hub failed")
    if calls:
        called.send()
