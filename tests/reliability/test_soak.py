"""R16: for a long time many clients come, talk and end in every way, and nothing grows.

At full length it takes half an hour; ``SOAK_SECONDS`` sets another length.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import gevent

from tests.reliability.conftest import FULL, Scale
from tests.security.arena import MEGABYTE, Arena, Program

SEED = 20261122
# Descriptors for who polls and for who has ended and isn't missed yet, beside one for each client.
SPARE = 1_000
HOUR = 3600.0


class Sample(NamedTuple):
    """What there was at one moment, and how the bystander has fared since the moment before."""

    at: float
    rss: int
    files: int
    greenlets: int
    sessions: int
    p99: float
    slowest: float


def slope(samples: list[Sample]) -> float:
    """Return by how many bytes an hour memory grows, by least squares."""
    line = statistics.linear_regression([each.at for each in samples], [each.rss for each in samples])
    return line.slope * HOUR


def sampled(arena: Arena, begin: float) -> Sample:
    report, stats = arena.report(), arena.stats()
    return Sample(
        time.monotonic() - begin,
        **{name: stats[name] for name in ("rss", "files", "greenlets", "sessions")},
        p99=report["p99"],
        slowest=report["slowest"],
    )


def told(population: Program, line: str = "report") -> dict[str, Any]:
    """Ask the population what became of it."""
    population.tell(line)
    report = dict(json.loads(population.line()))
    assert (report["errors"], report["lost"], report["late"]) == ([], 0, 0), report
    return report


def allow_descriptors(count: int) -> None:
    """Let this process and those that it starts have so many; where the system forbids it the test fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= count, "too few descriptors are allowed"


def check(samples: list[Sample], warm: int, figure: Callable[[str], None]) -> None:
    """See that nothing grew from the first quarter to the last; note the figures."""
    steady = samples[warm:]
    files = [each.files for each in steady]
    greenlets = [each.greenlets for each in steady]
    quarter = len(steady) // 4
    first, last = (
        statistics.median(each.p99 for each in part) for part in (steady[:quarter], steady[-quarter:])
    )
    growth = slope(steady)
    figure(
        f"memory {steady[0].rss / MEGABYTE:.1f} MiB when warm, {steady[-1].rss / MEGABYTE:.1f} MiB at the "
        f"end, {growth / MEGABYTE:+.2f} MiB an hour; descriptors {min(files):,} to {max(files):,}; greenlets "
        f"{min(greenlets):,} to {max(greenlets):,}; p99 of others {first * 1000:.0f} ms in the first "
        f"quarter, {last * 1000:.0f} ms in the last"
    )
    assert growth < MEGABYTE, [(round(each.at), each.rss // 1024) for each in samples]
    assert max(files[-quarter:]) <= max(files[:quarter]) * 1.02 + 20, files
    assert max(greenlets[-quarter:]) <= max(greenlets[:quarter]) * 1.02 + 50, greenlets
    assert last <= 2 * first + 0.05, (first, last)


def test_nothing_grows_while_clients_come_talk_and_end(scale: Scale, figure: Callable[[str], None]) -> None:
    seconds = int(os.environ.get("SOAK_SECONDS", scale(6, 1_800)))
    clients, churn, every, heartbeat = scale(120, 2_000), 10, scale(1, 10), scale(1, 5)
    allow_descriptors(2 * clients + SPARE)
    arena = Arena(ping_interval=float(heartbeat), ping_timeout=float(heartbeat))
    population = None
    samples: list[Sample] = []
    try:
        # What has grown with the number of clients is let go with them, but for what the allocator keeps.
        with arena.attack(leaves=64 * MEGABYTE, within=60.0, slowest=5.0, cpu=inf) as outcome:
            numbers = (arena.port, clients, churn, 3 * heartbeat, SEED)
            population = Program("tests.reliability.population", *map(str, numbers))
            assert population.line() == "ready\n"
            arena.report()
            begin = time.monotonic()
            while (passed := time.monotonic() - begin) < seconds:
                # The time between two samples.
                gevent.sleep(min(every, seconds - passed))
                samples.append(sampled(arena, begin))
                assert told(population)["members"] >= clients * 0.9
            report = told(population, "stop")
            assert report["members"] == 0
        assert sum(outcome.disconnects.values()) == report["joined"]
    finally:
        if population is not None:
            population.process.kill()
            population.wait()
        arena.end()
    heard = report["heard"]
    ends = sum(count for name, count in heard.items() if ": " in name)
    assert min(heard["answers"], heard["questions"], heard["news"]) > 0
    assert ends == report["joined"]
    figure(
        f"{clients:,} clients for {seconds:,} s, {churn} come and {churn} end each second: "
        f"{report['joined']:,} connects and as many disconnects, {heard['news']:,} messages of broadcasts, "
        f"{heard['answers']:,} acknowledgements, {heard['questions']:,} questions answered; others waited "
        f"{max(each.slowest for each in samples) * 1000:.0f} ms at most; {dict(outcome.disconnects)}"
    )
    if FULL:
        check(samples, len(samples) // 5, figure)
