"""Application code runs here: in pooled greenlets, entered by direct switches.

What connections have received is taken in by a worker too: one serves all that the loop has found readable,
and runs the handlers in its own greenlet, so that one that doesn't block costs no switch at all. Where a
handler blocks, the worker stays with it, and another one goes on: with the next events of the same
connection, and with the other connections. Jobs from elsewhere (the requests of polling clients) get a
worker each. Every job starts with empty context variables and greenlet-locals.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeAlias

import gevent
from gevent import Timeout, getcurrent
from greenlet import greenlet

logger = logging.getLogger(__name__)

# More idle workers than this end instead of waiting for the next burst.
MAX_IDLE = 256

# Behind the descriptors' own watchers, which say what is readable.
_LAST = -2

# How long one connection may keep the loop, and how long all together that are served in one turn: where
# there are more, each has less, so that whoever asks for little doesn't wait for all that others ask for.
SLICE_SECONDS = 0.005
TURN_SECONDS = 0.01
_FEW = int(TURN_SECONDS / SLICE_SECONDS)

_DONE = object()

# A function and its one argument: a call with a tuple of arguments would cost every event another level of
# the interpreter.
Job: TypeAlias = tuple[Callable[[Any], object], Any]


class Readable(Protocol):
    """A connection that is served by workers, one after the other. Called on the hub's thread."""

    def take(self, me: Any) -> None:
        """Take in, in the calling greenlet ``me``, what has arrived; nothing having arrived is no error."""

    def leave(self) -> None:
        """Forget the greenlet that takes in: a handler blocks it. ``take`` is called again for the rest."""


class Worker(greenlet):
    """A greenlet with what it is to do next, whom it came from, and which connection it serves."""

    __slots__ = ("caller", "connection", "job", "lane")

    caller: Any
    connection: Readable | None
    job: Job | None
    lane: Lane | None


class Workers:
    """The pool. For the hub's thread only.

    Attributes:
        serving: The worker that runs now and takes in for a connection: a job may run in its greenlet.
            None while a job or anybody else runs, and where something else makes it wait.
        handling: The worker that has begun a job in this way and hasn't come back from it.
        slice: How long, in seconds, each connection may take in this turn, what it is at not counted.
    """

    __slots__ = (
        "_after_poll",
        "_alive",
        "_connections",
        "_hub",
        "_idle",
        "_loop",
        "_on_readable",
        "_ready",
        "handling",
        "serving",
        "slice",
    )

    def __init__(self, hub: Any) -> None:
        """Keep the pool of one hub."""
        self._hub = hub
        self._loop = loop = hub.loop
        self._idle: list[Worker] = []
        self._alive = 0
        self.serving: Worker | None = None
        self.handling: Worker | None = None
        self.slice = SLICE_SECONDS
        # The connections to serve in this turn.
        self._ready: list[Readable] = []
        self._connections = 0
        # Nothing of Python's is called until all that is readable is known. Other loops than libev's know
        # no priorities: there everybody is served in the callbacks that follow.
        is_ordered = type(loop).__module__.startswith("gevent.libev")
        self._on_readable = self._ready.append if is_ordered else self.serve_soon
        self._after_poll = loop.check(ref=False, priority=_LAST)

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` now, in a worker; returns when it has ended or blocks."""
        self._enter((_apply, (function, args)), None)

    @property
    def busy(self) -> int:
        """How many workers run, or are parked in the hub."""
        return self._alive - len(self._idle)

    def join(self, timeout: float) -> bool:
        """Block until no job runs, for ``timeout`` seconds at most; tell whether that was reached."""
        until = monotonic() + timeout
        while self.busy and monotonic() < until:
            gevent.sleep(0.01)
        return not self.busy

    # -- connections ------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many connections are served."""
        return self._connections

    def open(self, connection: Readable, watcher: Any) -> None:
        """Begin to serve ``connection``; ``closed`` ends it."""
        if not self._connections:
            self._after_poll.start(self._serve)
        self._connections += 1
        self.watch(connection, watcher)

    def closed(self) -> None:
        """Learn that one of the connections is no more."""
        self._connections -= 1
        if not self._connections:
            self._after_poll.stop()

    def watch(self, connection: Readable, watcher: Any) -> None:
        """Have ``connection`` served whenever ``watcher``, the loop's, finds it readable."""
        watcher.start(self._on_readable, connection)

    def serve_soon(self, connection: Readable) -> None:
        """Have ``connection`` served in this turn of the loop, or in the next."""
        self._ready.append(connection)
        self._loop.run_callback(self._serve)

    def _serve(self) -> None:
        """Serve all who are ready; in the hub's own greenlet."""
        waiting = len(self._ready)
        self.slice = TURN_SECONDS / waiting if waiting > _FEW else SLICE_SECONDS
        while self._ready:
            self._enter((self._lead, self._ready), None)
            # Here again, the worker has served all, or it blocks.
            if self.handling is not None:
                self._relieve()
            elif self.serving is not None:
                # Something else than a job made it wait, a log handler perhaps: it ends what it is at.
                self.serving.connection = None
                self.serving = None

    def _lead(self, ready: list[Readable]) -> None:
        me: Any = getcurrent()
        while ready:
            me.connection = connection = ready.pop()
            self.serving = me
            try:
                connection.take(me)
            except BaseException:
                me.connection = None
                raise
            finally:
                self.serving = None
            if me.connection is None:
                # It had to wait: another worker serves the others.
                return
        me.connection = None

    def _relieve(self) -> None:
        """Let another worker go on, as a job keeps the one in ``handling``."""
        worker, self.handling = self.handling, None
        assert worker is not None
        connection, worker.connection = worker.connection, None
        assert connection is not None
        connection.leave()
        self.serve_soon(connection)

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
        serving, self.serving = self.serving, None
        # If the job blocks, the hub brings us back in its next turn.
        resume = self._loop.run_callback(caller.switch)
        if worker.switch() is _DONE:
            self.serving = serving
        else:
            worker.caller = None
            if serving is not None:
                # The hub hasn't waited for us: what we find to do from now on needs workers of its own.
                serving.connection = None
        # Not later, when we wait for something else.
        resume.stop()

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
            self._park(me, caller)

    def _park(self, me: Any, caller: Any) -> None:
        """Go back to ``caller``, and wait for the next job."""
        hub = self._hub
        self._idle.append(me)
        while me.job is None:
            try:
                if caller is hub:
                    hub.switch()
                else:
                    caller.switch(_DONE)
            except Timeout as timeout:
                # We set none.
                logger.warning("a handler hasn't cancelled its timeout: %r", timeout)
                caller = hub
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

        What a worker takes in runs in its own greenlet: this returns when the job has ended, and the
        caller may have been relieved by then.
        """
        if self.running:
            self.queue.append(((function, argument), size))
            self._backlog.jobs += 1
            self._backlog.bytes += size
            return
        self.running = True
        workers = self._workers
        me = workers.serving
        if me is None:
            workers._enter((function, argument), self)
            return
        workers.serving = None
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
                workers._relieve()
                return
            workers.handling = None
            if me.gr_context is not None:
                me.gr_context = None
            workers.serving = me

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
