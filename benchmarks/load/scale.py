"""``python -m benchmarks.load.scale``: what the number of connections does to speed, memory and CPU."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import results, scale_report
from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.peers import CACHE, Missing
from benchmarks.load.run import raise_descriptor_limit
from benchmarks.load.scenarios import CPU_PER_HEARTBEAT, DELIVERIES_PER_CPU, P99_FANOUT, PER_CPU, Scenario
from benchmarks.load.stats import Table

SIZES = (100, 300, 1_000, 3_000, 10_000, 15_000)
# The bound shows what part of a growth is the kernel's.
DEFAULT = ("ours", "node", "python-socketio", "c-bound")
# So many descriptors of a server aren't connections.
SPARE = 500
# Shorter than the default, so that a short hold has several heartbeats of each connection.
PING_INTERVAL = 5
HELD_SECONDS = 65


KINDS = ("idle", "echo", "single", "broadcast", "held")


def scenarios(sizes: Sequence[int], kinds: Sequence[str] = KINDS) -> list[Scenario]:
    """Return what is measured at each number of connections, and at the greatest for a minute."""
    listed = []
    for n in sizes:
        listed += [
            Scenario(
                name=f"idle-{n}",
                title=f"{n:,} idle connections, with a heartbeat every {PING_INTERVAL} s",
                arguments=f"connect -n {n} -c 64 -H 12",
                figure=CPU_PER_HEARTBEAT,
                ping_interval=PING_INTERVAL,
            ),
            Scenario(
                name=f"echo-{n}",
                title=f"echo on 100 of {n:,} connections, 1 in flight",
                arguments=f"echo -n {n} -a 100 -k 1 -s 32 -d {{seconds}} --warm 1",
                figure=PER_CPU,
            ),
            Scenario(
                name=f"single-{n}",
                title=f"broadcast to {n:,}, 1 in flight",
                arguments=f"broadcast -n {n} -s 32 -w 1 -d {{seconds}} --warm 1",
                figure=DELIVERIES_PER_CPU,
            ),
            Scenario(
                name=f"broadcast-{n}",
                title=f"broadcast to {n:,}, 4 in flight",
                arguments=f"broadcast -n {n} -s 32 -w 4 -d {{seconds}} --warm 1",
                figure=DELIVERIES_PER_CPU,
            ),
        ]
    most = max(sizes)
    listed.append(
        Scenario(
            name=f"held-{most}",
            title=f"{most:,} connections for {HELD_SECONDS} s, with heartbeats and a broadcast every second",
            arguments=f"broadcast -n {most} -s 32 -w 8 -b 1 -d {HELD_SECONDS} --warm 0",
            figure=P99_FANOUT,
        )
    )
    return [scenario for scenario in listed if scenario.kind in kinds]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.scale", description=__doc__)
    results.add_arguments(parser, only=DEFAULT, rounds=1, folder=CACHE / "scale")
    parser.add_argument(
        "--sizes", type=lambda text: [int(each) for each in text.split(",")], default=SIZES, metavar="N,N"
    )
    parser.add_argument(
        "--kinds", type=lambda text: results.names(text, KINDS), default=KINDS, metavar=",".join(KINDS)
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status, 1 if a check has failed."""
    options = arguments(words)
    folder: Path = options.results
    path = folder / "scale.json"
    if options.report_only:
        found = results.read(path)
    else:
        most = raise_descriptor_limit() - SPARE
        sizes = [size for size in options.sizes if size <= most]
        if len(sizes) < len(options.sizes):
            print(f"the limit of descriptors allows {most} connections: larger numbers are left out")
        try:
            found = results.measure(
                options, [CONTESTANTS[name] for name in options.only], scenarios(sizes, options.kinds)
            )
        except Missing as error:
            print(f"{error}\nleave it out with --only", file=sys.stderr)
            return 2
        results.write(path, found)
    table = Table(found["cells"])
    write(folder, found, table)
    print(f"\n{scale_report.text(table)}")
    return 1 if table.failures else 0


def write(folder: Path, found: dict[str, Any], table: Table) -> None:
    """Write the report and its picture."""
    (folder / "SCALE.md").write_text(scale_report.page(found, table))
    (folder / "scale.svg").write_text(scale_report.chart(table))


if __name__ == "__main__":
    sys.exit(main())
