"""Sending all clients away, spread over a time, when their handlers have come to their ends.

Each connection is closed, and no DISCONNECT packet is sent: clients connect again by themselves. All at once
they would come back all at once.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import gevent

from socketio_sync.engine.lingering import Lingering
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.workers import Worker

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

logger = logging.getLogger(__name__)

SHUTTING_DOWN = "server shutting down"
# So many a second may always be sent away: a few clients aren't worth a wait.
PACE = 1000
TICK = 0.01
# How long what is queued may take to leave, and clients to answer a Close, when all are closed.
FLUSH_SECONDS = 1.0


def check_caller() -> None:
    """See whether the caller may wait for all handlers.

    Raises:
        RuntimeError: It is one.
    """
    if isinstance(gevent.getcurrent(), Worker):
        raise RuntimeError("shutdown() would wait for the handler that calls it: run it in the background")


def drain(sessions: Iterable[EngineSocket], *, timeout: float, spread: float) -> None:
    """Close sessions one after the other; return when the last one is closed. Blocks.

    Args:
        sessions: Those that are open.
        timeout: How long handlers that run may take, in seconds; then the others are closed, too.
        spread: Over how many seconds, at most.
    """
    waiting = deque(sessions)
    total = len(waiting)
    spread = min(spread, timeout, total / PACE)
    begin = monotonic()
    while waiting:
        passed = monotonic() - begin
        late = passed >= timeout
        due = total if passed >= spread else int(total * passed / spread)
        # Who is busy is asked again in the next turn, and holds nobody up.
        for _ in range(min(due - (total - len(waiting)), len(waiting))):
            session = waiting.popleft()
            if session.is_open and session.is_busy() and not late:
                waiting.append(session)
            else:
                session.shut(SHUTTING_DOWN, code=1001)
        if waiting:
            gevent.sleep(TICK)


def flush(runtime: Runtime, lingering: Lingering, *, timeout: float) -> None:
    """Wait until all handlers have ended, all queues are empty and all WebSockets closed. Blocks.

    Args:
        runtime: That of the closed sessions.
        lingering: Those whose clients have something left to poll.
        timeout: How long handlers and clients that are behind may take, in seconds. Who has got everything
            has :data:`FLUSH_SECONDS` to answer the Close, or to poll it.
    """
    workers = runtime.workers
    until = monotonic() + timeout
    if not workers.join(timeout):
        logger.warning(
            "SIO821 %d handlers still run, and aren't waited for any longer: raise shutdown_timeout, and "
            "under io.run() stop_timeout",
            workers.busy,
        )
    answered = monotonic() + FLUSH_SECONDS
    while (workers.connections or lingering) and monotonic() < (
        max(until, answered) if runtime.backlogs.is_behind else answered
    ):
        gevent.sleep(TICK)


# -- at the end of the process ----------------------------------------------------------------------------


class Ends:
    """Has the servers of this process send their clients away when it ends.

    Python's own end of a process is one of them. gunicorn's worker waits on SIGTERM for the requests that are
    in progress, held polls among them, without telling anybody: it is listened to.
    """

    def __init__(self) -> None:
        """Begin without a server."""
        self._servers: WeakSet[EngineServer] = WeakSet()
        self._pid = 0

    def add(self, server: EngineServer) -> None:
        """Look after a server, which is bound to its hub just now."""
        pid = os.getpid()
        if self._pid != pid:
            # Not what a parent process has: its clients are not ours.
            self._pid = pid
            self._servers.clear()
            atexit.unregister(self._at_exit)
            atexit.register(self._at_exit)
        self._servers.add(server)
        self._listen_to_gunicorn()

    def _listen_to_gunicorn(self) -> None:
        previous = signal.getsignal(signal.SIGTERM)
        if not callable(previous) or not getattr(previous, "__module__", "").startswith("gunicorn.workers"):
            return
        handle: Any = previous

        def on_signal(number: int, frame: Any) -> None:
            handle(number, frame)
            for server in tuple(self._servers):
                server.run_on_hub_soon(gevent.spawn, server.shutdown)

        # In another thread than the process's first; in a patched process only the signal module knows that.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, on_signal)

    def _at_exit(self) -> None:
        if self._pid != os.getpid():
            return
        for server in tuple(self._servers):
            if server.is_draining or server.clients_count:
                server.shutdown()


ends = Ends()
