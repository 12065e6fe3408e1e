"""Costs, the file that bounds them, and what to say where one has grown."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

BUDGET = Path(__file__).with_name("budget.json")


class Cost(NamedTuple):
    """What one unit of work costs.

    Attributes:
        totals: The figures that are bounded, by what they count (a key of ``TOLERANCES``).
        details: What the totals are made of, by name; it tells what has grown.
    """

    totals: dict[str, float]
    details: dict[str, float]


class Budget(NamedTuple):
    """Costs as they were once, and with which version of Python, such as ``3.11``."""

    python: str
    costs: dict[str, Cost]


# By how much a figure may be larger than the budget: a share of it, and a number.
TOLERANCES: dict[str, tuple[float, float]] = {
    # Less than a call: not every unit takes as many turns of the loop.
    # Of the library's functions.
    "own calls": (0.0, 0.5),
    # From there of other functions, built in or not.
    "calls out": (0.0, 0.5),
    # Among other packages, whose versions differ.
    "calls beyond": (0.1, 2.0),
    # System calls.
    "receives": (0.0, 0.5),
    "sends": (0.0, 0.5),
    # Now and then a table of the loop or of a cache grows just then.
    "bytes": (0.04, 0.0),
    "blocks": (0.0, 2.0),
    "objects": (0.0, 0.5),
}
# For a budget made with another version of Python. Up to 3.10 the frames of waiting greenlets are objects.
OTHER_PYTHON: dict[str, tuple[float, float]] = {
    "bytes": (0.5, 0.0),
    "blocks": (0.0, 5.0),
    "objects": (0.0, 1.5),
}
# More, in scenes where the clock decides how often the loop turns.
TURNS = {"heartbeat": 1.0, "connection": 1.0}

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def excess(budget: Budget, scene: str, now: Cost) -> list[str]:
    """Return a line for each total that is over its budget, then what grew by name; [] where none is."""
    allowed = budget.costs.get(scene, Cost({}, {}))
    over = [
        f"{what}: {amount:g}, budget {allowed.totals.get(what, 0):g}"
        for what, amount in now.totals.items()
        if amount > most(what, allowed.totals.get(what, 0.0), scene=scene, python=budget.python)
    ]
    return over + grown(allowed.details, now.details) if over else []


def most(what: str, allowed: float, *, scene: str, python: str) -> float:
    """Return what a figure may be where the budget, made with some version of Python, is ``allowed``."""
    tolerances = TOLERANCES if python == PYTHON else TOLERANCES | OTHER_PYTHON
    share, number = tolerances[what]
    return allowed * (1 + share) + number + TURNS.get(scene, 0.0)


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Return a line for each name whose figure is larger than it was, the largest growth first."""
    growth = {name: round(amount - before.get(name, 0), 1) for name, amount in after.items()}
    names = sorted((name for name in growth if growth[name] > 0), key=lambda name: (-growth[name], name))
    return [f"  +{growth[name]:g} {name} ({before.get(name, 0):g} -> {after[name]:g})" for name in names]


def load(path: Path = BUDGET) -> Budget:
    """Return the budget, which allows nothing where there is no file."""
    return from_json(path.read_text()) if path.exists() else Budget(PYTHON, {})


def from_json(text: str) -> Budget:
    """Read what :func:`to_json` wrote."""
    read = json.loads(text)
    return Budget(read["python"], {scene: Cost(**cost) for scene, cost in read["costs"].items()})


def to_json(costs: Mapping[str, Cost]) -> str:
    """Write costs, one figure a line, so that differences between versions of the file can be read."""
    plain = {"python": PYTHON, "costs": {scene: cost._asdict() for scene, cost in costs.items()}}
    return json.dumps(plain, indent=1) + "\n"
