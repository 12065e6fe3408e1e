"""The whole server: whatever clients do, nobody else notices, and nothing is left (R1, R7)."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.fuzz.crowd import SEED, VISITORS, crowd, target
from tests.security.arena import Arena


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    made = target()
    yield made
    made.end()


@pytest.mark.parametrize("number", range(10))
def test_clients_do_anything_in_any_order_and_nobody_else_notices(arena: Arena, number: int) -> None:
    happened = crowd(arena, Random(f"{SEED} {number}"))
    assert happened["events"] > VISITORS
    assert happened["steps"] > VISITORS
