"""Decoders are total (R2): whatever they are fed, they return a value or raise the error that is theirs."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.codecs import HARNESSES
from tests.fuzz.mutations import mutated

SEED = 20261122
COUNT = 5_000


@pytest.mark.parametrize("name", HARNESSES)
def test_whatever_comes_is_decoded_or_refused(name: str) -> None:
    harness = HARNESSES[name]
    random = Random(f"{name} {SEED}")
    accepted = 0
    for _ in range(COUNT):
        data = mutated(harness.corpus, random)
        try:
            accepted += harness.run(data, random)
        except Exception as error:
            raise AssertionError(f"{name}: {data!r}") from error
    # Input that is always right, or always wrong from its first byte on, would show nothing.
    assert COUNT // 20 < accepted < COUNT
