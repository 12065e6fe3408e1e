"""Fuzzing for as long as one likes: every decoder, and the whole server, in turns.

Usage: python -m tests.fuzz [--seconds 600] [--seed N]. A finding ends it with code 1, and says with which
input, or with which seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from random import Random

from tests.fuzz.codecs import HARNESSES
from tests.fuzz.crowd import crowd, target
from tests.fuzz.mutations import mutated

# Inputs of each decoder between two crowds of visitors.
BATCH = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time())
    print(f"seed {seed}, {options.seconds:g} s", flush=True)
    until = time.monotonic() + options.seconds
    totals: Counter[str] = Counter()
    arena = target()
    begin = arena.stats()["rss"]
    turn = 0
    while time.monotonic() < until:
        decode(Random(f"{seed} {turn}"))
        totals["inputs"] += BATCH * len(HARNESSES)
        try:
            totals += crowd(arena, Random(f"{seed} {turn}"))
        except BaseException:
            print(f"the crowd of seed {seed}, turn {turn}", file=sys.stderr)
            raise
        turn += 1
    print(f"memory before and after: {begin / 2**20:.1f} and {arena.stats()['rss'] / 2**20:.1f} MiB")
    arena.end()
    print(", ".join(f"{name}: {count:,}" for name, count in totals.items()))


def decode(random: Random) -> None:
    """Feed every decoder."""
    for name, harness in HARNESSES.items():
        for _ in range(BATCH):
            data = mutated(harness.corpus, random)
            try:
                harness.run(data, random)
            except BaseException:
                print(f"{name}: {data!r}", file=sys.stderr)
                raise


if __name__ == "__main__":
    main()
