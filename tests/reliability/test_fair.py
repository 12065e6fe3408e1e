"""R15: whoever floods keeps the others neither from being answered nor from their share.

A client's fair share is what it would get if everybody who is there were served equally: all events that are
handled, of those that flood and of those that are polite, divided by the number of all. A polite client has
one question on its way, so that it can't get more than one answer for each round trip; its share is what it
does get of that number. It is a hard measure: an event of a flooder is relayed to a hundred others, one of a
polite client is merely acknowledged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import gevent
import pytest

from tests.reliability.conftest import Scale
from tests.security.arena import BYSTANDER_SECONDS, MEGABYTE, Arena, Program

READERS, FLOODERS, POLITE = 100, 100, 20
# Of the fair share, at least.
SHARE = 0.5


@pytest.fixture
def arena() -> Iterator[Arena]:
    """Return a server that isn't ended by heartbeats that its clients, which flood, don't answer."""
    made = Arena(ping_interval=300.0)
    yield made
    made.end()


@contextmanager
def crowd(arena: Arena, kind: str, count: int) -> Iterator[Program]:
    program = Program("tests.reliability.crowds", kind, str(arena.port), str(count))
    try:
        assert program.line() == "ready\n"
        yield program
    finally:
        program.process.kill()
        program.wait()


def begin(*programs: Program) -> None:
    for program in programs:
        program.tell("begin")
        assert program.line() == "begun\n"


def count(arena: Arena) -> dict[str, int]:
    return dict(arena.stats()["handled"])


def test_who_floods_what_is_relayed_to_100_keeps_nobody_waiting(
    arena: Arena, scale: Scale, figure: Callable[[str], None]
) -> None:
    seconds = scale(3, 30)
    with (
        arena.attack(leaves=16 * MEGABYTE, within=30, slowest=BYSTANDER_SECONDS, cpu=inf) as outcome,
        crowd(arena, "readers", READERS) as readers,
        crowd(arena, "flooders", 1) as flooder,
    ):
        begin(readers, flooder)
        before = count(arena)
        gevent.sleep(seconds)
        relayed = count(arena)["tell"] - before.get("tell", 0)
    assert relayed > 0
    figure(
        f"one flooded {relayed:,} events in {seconds} s, each relayed to {READERS}: others waited "
        f"{outcome.slowest * 1000:.0f} ms at most"
    )


def test_100_who_flood_leave_the_others_half_of_their_fair_share(
    arena: Arena, scale: Scale, figure: Callable[[str], None]
) -> None:
    seconds = scale(3, 30)
    with (
        arena.attack(leaves=32 * MEGABYTE, within=30, slowest=2 * BYSTANDER_SECONDS, cpu=inf) as outcome,
        crowd(arena, "flooders", FLOODERS) as flooders,
        crowd(arena, "polite", POLITE) as polite,
    ):
        begin(polite, flooders)
        # In a few seconds the machine may do something else all the time; what isn't fair never is.
        for _ in range(scale(3, 1)):
            before, since = count(arena), time.monotonic()
            # How long they are counted; at full length once.
            gevent.sleep(seconds)
            after, passed = count(arena), time.monotonic() - since
            flooded, asked = (after[name] - before.get(name, 0) for name in ("tell", "nothing"))
            share = (asked / POLITE) / ((flooded + asked) / (FLOODERS + POLITE))
            if share >= SHARE:
                break
        polite.tell("end")
        waits = sorted(wait for waits in json.loads(polite.line()) for wait in waits)
    figure(
        f"{FLOODERS} flooded {flooded:,} events in {passed:.0f} s, {flooded / FLOODERS:.0f} each; {POLITE} "
        f"polite ones were answered {asked / POLITE:.0f} times each, {share:.0%} of their fair share; they "
        f"waited {waits[len(waits) // 2] * 1000:.0f} ms, {waits[-1] * 1000:.0f} ms at most, others "
        f"{outcome.slowest * 1000:.0f} ms at most"
    )
    assert share >= SHARE
