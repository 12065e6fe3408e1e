"""A native thread that notices that a hub serves nobody, while it doesn't.

The hub tells only when it begins to wait for the kernel and when it has waited: twice in a turn of the loop,
however many events there are in it. A hub that has nothing to do isn't woken, nor taken for a stalled one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any

from gevent import monkey
from gevent._hub_local import get_hub_if_exists  # the public one makes a hub where there is none

from socketio_sync.transports.runtime import Runtime

logger = logging.getLogger(__name__)

# The originals: in a patched process the usual ones would need the very hub that is stalled.
_allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")
_get_ident: Callable[[], int] = monkey.get_original("_thread", "get_ident")
_start_thread: Callable[..., Any] = monkey.get_original("_thread", "start_new_thread")

# Before everything else that the loop has to call after it has waited, and after all that it has before.
# Other loops than libev's know no priorities: there a stall in between may stay unnoticed.
_FIRST, _LAST = 2, -2
# A lock doesn't wait for ever, but for less than some numbers say.
_LONGEST = 3600.0


class Watchdog:
    """Watches one hub, from its making until ``stop``.

    Attributes:
        stopped: Whether its thread has been told to end.
    """

    __slots__ = ("_awake_since", "_ident", "_limits", "_on_stall", "_over", "_watchers", "stopped")

    def __init__(
        self, runtime: Runtime, limits: tuple[float, ...], on_stall: Callable[[float, int, FrameType], object]
    ) -> None:
        """Begin to watch; on the hub's thread.

        Args:
            runtime: The hub's.
            limits: How many seconds a stall lasts when it is reported, in rising order. The hub is looked at
                twice in the first of them.
            on_stall: Called in the watchdog's own thread as the stall goes on, once for each limit: with the
                seconds that it lasts, the index of the limit, and the innermost frame of the hub's thread.
        """
        self._limits = limits
        self._on_stall = on_stall
        self._ident = _get_ident()
        # Of the clock, in seconds; None while the loop waits for the kernel.
        self._awake_since: float | None = monotonic()
        loop = runtime.loop
        waits = loop.prepare(ref=False, priority=_LAST)
        waits.start(self._on_wait)
        wakes = loop.check(ref=False, priority=_FIRST)
        wakes.start(self._on_wake)
        self._watchers = (waits, wakes)
        self.stopped = False
        self._over = _allocate_lock()
        self._over.acquire()
        _start_thread(self._watch, ())

    def stop(self) -> None:
        """End the thread and leave the loop alone; idempotent. On the hub's thread."""
        if self.stopped:
            return
        self.stopped = True
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._over.release()

    def _on_wait(self) -> None:
        self._awake_since = None

    def _on_wake(self) -> None:
        self._awake_since = monotonic()

    def _watch(self) -> None:
        """Look at the hub until told to end; in the thread."""
        try:
            self._look()
        finally:
            # In a patched process a log handler's lock may have needed one.
            hub = get_hub_if_exists()
            if hub is not None:
                hub.destroy(destroy_loop=True)

    def _look(self) -> None:
        interval = min(self._limits[0] / 2, _LONGEST)
        stalled_since: float | None = None
        reported = 0
        while not self._over.acquire(timeout=interval):
            since = self._awake_since
            if since is None:
                continue
            if since != stalled_since:
                stalled_since, reported = since, 0
            lasts = monotonic() - since
            index = reported
            while reported < len(self._limits) and lasts >= self._limits[reported]:
                reported += 1
            if reported > index:
                self._report(since, lasts, reported - 1)

    def _report(self, since: float, lasts: float, index: int) -> None:
        frame = sys._current_frames().get(self._ident)
        # It may have ended at this moment: the frame is then another's, who is innocent.
        if frame is None or self._awake_since != since:
            return
        try:
            self._on_stall(lasts, index, frame)
        except Exception:
            logger.exception("a stall of the hub couldn't be reported")
