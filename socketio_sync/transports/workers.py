"""Application code runs here: in pooled greenlets, entered by direct switches.

A connection is read by a worker, which runs what it reads in its own greenlet: a handler that doesn't block
costs no switch at all. One that blocks parks in the hub, and before the loop looks at descriptors again
another worker goes on reading. What isn't read by a worker (the requests of polling clients, connections
whose greenlet belongs to the host) gets one for each job. Every job starts with empty context variables and
greenlet-locals.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeAlias

import gevent
from gevent import getcurrent
from greenlet import greenlet

logger = logging.getLogger(__name__)

# More idle workers than this end instead of waiting for the next burst.
MAX_IDLE = 256

# Behind gevent's own watcher of this kind, which runs the loop's callbacks.
_LAST = -2

_DONE = object()

# A function and its one argument: a call with a tuple of arguments would cost every event another level of
# the interpreter.
Job: TypeAlias = tuple[Callable[[Any], object], Any]


class Readable(Protocol):
    """A connection that is read by workers, one after the other. Called on the hub's thread."""

    def read(self) -> None:
        """Read until the connection ends or was left, in the calling greenlet."""

    def leave(self) -> None:
        """Forget the greenlet that reads: a handler blocks it, and ``read`` is called by another one soon."""


class Worker(greenlet):
    """A greenlet with what it is to do next, whom it came from, and what it reads."""

    __slots__ = ("caller", "connection", "job", "lane")

    caller: Any
    connection: Readable | None
    job: Job
    lane: Lane | None


class Workers:
    """The pool. For the hub's thread only.

    Attributes:
        reading: The worker that runs now and takes in what it has read: the next job may run in its
            greenlet. None while a job or anybody else runs. Set by who reads, at the beginning and the end.
        handling: The worker that has begun a job in this way and hasn't come back to its reading. Who
            finds one there when it begins to take in must call ``hand_over``.
    """

    __slots__ = (
        "_alive",
        "_before_poll",
        "_hub",
        "_idle",
        "_is_ordered",
        "_kick",
        "_loop",
        "_readers",
        "handling",
        "reading",
    )

    def __init__(self, hub: Any) -> None:
        """Keep the pool of one hub."""
        self._hub = hub
        self._loop = loop = hub.loop
        self._idle: list[Worker] = []
        self._alive = 0
        self._readers = 0
        self.reading: Worker | None = None
        self.handling: Worker | None = None
        self._before_poll = loop.prepare(ref=False, priority=_LAST)
        self._kick = loop.timer(0.0)
        # Other loops than libev's know no priorities: there every job gets a worker of its own.
        self._is_ordered = type(loop).__module__.startswith("gevent.libev")

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` now, in a worker; returns when it has ended or blocks."""
        self._enter((_apply, (function, args)), None)

    @property
    def busy(self) -> int:
        """How many jobs run, or are parked in the hub; reading isn't one."""
        return self._alive - len(self._idle) - self._readers

    def join(self, timeout: float) -> bool:
        """Block until no job runs, for ``timeout`` seconds at most; tell whether that was reached."""
        until = monotonic() + timeout
        while self.busy and monotonic() < until:
            gevent.sleep(0.01)
        return not self.busy

    # -- reading ----------------------------------------------------------------------------------

    def read(self, connection: Readable) -> None:
        """Have a worker read ``connection``; called in the hub's own greenlet."""
        self._enter((self._read, connection), None)

    def _read(self, connection: Readable) -> None:
        me: Any = getcurrent()
        me.connection = connection
        if not self._readers:
            self._before_poll.start(self._check_handling)
        self._readers += 1
        try:
            connection.read()
        finally:
            if me.connection is not None:
                self._end_reading(me)

    def _end_reading(self, worker: Worker) -> None:
        worker.connection = None
        self._readers -= 1
        if not self._readers:
            self._before_poll.stop()

    def reader(self) -> Worker | None:
        """Return the current greenlet if jobs may run in it, to be set as ``reading``; else None."""
        me = getcurrent()
        return me if self._is_ordered and type(me) is Worker else None

    def hand_over(self) -> None:
        """Let another worker go on reading, as a job has blocked the one in ``handling``."""
        worker, self.handling = self.handling, None
        assert worker is not None
        connection = worker.connection
        assert connection is not None
        self._end_reading(worker)
        connection.leave()
        self._loop.run_callback(self.read, connection)

    def _check_handling(self) -> None:
        """Look, before the loop waits for descriptors, whether a reader waits for something else."""
        if self.handling is not None:
            self.hand_over()
            # The callbacks of this turn have been run: without this the loop would wait.
            self._kick.start(_nothing)

    # -- jobs -------------------------------------------------------------------------------------

    def _enter(self, job: Job, lane: Lane | None) -> None:
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = Worker(self._work, self._hub)
            worker.connection = None
            self._alive += 1
        worker.job = job
        worker.lane = lane
        caller = worker.caller = getcurrent()
        if caller is self._hub:
            worker.switch()
            return
        reading, self.reading = self.reading, None
        # If the job blocks, the hub brings us back in its next turn.
        resume = self._loop.run_callback(caller.switch)
        if worker.switch() is not _DONE:
            worker.caller = None
        # Not later, when we wait for something else.
        resume.stop()
        self.reading = reading

    def _work(self) -> object:
        me: Any = getcurrent()
        hub = self._hub
        while True:
            (function, argument), lane = me.job, me.lane
            me.job = None
            try:
                function(argument)
            except BaseException:
                self.on_failure(me)
            if lane is not None:
                self.run_queue(me, lane)
            caller = me.caller
            if caller is None:
                caller = hub
            # An idle worker must not keep the last socket alive.
            me.caller = me.lane = lane = function = argument = None
            if me.__dict__ or len(self._idle) >= MAX_IDLE:
                # Greenlet-locals were used here: they end with the greenlet.
                self._alive -= 1
                me.parent = caller
                return _DONE
            if me.gr_context is not None:
                me.gr_context = None
            self._idle.append(me)
            try:
                if caller is hub:
                    hub.switch()
                else:
                    caller.switch(_DONE)
            except BaseException:
                # Somebody has kept this greenlet, and means a job that ended long ago.
                self._idle.remove(me)
                self._alive -= 1
                raise

    def on_failure(self, me: Any) -> None:
        """Report what a job in the greenlet ``me`` raised.

        What application code raises is dealt with below us; this is SystemExit, KeyboardInterrupt,
        GreenletExit, or a defect of our own.
        """
        self._hub.handle_error(me, *sys.exc_info())

    def run_queue(self, me: Any, lane: Lane) -> None:
        """Run, in the greenlet ``me`` that has run a job of ``lane``, those that have queued up behind it."""
        while lane.queue:
            function, argument = lane.next()
            if me.__dict__:
                # Greenlet-locals were used here.
                self._loop.run_callback(self._enter, (function, argument), lane)
                return
            if me.gr_context is not None:
                me.gr_context = None
            try:
                function(argument)
            except BaseException:
                self.on_failure(me)
        lane.running = False


def _nothing() -> None:
    pass


def _apply(call: tuple[Callable[..., object], tuple[Any, ...]]) -> None:
    function, args = call
    function(*args)


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

    def submit(self, size: int, function: Callable[[Any], object], argument: Any) -> None:
        """Run a job now if none runs, else after those before it; ``size`` counts while it waits.

        What a worker has read runs in its own greenlet: this returns when the job has ended, and the
        caller may not be the reader any more.
        """
        if self.running:
            self.queue.append(((function, argument), size))
            self._backlog.jobs += 1
            self._backlog.bytes += size
            return
        self.running = True
        workers = self._workers
        me = workers.reading
        if me is None:
            workers._enter((function, argument), self)
            return
        workers.reading = None
        workers.handling = me
        try:
            function(argument)
        except BaseException:
            workers.on_failure(me)
        if self.queue:
            workers.run_queue(me, self)
        else:
            self.running = False
        if workers.handling is me:
            if me.__dict__:
                # Greenlet-locals were used here: another greenlet goes on.
                workers.hand_over()
                return
            workers.handling = None
            if me.gr_context is not None:
                me.gr_context = None
            workers.reading = me

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
