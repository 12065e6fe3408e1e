"""Measures what a command line asks for; keeps the results as JSON, from which reports are made."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import machine
from benchmarks.load.contestants import CONTESTANTS, Contestant
from benchmarks.load.peers import ensure
from benchmarks.load.report import number
from benchmarks.load.run import Settings, raise_descriptor_limit, run
from benchmarks.load.scenarios import Scenario
from benchmarks.load.stats import QUIET, noise


def names(text: str, known: Collection[str]) -> list[str]:
    """Return the names in a comma-separated list.

    Raises:
        argparse.ArgumentTypeError: One of them isn't known.
    """
    listed = [name.strip() for name in text.split(",") if name.strip()]
    for name in listed:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return listed


def default_cores() -> tuple[int, int]:
    """Return the cores of server and load generator: the first two that this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[min(1, len(cores) - 1)]


def add_arguments(parser: argparse.ArgumentParser, *, only: Sequence[str], rounds: int, folder: Path) -> None:
    """Add the options that all measurements have; the arguments after the first are their defaults."""
    server_core, load_core = default_cores()
    parser.add_argument(
        "--only", type=lambda text: names(text, CONTESTANTS), default=list(only), metavar="A,B"
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=2.0, help="the length of a measured window")
    parser.add_argument(
        "--attempts", type=int, default=2, help="at most, for a result while others used the machine"
    )
    parser.add_argument("--results", type=Path, default=folder, help="folder of what is written")
    parser.add_argument("--report-only", action="store_true", help="measure nothing: from that folder")
    parser.add_argument("--server-core", type=int, default=server_core)
    parser.add_argument("--load-core", type=int, default=load_core)


def measure(
    options: argparse.Namespace, contestants: Sequence[Contestant], scenarios: Sequence[Scenario]
) -> dict[str, Any]:
    """Install, measure, and print each result; return all that a report needs.

    Raises:
        Missing: A contestant can't be installed.
    """
    installations = {each.installation for each in contestants}
    versions = {each.name: ensure(each).versions for each in sorted(installations, key=str)}
    raise_descriptor_limit()
    settings = Settings(
        server_core=options.server_core,
        load_core=options.load_core,
        seconds=options.seconds,
        rounds=options.rounds,
        attempts=options.attempts,
    )
    cells: list[dict[str, Any]] = []
    found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": command(),
        "machine": machine.description(),
        "versions": versions,
        "rounds": options.rounds,
        "window": options.seconds,
        "load_before": machine.load_average(),
        "cells": cells,
    }
    figures = {scenario.name: scenario.figure.key for scenario in scenarios}

    def on_cell(cell: dict[str, Any]) -> None:
        cells.append(cell)
        print(line(cell, figures[cell["scenario"]]), flush=True)

    run(contestants, scenarios, settings, on_cell=on_cell)
    found["load_after"] = machine.load_average()
    return found


def command() -> str:
    """Return the command line that runs this program, without the paths of this machine."""
    module = Path(sys.argv[0]).resolve()
    parts = module.relative_to(machine.ROOT).with_suffix("").parts if machine.ROOT in module.parents else ()
    name = ".".join(part for part in parts if part != "__main__") or module.stem
    return shlex.join(["python", "-m", name, *sys.argv[1:]])


def line(cell: dict[str, Any], key: str) -> str:
    """Return a result as a line."""
    value = number(cell[key]) if key in cell else "-"
    state = ""
    if not cell["ok"]:
        state = f"  FAILED: {cell['error'][:200]}"
    elif noise(cell) > QUIET:
        state = f"  others used {noise(cell):.2f} of a core"
    return f"{cell['round']} {cell['scenario']:15} {cell['contestant']:25} {value:>10}{state}"


def write(path: Path, found: dict[str, Any]) -> None:
    """Keep the results, one cell on a line, so that two versions can be compared by eye."""
    cells = ",\n".join(json.dumps(cell) for cell in found["cells"])
    head = json.dumps({**found, "cells": []}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head.replace('"cells": []', f'"cells": [\n{cells}\n]') + "\n")


def read(path: Path) -> dict[str, Any]:
    """Return results that were kept."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found
