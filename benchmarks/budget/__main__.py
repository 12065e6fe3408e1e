"""``python -m benchmarks.budget``: what everything costs now, beside its budget."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from benchmarks.budget.cost import BUDGET, PYTHON, Budget, Cost, excess, load, to_json
from benchmarks.budget.scenes import measure


def main() -> int:
    """Run as the options say; return the exit code: 1 where something is over its budget."""
    parser = argparse.ArgumentParser(prog="benchmarks.budget", description=__doc__)
    parser.add_argument("--update", action="store_true", help="make what it costs now the budget")
    parser.add_argument("--json", action="store_true", help="print what it costs now, and compare nothing")
    options = parser.parse_args()
    costs = measure()
    if options.json:
        print(to_json(costs), end="")
        return 0
    budget = load()
    print_table(budget, costs)
    if options.update:
        BUDGET.write_text(to_json(costs))
        print(f"\nwritten to {BUDGET.name}")
        return 0
    return print_excess(budget, costs)


def print_table(budget: Budget, costs: Mapping[str, Cost]) -> None:
    """Print every total and, where it has changed, by how much."""
    print(f"{f'Python {PYTHON}':24}{'':14}{'now':>10}{'budget':>10}{'change':>10}")
    for scene, cost in costs.items():
        title = scene
        allowed = budget.costs[scene].totals if scene in budget.costs else {}
        for what, amount in cost.totals.items():
            before = allowed.get(what, 0.0)
            change = f"{amount - before:+.1f}" if amount != before else ""
            print(f"{title:24}{what:14}{amount:10.1f}{before:10.1f}{change:>10}".rstrip())
            title = ""


def print_excess(budget: Budget, costs: Mapping[str, Cost]) -> int:
    """Print what is over its budget, with the names of what grew; return the exit code."""
    code = 0
    for scene, cost in costs.items():
        lines = excess(budget, scene, cost)
        if lines:
            code = 1
            print(f"\nover budget: {scene}", *lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
