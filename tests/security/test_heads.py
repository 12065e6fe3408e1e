"""limits.md 4: the request head, and clients that take their time with it."""

from __future__ import annotations

import pytest

from tests.security.arena import MEGABYTE, ROUNDS, Arena
from tests.support.client import Connection
from tests.support.runner import HIDDEN
from tests.test_http_head import REFUSED


@pytest.mark.parametrize(("status", "head"), REFUSED.values(), ids=REFUSED)
def test_a_bad_head_is_refused_and_nothing_behind_it_is_served(
    arena: Arena, status: int, head: bytes
) -> None:
    with arena.attack():
        connection = Connection(arena.port)
        connection.send(head + HIDDEN)
        answer = connection.finish()
        assert (answer.status, answer.header("connection")) == (status, "close")
        assert connection.at_end()


@pytest.mark.parametrize("leaves", ROUNDS)
def test_200_slow_heads_and_200_silent_connections_are_closed_in_time(arena: Arena, leaves: int) -> None:
    with arena.attack(leaves=leaves, cpu=2.0) as outcome:
        slow = [Connection(arena.port) for _ in range(200)]
        for connection in slow:
            connection.send(b"GET / HTTP/1.1\r\nHo")
        silent = [Connection(arena.port) for _ in range(200)]
        for connection in slow:
            answer = connection.finish()
            assert (answer.status, answer.header("connection")) == (408, "close")
        for connection in silent:
            assert connection.at_end()
    assert outcome.peak < 12 * MEGABYTE


def test_1000_malformed_requests_are_logged_in_few_short_lines(arena: Arena) -> None:
    with arena.attack(cpu=2.0) as outcome:
        for _ in range(1_000):
            connection = Connection(arena.port)
            connection.send(b"GET /\x1b[31m\r\nsecret HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.finish().status == 400
            connection.close()
    assert 0 < len(outcome.log) < 200
    assert "secret" not in "".join(outcome.log)
