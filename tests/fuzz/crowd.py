"""Many random visitors at once, and what must hold behind them."""

from __future__ import annotations

from collections import Counter
from random import Random

import gevent

from tests.fuzz.visitors import Visitor
from tests.security.arena import ANY, MEGABYTE, Arena
from tests.security.conftest import SHORT

SEED = 20261122
VISITORS = 60
# The bystander shares a processor with the visitors.
SLOWEST = 2.0


def target() -> Arena:
    """Return a server for visitors; sessions whose clients have gone silent end soon."""
    return Arena(**SHORT, ping_interval=1.0, ping_timeout=1.0)


def crowd(arena: Arena, random: Random, count: int = VISITORS) -> Counter[str]:
    """Let ``count`` visitors come at once; return how many of them have left, by reason, and their steps.

    Raises:
        AssertionError: Somebody else has noticed, something is left, a traceback was logged, or somebody's
            disconnect wasn't told once.
    """
    visitors = [Visitor(arena.port, Random(random.random())) for _ in range(count)]
    with arena.attack(leaves=24 * MEGABYTE, slowest=SLOWEST, cpu=ANY) as outcome:
        gevent.joinall([gevent.spawn(visitor.run) for visitor in visitors], timeout=60, raise_error=True)
    steps = sum(len(visitor.steps) for visitor in visitors)
    return Counter(outcome.disconnects, steps=steps, events=sum(outcome.handled.values()))
