"""``python -m benchmarks.load``: the servers side by side; prints the figures and writes them down."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.load import chart, report, results
from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.peers import CACHE, Missing
from benchmarks.load.scenarios import QUICK, SCENARIOS
from benchmarks.load.stats import Table


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    results.add_arguments(parser, only=list(CONTESTANTS), rounds=3, folder=CACHE / "results")
    parser.add_argument(
        "--scenarios",
        type=lambda text: list(QUICK) if text == "quick" else results.names(text, SCENARIOS),
        default=list(SCENARIOS),
        metavar="A,B",
        help=f"'quick' is those of the targets; all are {', '.join(SCENARIOS)}",
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status, 1 if a check has failed."""
    options = arguments(words)
    folder: Path = options.results
    path = folder / "results.json"
    if options.report_only:
        found = results.read(path)
    else:
        contestants = [CONTESTANTS[name] for name in options.only]
        try:
            found = results.measure(options, contestants, [SCENARIOS[name] for name in options.scenarios])
        except Missing as error:
            print(f"{error}\nleave it out with --only", file=sys.stderr)
            return 2
        results.write(path, found)
    table = Table(found["cells"])
    (folder / "RESULTS.md").write_text(report.page(found, table))
    (folder / "results.svg").write_text(chart.chart(table))
    print(f"\n{report.text(table)}")
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
