"""Heartbeats (engine.io-protocol, "Heartbeat")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.engineio.heartbeat import Due, Heartbeat

INTERVAL, TIMEOUT = 25.0, 20.0


def heartbeat(revision: int = 4, now: float = 0.0) -> Heartbeat:
    return Heartbeat(revision=revision, interval=INTERVAL, timeout=TIMEOUT, now=now)


def test_a_ping_is_due_an_interval_after_the_opening_and_only_once() -> None:
    beat = heartbeat(now=100.0)
    assert beat.deadline == 125.0
    assert beat.due(124.9) is Due.NOTHING
    assert not beat.awaiting_pong
    assert beat.due(125.0) is Due.PING
    assert beat.awaiting_pong
    assert beat.due(125.0) is Due.NOTHING


def test_the_timeout_runs_from_the_moment_the_ping_is_sent() -> None:
    beat = heartbeat()
    assert beat.due(30.0) is Due.PING
    assert beat.deadline == 50.0
    assert beat.due(49.9) is Due.NOTHING
    assert beat.due(50.0) is Due.DEAD


def test_the_next_ping_is_an_interval_after_the_pong() -> None:
    beat = heartbeat()
    beat.due(25.0)
    beat.on_pong(35.0)
    assert not beat.awaiting_pong
    assert beat.due(59.9) is Due.NOTHING
    assert beat.due(60.0) is Due.PING


def test_a_pong_nobody_asked_for_restarts_the_interval() -> None:
    beat = heartbeat()
    beat.on_pong(20.0)
    assert beat.deadline == 45.0


def test_other_packets_extend_a_running_timeout_once() -> None:
    beat = heartbeat()
    beat.due(25.0)
    beat.on_activity(40.0)
    beat.on_activity(50.0)
    assert beat.awaiting_pong
    assert beat.due(59.9) is Due.NOTHING
    assert beat.due(60.0) is Due.DEAD


def test_a_timeout_can_be_extended_again_after_the_next_ping() -> None:
    beat = heartbeat()
    beat.due(25.0)
    beat.on_activity(40.0)
    beat.on_pong(45.0)
    assert beat.due(70.0) is Due.PING
    beat.on_activity(80.0)
    assert beat.deadline == 100.0


def test_other_packets_do_not_delay_a_ping() -> None:
    beat = heartbeat()
    beat.on_activity(20.0)
    assert beat.deadline == 25.0


def test_a_peer_that_is_not_listened_to_is_pinged_on_and_not_given_up() -> None:
    beat = heartbeat()
    assert [beat.due(now, listening=False) for now in (24.9, 25.0, 44.9, 45.0, 65.0)] == [
        Due.NOTHING,
        Due.PING,
        Due.NOTHING,
        Due.PING,
        Due.PING,
    ]
    # Listened to again, it has the usual time for its pong.
    assert beat.due(84.9) is Due.NOTHING
    assert beat.due(85.0) is Due.DEAD


def test_revision_3_waits_for_the_pings_of_the_client() -> None:
    beat = heartbeat(3)
    assert beat.due(44.9) is Due.NOTHING
    beat.on_ping(25.0)
    assert beat.deadline == 70.0
    assert beat.due(69.9) is Due.NOTHING
    assert beat.due(70.0) is Due.DEAD


def test_only_pings_and_pauses_keep_a_session_of_revision_3() -> None:
    beat = heartbeat(3)
    beat.on_activity(40.0)
    beat.on_pong(40.0)
    assert beat.deadline == 45.0
    assert beat.due(45.0, listening=False) is Due.NOTHING
    assert beat.due(45.5) is Due.NOTHING
    assert beat.due(46.0) is Due.DEAD


def test_pings_of_the_client_mean_nothing_in_revision_4() -> None:
    beat = heartbeat()
    beat.on_ping(20.0)
    assert beat.deadline == 25.0


STEPS = st.lists(
    st.tuples(st.sampled_from(["due", "pong", "ping", "activity"]), st.floats(0, 60, allow_nan=False))
)


@given(STEPS)
def test_a_peer_that_never_answers_is_given_up_after_at_most_two_timeouts(
    steps: list[tuple[str, float]],
) -> None:
    beat = heartbeat()
    now = pinged = 0.0
    for name, pause in steps:
        now += pause
        if name == "due":
            due = beat.due(now)
            if due is Due.PING:
                pinged = now
            elif due is Due.DEAD:
                assert now >= pinged + TIMEOUT
                return
        elif name == "pong":
            beat.on_pong(now)
        elif name == "ping":
            beat.on_ping(now)
        else:
            was = beat.deadline
            beat.on_activity(now)
            assert was <= beat.deadline <= max(was, now + TIMEOUT)
        # Nothing is ever due before the deadline, and something always is at the deadline.
        assert beat.deadline == now or beat.due(min(now, beat.deadline - 0.001)) is Due.NOTHING
    awaiting = beat.awaiting_pong
    assert beat.due(max(now, beat.deadline)) is (Due.DEAD if awaiting else Due.PING)
    beat.on_activity(beat.deadline)
    assert beat.due(beat.deadline + 2 * TIMEOUT) is Due.DEAD


@given(STEPS)
def test_a_peer_that_answers_every_ping_at_once_is_never_given_up(steps: list[tuple[str, float]]) -> None:
    beat = heartbeat()
    now = 0.0
    for name, pause in steps:
        now += pause
        due = beat.due(now)
        assert due is not Due.DEAD
        if due is Due.PING:
            beat.on_pong(now)
        elif name == "activity":
            beat.on_activity(now)
        elif name == "ping":
            beat.on_ping(now)
        assert not beat.awaiting_pong


@given(STEPS)
def test_a_session_of_revision_3_lives_exactly_as_long_as_its_last_ping_allows(
    steps: list[tuple[str, float]],
) -> None:
    beat = heartbeat(3)
    now = last = 0.0
    for name, pause in steps:
        now += pause
        if name == "ping":
            beat.on_ping(now)
            last = now
        elif name == "pong":
            beat.on_pong(now)
        elif name == "activity":
            beat.on_activity(now)
        assert beat.due(now) is (Due.DEAD if now >= last + INTERVAL + TIMEOUT else Due.NOTHING)
        assert not beat.awaiting_pong


@pytest.mark.parametrize("revision", [3, 4])
def test_a_session_that_never_says_anything_is_gone_after_interval_and_timeout(revision: int) -> None:
    beat = heartbeat(revision)
    while (due := beat.due(now := beat.deadline)) is not Due.DEAD:
        assert due is Due.PING
    assert now == INTERVAL + TIMEOUT
