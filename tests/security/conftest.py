"""One target for all attacks that need nothing special: what one leaves behind, the next one finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.security.arena import Arena

Arenas = Callable[..., Arena]

# Short times, so that their ends are seen; heartbeats that disturb nobody.
SHORT = {
    "connect_timeout": 1.0,
    "upgrade_timeout": 0.5,
    "attachment_timeout": 0.5,
    "close_timeout": 0.5,
    "write_stall_timeout": 1.0,
    "limits": {
        "head_timeout": 1.0,
        "body_grace": 0.5,
        "body_timeout": 3.0,
        "keepalive_idle": 2.0,
        "write_stall_timeout": 1.0,
    },
}


@pytest.fixture(scope="package")
def make_arena() -> Iterator[Arenas]:
    """Make arenas; each is ended behind the last test."""
    made: list[Arena] = []

    def make(**options: Any) -> Arena:
        made.append(Arena(**options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="package")
def arena(make_arena: Arenas) -> Arena:
    """Return the target of most attacks: the defaults, but for short times."""
    return make_arena(**SHORT)
