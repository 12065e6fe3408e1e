"""An ordinary client, a program of its own, that asks all the time and notes how long the answers take.

Usage: python -m tests.security.bystander PORT TRANSPORT. For each line that it gets it says, as JSON, how
many answers there were since the last one and how long the slowest, and the slowest of a hundred, took; it
ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count

import gevent

from tests.support.sio_client import SioClient


class Bystander:
    """One client that asks again and again."""

    def __init__(self, port: int, transport: str) -> None:
        self.client = SioClient(port, transport)
        self.client.join()
        self.waits: list[float] = []
        self.asked = time.monotonic()

    def ask_all_the_time(self) -> None:
        for number in count():
            self.asked = time.monotonic()
            assert self.client.call("echo", number, timeout=60) == [number]
            self.waits.append(time.monotonic() - self.asked)
            gevent.sleep(0.005)

    def report(self) -> str:
        """Tell of the time since the last report; an answer that is still due counts as far as it waits."""
        waits, self.waits = sorted(self.waits), []
        waiting = time.monotonic() - self.asked
        return json.dumps(
            {
                "answers": len(waits),
                "slowest": max(waiting, *waits[-1:]) if waits else waiting,
                "p99": waits[len(waits) * 99 // 100] if waits else waiting,
                "here": not self.client.closed.is_set(),
            }
        )


if __name__ == "__main__":
    bystander = Bystander(int(sys.argv[1]), sys.argv[2])
    asking = gevent.spawn(bystander.ask_all_the_time)
    print("ready", flush=True)
    # The native pipe is read in a thread: the hub must go on meanwhile.
    while gevent.get_hub().threadpool.apply(sys.stdin.readline):
        assert not asking.dead
        print(bystander.report(), flush=True)
