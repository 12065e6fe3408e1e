"""From single results to medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cell = Mapping[str, Any]

# What others may use of one core, and the hypervisor take from us, while a cell is measured. Beyond it even
# the figures per CPU second move: a server that has to wait for its core finds more messages at once.
QUIET = 0.1


def noise(cell: Cell) -> float:
    """Return the share of a core that others used, or took, while a cell was measured."""
    return float(max(cell.get("other_cpu", 0.0), 0.0) + cell.get("steal", 0.0))


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, with the least and the greatest."""

    median: float
    least: float
    greatest: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return the spread of some values; None if there are none."""
    listed = sorted(values)
    if not listed:
        return None
    return Spread(statistics.median(listed), listed[0], listed[-1])


class Table:
    """The results of a run, by contestant, scenario and figure.

    Cells whose checks failed count in no figure; they are in :attr:`failures`.

    Attributes:
        cells: All of them.
        contestants: Their names, in the order of their first appearance.
        scenarios: The same of the scenarios.
        failures: The cells that failed.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Sort the cells of a run."""
        self.cells = cells
        self.contestants = list(dict.fromkeys(cell["contestant"] for cell in cells))
        self.scenarios = list(dict.fromkeys(cell["scenario"] for cell in cells))
        self.failures = [cell for cell in cells if not cell["ok"]]

    def get(self, contestant: str, scenario: str, key: str) -> Spread | None:
        """Return a figure; None where it wasn't measured, or never without a failed check."""
        cells = self._of(contestant, scenario)
        return spread(cell[key] for cell in cells if cell["ok"] and key in cell)

    def _of(self, contestant: str, scenario: str) -> list[Cell]:
        both = (contestant, scenario)
        return [cell for cell in self.cells if (cell["contestant"], cell["scenario"]) == both]

    def was_run(self, contestant: str, scenario: str) -> bool:
        """Tell whether a contestant took part in a scenario, successfully or not."""
        return bool(self._of(contestant, scenario))

    def ratio(self, contestant: str, scenario: str, key: str, *, to: str = "node") -> float | None:
        """Return the ratio of two medians; None where one is missing, or the other's is 0."""
        mine, other = self.get(contestant, scenario, key), self.get(to, scenario, key)
        if mine is None or other is None or not other.median:
            return None
        return mine.median / other.median
