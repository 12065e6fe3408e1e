"""Each promise in a short form; at full length with ``RELIABILITY=full`` (``make reliability``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.security.arena import Arena
from tests.security.conftest import SHORT
from tests.support.proxy import proxies as proxies
from tests.support.server import serve as serve
from tests.support.sio_client import connect as connect

FULL = os.environ.get("RELIABILITY") == "full"
_figures: list[str] = []

Scale = Callable[[int, int], int]


@pytest.fixture
def scale() -> Scale:
    """Choose between a count for every day and the one of the promise."""
    return lambda short, full: full if FULL else short


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Note what was held, for the report at the end."""
    return _figures.append


@pytest.fixture(scope="package")
def arena() -> Iterator[Arena]:
    """Return a server whose clients are missed soon, and a bystander."""
    made = Arena(**SHORT, ping_interval=1.0, ping_timeout=1.0, max_connections=5_000)
    yield made
    made.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("promises held")
        for line in _figures:
            terminalreporter.write_line(line)
