"""Fixtures of the interop tests, and the table of the matrix at the end of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.clients import install
from tests.interop.matrix import ALL_CELLS, CLIENTS, Cell, HostResult, Matrix

RESULTS = pytest.StashKey[dict[str, HostResult]]()

# Milliseconds; four seconds happen where a dozen clients share two cores with something else.
SLOW = 8_000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "interop: the official clients against every host (needs Node)")
    config.stash[RESULTS] = {}


def selected_cells(items: Sequence[pytest.Item]) -> dict[str, list[Cell]]:
    """Return which cells of which host this run is going to ask for."""
    selected: dict[str, list[Cell]] = {}
    for item in items:
        parameters = getattr(item, "callspec", None) and item.callspec.params  # type: ignore[attr-defined]
        if parameters and isinstance(parameters.get("cell"), Cell):
            selected.setdefault(parameters["host"], []).append(parameters["cell"])
    return selected


@pytest.fixture(scope="session")
def client_modules() -> Path:
    """Return the folder that holds the official clients."""
    return install()


@pytest.fixture(scope="session")
def matrix(
    request: pytest.FixtureRequest, client_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Matrix:
    """Return the matrix of the cells that this run asks for."""
    return Matrix(
        request.config.stash[RESULTS],
        selected_cells(request.session.items),
        modules=client_modules,
        logs=tmp_path_factory.mktemp("interop"),
    )


def table(results: dict[str, HostResult]) -> list[str]:
    """Return the matrix as lines: a row for each client and mode, a column for each host."""
    rows = [["client", "transport", *results]]
    for cell in ALL_CELLS:
        states = []
        for result in results.values():
            done = result.cells.get(cell)
            failures = len(done.failures()) if done else 0
            states.append(f"{failures} failed" if failures else "ok" if done else "did not run")
        rows.append([CLIENTS[cell.client], cell.mode, *states])
    rows.append(["", "seconds", *(f"{result.seconds:.0f}" for result in results.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def slow_checks(results: dict[str, HostResult]) -> list[str]:
    """Return the checks that passed, but after a wait that no client should have had; a line each."""
    return [
        f"slow: {host}, {CLIENTS[cell.client]} {cell.mode}, {check['name']}: {check['ms'] / 1000:.1f} s"
        for host, result in results.items()
        for cell, done in result.cells.items()
        for check in done.checks
        if check["ok"] and check["ms"] > SLOW
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if results:
        terminalreporter.section("official JavaScript clients under every host")
        for line in table(results) + slow_checks(results):
            terminalreporter.write_line(line)
