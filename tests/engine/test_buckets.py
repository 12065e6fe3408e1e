"""Token buckets, told the time; and how many of them are kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.engine.buckets import Buckets, TokenBucket


def test_the_burst_passes_at_once_and_one_more_does_not() -> None:
    bucket = TokenBucket(2.0, 5.0, 100.0)
    assert [bucket.take(100.0) for _ in range(7)] == [True] * 5 + [False] * 2


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    bucket = TokenBucket(2.0, 5.0, 0.0)
    assert bucket.take(0.0, 5)
    assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]
    assert not bucket.take(1000.0, 5.5)
    assert bucket.take(1000.0, 5)


def test_what_is_refused_takes_nothing() -> None:
    bucket = TokenBucket(1.0, 10.0, 0.0)
    assert bucket.take(0.0, 8)
    assert not bucket.take(0.0, 3)
    assert bucket.take(0.0, 2)


def test_after_the_wait_it_passes_and_not_before() -> None:
    bucket = TokenBucket(0.5, 3.0, 0.0)
    assert bucket.wait(0.0) == 0.0
    assert bucket.take(0.0, 3)
    assert bucket.wait(0.0) == 2.0
    assert bucket.wait(0.0, 2) == 4.0
    assert not bucket.take(1.75)
    assert bucket.take(2.0)


def test_what_never_passes_has_no_end_of_the_wait() -> None:
    assert TokenBucket(1.0, 3.0, 0.0).wait(0.0, 4) == math.inf


@given(
    rate=st.floats(0.01, 1000),
    burst=st.floats(1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 50)), min_size=1, max_size=60),
)
def test_no_window_lets_more_through_than_burst_and_rate_allow(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    now = 0.0
    bucket = TokenBucket(rate, burst, now)
    taken: list[tuple[float, float]] = []
    for pause, amount in steps:
        now += pause
        if bucket.take(now, amount):
            taken.append((now, amount))
    for first, (began, _) in enumerate(taken):
        total = 0.0
        for at, amount in taken[first:]:
            total += amount
            assert total <= (burst + rate * (at - began)) * (1 + 1e-9)


@given(
    rate=st.floats(0.01, 1000), amount=st.integers(1, 10), pauses=st.lists(st.floats(0.001, 5), max_size=30)
)
def test_who_keeps_to_the_rate_is_never_refused(rate: float, amount: int, pauses: list[float]) -> None:
    bucket = TokenBucket(rate, amount * 1.01, 0.0)
    now = 0.0
    for pause in pauses:
        assert bucket.take(now, amount)
        now += amount / rate + pause


def test_each_key_has_its_own_bucket() -> None:
    buckets = Buckets(1.0, 2.0, 10)
    assert buckets.of("a", 0.0).take(0.0, 2)
    assert not buckets.of("a", 0.0).take(0.0)
    assert buckets.of("b", 0.0).take(0.0)


def test_no_more_buckets_are_kept_than_allowed() -> None:
    buckets = Buckets(0.001, 2.0, 100)
    for number in range(10_000):
        assert buckets.of(str(number), 0.0).take(0.0)
    assert len(buckets) == 100


def test_full_buckets_are_forgotten_as_others_come() -> None:
    buckets = Buckets(1.0, 5.0, 100)
    for number in range(50):
        buckets.of(f"old {number}", 0.0).take(0.0)
    # A second later all are full again: two go for each that comes.
    for number in range(25):
        buckets.of(f"new {number}", 1.0).take(1.0)
    assert len(buckets) == 25


def test_the_bucket_of_a_busy_address_outlives_others() -> None:
    buckets = Buckets(0.001, 2.0, 10)
    for number in range(1000):
        buckets.of(str(number), 0.0).take(0.0)
        if number < 2:
            assert buckets.of("busy", 0.0).take(0.0)
        else:
            assert not buckets.of("busy", 0.0).take(0.0)


@pytest.mark.parametrize(
    ("taken", "at", "full"), [(0, 0.0, True), (1, 0.0, False), (1, 0.5, False), (1, 1.0, True)]
)
def test_a_bucket_is_full_when_it_is_as_good_as_new(taken: int, at: float, full: bool) -> None:
    bucket = TokenBucket(1.0, 3.0, 0.0)
    assert bucket.take(0.0, taken)
    assert bucket.is_full(at) is full
