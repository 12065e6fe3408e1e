"""Application code runs here: in pooled greenlets that a reader switches into directly.

A handler that doesn't block returns straight to the reader, for the price of two switches; one that blocks
parks in the hub, and the reader goes on reading. Every job starts with empty context variables and
greenlet-locals.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeAlias

import gevent
from gevent import getcurrent
from greenlet import greenlet

from socketio_sync.transports.runtime import Runtime

logger = logging.getLogger(__name__)

# More idle workers than this end instead of waiting for the next burst.
MAX_IDLE = 256

_DONE = object()

Job: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


class _Worker(greenlet):
    """A greenlet with what it is to do next, and whom it came from."""

    __slots__ = ("caller", "job", "lane")

    caller: Any
    job: Job
    lane: Lane | None


class Workers:
    """The pool. For the hub's thread only."""

    __slots__ = ("_alive", "_hub", "_idle", "_loop")

    def __init__(self, runtime: Runtime) -> None:
        """Keep the pool of one hub."""
        self._hub = runtime.hub
        self._loop = runtime.loop
        self._idle: list[_Worker] = []
        self._alive = 0

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` now, in a worker; returns when it has ended or blocks."""
        self._enter((function, args), None)

    @property
    def busy(self) -> int:
        """How many jobs run, or are parked in the hub."""
        return self._alive - len(self._idle)

    def join(self, timeout: float) -> bool:
        """Block until no job runs, for ``timeout`` seconds at most; tell whether that was reached."""
        until = monotonic() + timeout
        while self.busy and monotonic() < until:
            gevent.sleep(0.01)
        return not self.busy

    def _enter(self, job: Job, lane: Lane | None) -> None:
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = _Worker(self._work, self._hub)
            self._alive += 1
        worker.job = job
        worker.lane = lane
        caller = worker.caller = getcurrent()
        if caller is self._hub:
            worker.switch()
            return
        # If the job blocks, the hub brings us back in its next turn.
        resume = self._loop.run_callback(caller.switch)
        if worker.switch() is _DONE:
            resume.stop()
        else:
            worker.caller = None

    def _work(self) -> object:
        me: Any = getcurrent()
        hub = self._hub
        while True:
            self._run_jobs(me)
            caller = me.caller
            if caller is None:
                caller = hub
            # An idle worker must not keep the last socket alive.
            me.caller = me.lane = None
            if me.__dict__ or len(self._idle) >= MAX_IDLE:
                # Greenlet-locals were used here: they end with the greenlet.
                self._alive -= 1
                me.parent = caller
                return _DONE
            if me.gr_context is not None:
                me.gr_context = None
            self._idle.append(me)
            if caller is hub:
                hub.switch()
            else:
                caller.switch(_DONE)

    def _run_jobs(self, me: Any) -> None:
        """Run the worker's job, and then those that have queued up in its lane meanwhile."""
        function, args = me.job
        lane = me.lane
        me.job = None
        while True:
            try:
                function(*args)
            except BaseException:
                # What application code raises is dealt with below us; this is SystemExit,
                # KeyboardInterrupt, GreenletExit, or a defect of our own.
                self._hub.handle_error(me, *sys.exc_info())
            if lane is None:
                return
            if not lane.queue:
                lane.running = False
                return
            function, args = lane.next()
            if me.__dict__:
                self._loop.run_callback(self._enter, (function, args), lane)
                return
            if me.gr_context is not None:
                me.gr_context = None


class Backlog:
    """What waits in all the lanes of one client: a client is bounded, however many sockets it opens.

    Attributes:
        jobs: How many jobs wait.
        bytes: The sum of their sizes.
        on_shorter: Called after one was taken.
    """

    __slots__ = ("bytes", "jobs", "on_shorter")

    def __init__(self, on_shorter: Callable[[], None] | None = None) -> None:
        """Begin with nothing."""
        self.jobs = 0
        self.bytes = 0
        self.on_shorter = on_shorter


class Lane:
    """The jobs of one socket: in order, each to its end. For the hub's thread only.

    Attributes:
        running: Whether a job runs, or is parked in the hub.
        queue: The jobs behind it, each with its size.
    """

    __slots__ = ("_backlog", "_workers", "queue", "running")

    def __init__(self, workers: Workers, backlog: Backlog) -> None:
        """Run jobs on ``workers``; those that wait are counted in ``backlog``."""
        self._workers = workers
        self._backlog = backlog
        self.running = False
        self.queue: deque[tuple[Job, int]] = deque()

    def submit(self, size: int, function: Callable[..., object], *args: Any) -> None:
        """Run a job now if none runs, else after those before it; ``size`` counts while it waits."""
        if self.running:
            self.queue.append(((function, args), size))
            self._backlog.jobs += 1
            self._backlog.bytes += size
        else:
            self.running = True
            self._workers._enter((function, args), self)

    def next(self) -> Job:
        """Take the next job from the queue."""
        job, size = self.queue.popleft()
        self._shorter(1, size)
        return job

    def clear(self) -> None:
        """Forget the jobs that wait."""
        jobs, size = len(self.queue), sum(size for _, size in self.queue)
        self.queue.clear()
        self._shorter(jobs, size)

    def _shorter(self, jobs: int, size: int) -> None:
        backlog = self._backlog
        backlog.jobs -= jobs
        backlog.bytes -= size
        if backlog.on_shorter is not None:
            backlog.on_shorter()
