"""No official JavaScript client, on any transport, under any host, finds a difference to Node."""

from __future__ import annotations

import pytest

from tests.interop.hosts import HOSTS
from tests.interop.matrix import ALL_CELLS, Cell, Matrix

pytestmark = pytest.mark.interop

CASES = [
    pytest.param(host, cell, id=f"{host}-{cell.client}-{cell.mode}") for host in HOSTS for cell in ALL_CELLS
]


def section(title: str, text: str, *, last: int = 20_000) -> str:
    """Return the end of a text under a heading."""
    return f"\n--- {title} ---\n{text[-last:]}"


@pytest.mark.parametrize(("host", "cell"), CASES)
def test_an_official_client_finds_everything_as_with_node(matrix: Matrix, host: str, cell: Cell) -> None:
    result = matrix.host(host)
    done = result.cells.get(cell)
    failures = done.failures() if done else ["did not run"]
    if failures or result.problem:
        report = "\n".join([result.problem, *failures])
        report += section(f"{cell.client} {cell.mode}", "\n".join(done.output) if done else "")
        report += section(f"log of {host}", result.log)
        pytest.fail(report, pytrace=False)


@pytest.mark.parametrize("host", HOSTS)
def test_the_server_of_a_whole_run_logs_no_traceback(matrix: Matrix, host: str) -> None:
    log = matrix.host(host).log
    assert "Traceback" not in log, section(f"log of {host}", log)
