"""Heartbeats, and the deadlines of a hub with 10,000 sessions."""

from __future__ import annotations

import gevent
import pyperf

from socketio_sync.protocol.engineio.heartbeat import Heartbeat
from socketio_sync.transports.timers import Timers

SESSIONS = 10_000
INTERVAL, TIMEOUT = 25.0, 20.0


def nothing() -> None:
    """Stand for what a deadline calls."""


def main() -> None:
    """Measure."""
    runner = pyperf.Runner()
    heartbeat = Heartbeat(revision=4, interval=INTERVAL, timeout=TIMEOUT, now=0.0)
    timers = Timers(gevent.get_hub().loop)
    for _ in range(SESSIONS):
        timers.after(INTERVAL + TIMEOUT, nothing)

    def beat() -> None:
        now = heartbeat.deadline
        heartbeat.due(now)
        heartbeat.on_pong(now)

    def set_and_cancel() -> None:
        timers.after(INTERVAL + TIMEOUT, nothing).cancel()

    runner.bench_func("heartbeat: ping and pong", beat)
    runner.bench_func("timers: look at the clock", timers.now)
    runner.bench_func("timers: set and cancel, among 10,000", set_and_cancel)


if __name__ == "__main__":
    main()
