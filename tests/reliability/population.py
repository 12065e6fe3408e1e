"""A population of clients, a program of its own, of whom some end and others come all the time.

Usage: python -m tests.reliability.population PORT CLIENTS CHURN SILENCE SEED, where CHURN is how many
clients end, and as many come, each second, and SILENCE for how many seconds a client that goes silent holds
on. It says ``ready`` when all are there. For each line that it gets it says, as JSON, what became of them;
after ``stop`` all end, and it ends, too.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import suppress
from random import Random

import gevent
from gevent.pool import Pool

from tests.reliability.members import Member, OverPolling, OverWebSocket

TICKS = 10  # A second.
AT_ONCE = 50
# An acknowledgement that takes longer hasn't come.
LATE = 10.0
# So many of a hundred poll.
POLLING = 25


class Population:
    """The clients, and what happens among them."""

    def __init__(self, port: int, size: int, churn: int, silence: int, seed: int) -> None:
        self.port = port
        self.size = size
        self.churn = churn
        self.silence = silence
        self.random = Random(seed)
        self.members: list[Member] = []
        self.coming = Pool()
        self.alive = Pool()
        self.heard: Counter[str] = Counter()
        self.errors: list[str] = []
        self.joined = 0
        self.lost = 0

    def fill(self) -> None:
        """Let all come."""
        coming = Pool(AT_ONCE)
        for _ in range(self.size):
            coming.spawn(self.come)
        coming.join()

    def come(self) -> None:
        """Let one come, who lives from then on."""
        kind = OverPolling if self.random.randrange(100) < POLLING else OverWebSocket
        member = kind(self.port, self.random, self.silence, self.heard)
        try:
            member.begin()
            self.joined += 1
            if self.random.randrange(10) == 0:
                member.say(f'42["rooms",{self.random.randrange(1, 20)}]')
        except Exception as error:
            self.errors.append(f"{member.transport} came: {error!r}")
            return
        self.members.append(member)
        self.alive.spawn(self._live, member)

    def _live(self, member: Member) -> None:
        try:
            member.live()
        except Exception as error:
            self.errors.append(f"{member.transport} lived: {error!r}")
        if not member.over:
            self.lost += 1
            self.members.remove(member)

    def _go(self, member: Member) -> None:
        try:
            member.end()
        except Exception as error:
            self.errors.append(f"{member.transport} ended: {error!r}")

    def _let_go(self, member: Member) -> None:
        member.over = True
        self.members.remove(member)
        self.alive.spawn(self._go, member)

    def go_on(self) -> None:
        """Let some end, others come, ask, and send to all and to rooms, until the greenlet is killed."""
        tick, begin = 0, time.monotonic()
        while True:
            tick += 1
            for _ in range(self.churn * tick // TICKS - self.churn * (tick - 1) // TICKS):
                self._let_go(self.random.choice(self.members))
                self.coming.spawn(self.come)
            self._ask("echo", f',{tick},"a text"')
            self._ask("echo", "")
            if tick % 2:
                self._ask("ask", "")
                self._ask("tell", f',{self.random.randrange(20)},"news of a room"')
            if tick % TICKS == 0:
                self._ask("relay", f',{tick},"{"x" * self.random.randrange(2_000)}"')
            # The pace of its talk.
            gevent.sleep(max(begin + tick / TICKS - time.monotonic(), 0.0))

    def _ask(self, event: str, arguments: str) -> None:
        self.alive.spawn(self._try_to_ask, self.random.choice(self.members), event, arguments)

    def _try_to_ask(self, member: Member, event: str, arguments: str) -> None:
        # It may just be ending; where it isn't, an answer that doesn't come is noticed.
        with suppress(OSError, EOFError):
            member.ask(event, arguments)

    def report(self) -> str:
        """Tell of the time since the beginning."""
        until = time.monotonic() - LATE
        late = sum(asked < until for member in self.members for asked in member.asked.values())
        return json.dumps(
            {
                "members": len(self.members),
                "joined": self.joined,
                "lost": self.lost,
                "late": late,
                "heard": self.heard,
                "errors": self.errors[:10],
            }
        )

    def stop(self) -> None:
        """Let everybody end, those too who are just coming."""
        self.coming.join()
        for member in tuple(self.members):
            self._let_go(member)
        self.alive.join()


def main() -> None:
    population = Population(*map(int, sys.argv[1:6]))
    population.fill()
    print("ready", flush=True)
    going_on = gevent.spawn(population.go_on)
    # The native pipe is read in a thread: the hub must go on meanwhile.
    while line := gevent.get_hub().threadpool.apply(sys.stdin.readline):
        if line == "stop\n":
            going_on.kill()
            population.stop()
        assert not going_on.dead or line == "stop\n"
        print(population.report(), flush=True)
        if line == "stop\n":
            break


if __name__ == "__main__":
    main()
