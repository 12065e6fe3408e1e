"""All deadlines of one hub on one timer, on a clock that stands still while the loop is stalled."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any

logger = logging.getLogger(__name__)

# The timer ticks at least this often while anything waits, so that a stall is measured
# even when no deadline falls into it.
TICK = 1.0
# A tick that comes later than this was held up: by a handler that didn't yield, or by a suspended process.
STALL = 0.25
# So many deadlines are kept before those that were cancelled are looked for.
SWEEP = 1024


class Timer:
    """One deadline; ``cancel`` forgets it. For the hub's thread only."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        """Fall due at ``when`` on the clock of its :class:`Timers`."""
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call the callback; idempotent."""
        self.callback = None


class Timers:
    """A heap of deadlines, with lazy deletion. For the hub's thread only.

    Deadlines are nearly in order, so that pushing costs next to nothing; one event loop timer serves
    any number of sessions.
    """

    __slots__ = ("_clock", "_expected", "_heap", "_last", "_loop", "_most", "_serial", "_stalled", "_timer")

    def __init__(self, loop: Any, clock: Callable[[], float] = monotonic) -> None:
        """Run on ``loop``, a gevent event loop; ``clock`` is monotonic, in seconds."""
        self._loop = loop
        self._clock = clock
        self._timer: Any = None
        self._heap: list[tuple[float, int, Timer]] = []
        self._serial = count()
        self._most = SWEEP
        self._expected = 0.0
        self._stalled = 0.0
        self._last = self.now()

    def now(self) -> float:
        """Return the time in seconds: monotonic, less the time for which the loop was stalled.

        A client whose answer waits in the kernel while the loop is stalled isn't to blame; on this
        clock no deadline comes nearer meanwhile.
        """
        return self._clock() - self._stalled

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Have ``callback`` called on the hub in ``seconds``; it must not block."""
        return self.at(self.now() + seconds, callback)

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Have ``callback`` called on the hub at ``when``, on the clock of :meth:`now`."""
        timer = Timer(when, callback)
        if len(self._heap) >= self._most:
            self._sweep()
        heapq.heappush(self._heap, (when, next(self._serial), timer))
        if self._timer is None or when + self._stalled < self._expected:
            self._schedule()
        return timer

    def _sweep(self) -> None:
        """Drop what was cancelled: a client may have deadlines set and cancelled at will."""
        heap = self._heap
        # In place: whoever calls what is due looks at the same list.
        heap[:] = [entry for entry in heap if entry[2].callback is not None]
        heapq.heapify(heap)
        # Twice what is left: the work stays in proportion to what comes in.
        self._most = max(SWEEP, 2 * len(heap))

    def skip(self, seconds: float) -> float:
        """Have time pass at once, up to the next deadline at most; return how much that was.

        For tests of what happens after minutes. What is due then is called by the loop, as ever.
        """
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        passed = min(seconds, max(heap[0][0] - self.now(), 0.0)) if heap else seconds
        self._stalled -= passed
        self._schedule()
        return passed

    def _schedule(self) -> None:
        """Start the one timer for the earliest deadline, or for the next tick if that comes first."""
        if self._timer is not None:
            self._note_stall()
            self._timer.stop()
            self._timer.close()
            self._timer = None
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        if heap:
            delay = min(max(heap[0][0] - self.now(), 0.0), TICK)
            self._expected = self._clock() + delay
            self._timer = self._loop.timer(delay, ref=False)
            # libev counts from the start of the loop's turn unless told to look at the clock.
            self._timer.start(self._fire, update=True)

    def _note_stall(self) -> bool:
        """Put all deadlines off by what the timer is late, if that is much; tell whether it is."""
        now = self._clock()
        late = now - self._expected
        if late <= STALL:
            return False
        self._stalled += late
        self._expected = now
        logger.debug("the loop was stalled for %.3f s: all deadlines are that much later", late)
        return True

    def _fire(self) -> None:
        stalled = self._note_stall()
        if not stalled:
            # A callback may stall the loop as well.
            self._expected = self._clock()
        now = self.now()
        # After a stall the readers have a turn first: what a deadline waits for may lie in the kernel.
        # They have had it for what was due at the last tick: overload keeps no deadline for ever.
        self._call_due(self._last if stalled else now)
        self._last = now
        self._schedule()

    def _call_due(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heapq.heappop(heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                try:
                    callback()
                except Exception:
                    logger.exception("a deadline's callback failed")
