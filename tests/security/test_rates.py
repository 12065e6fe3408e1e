"""limits.md 3: floods where rates are limited."""

from __future__ import annotations

import time
from itertools import count

import gevent
import pytest

from tests.security.arena import MEGABYTE, ROUNDS, Arena
from tests.security.conftest import SHORT, Arenas
from tests.security.test_bodies import joined
from tests.security.test_floods import packets
from tests.security.test_frames import member, send_all
from tests.security.test_logs import counted
from tests.security.test_polls import HANDSHAKE
from tests.support.client import SEPARATOR, Connection, Poller
from tests.support.ws_client import TEXT, UPGRADE_HEADERS, WebSocket, ask, frame

# The bystander sends 200 messages a second at most.
EVENTS, EVENTS_BURST = 400, 1_000
BYTES_BURST = 2 * MEGABYTE
HANDSHAKES_BURST = 40
LIMITS = {
    "events": EVENTS,
    "events_burst": EVENTS_BURST,
    "bytes": MEGABYTE,
    "bytes_burst": BYTES_BURST,
    "handshakes": 1000,
    "handshakes_burst": 1000,
}


@pytest.fixture(scope="module")
def arena(make_arena: Arenas) -> Arena:
    """Return a target that limits what one client may send."""
    return make_arena(**SHORT, rate_limit=LIMITS)


@pytest.fixture(scope="module")
def gate(make_arena: Arenas) -> Arena:
    """Return a target that limits how often an address may come; proxies tell it."""
    limits = {
        **LIMITS,
        # None comes back within the test.
        "handshakes": 0.01,
        "handshakes_burst": HANDSHAKES_BURST,
        "max_addresses": 100,
    }
    return make_arena(**SHORT, rate_limit=limits, trusted_proxies=1)


def most(seconds: float) -> float:
    """Return how many events may have passed after this time."""
    return EVENTS_BURST + EVENTS * seconds + 1


def test_a_flood_of_events_is_closed_with_1008(arena: Arena) -> None:
    began = time.monotonic()
    with arena.attack() as outcome:
        client = member(arena)
        sending = gevent.spawn(send_all, client, packets('42["nothing",1]', 100_000))
        assert client.closed() == 1008
        client.close()
        sending.get()
    assert outcome.disconnects == {"rate limit": 1}
    # The CONNECT is one, too.
    assert EVENTS_BURST - 1 <= outcome.handled["nothing"] <= most(time.monotonic() - began)
    (line,) = outcome.log
    assert line.startswith(f"SIO806 session {client.sid} of '127.0.0.1': closed (rate_limit: events={EVENTS}")
    assert outcome.peak < 8 * MEGABYTE


def test_a_flood_of_bytes_is_closed_with_1008(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        text = f'42["nothing","{"x" * 900_000}"]'.encode()
        sending = gevent.spawn(send_all, client, [frame(TEXT, text)] * 100)
        assert client.closed() == 1008
        client.close()
        sending.get()
    assert outcome.disconnects == {"rate limit": 1}
    assert 1 <= outcome.handled["nothing"] <= 10
    assert outcome.peak < 8 * MEGABYTE


def test_a_flood_by_polling_is_400_and_ends_the_session(arena: Arena) -> None:
    began = time.monotonic()
    body = SEPARATOR.join(['42["nothing",1]'] * 5_000).encode()
    with arena.attack() as outcome:
        poller = joined(arena)
        assert poller.post(body).error == (400, 3, "Bad request")
        assert poller.poll()[-1] == "1"
        assert poller.is_forgotten()
    assert outcome.disconnects == {"rate limit": 1}
    assert EVENTS_BURST - 1 <= outcome.handled["nothing"] <= most(time.monotonic() - began)


def test_clients_that_flood_again_and_again_are_logged_and_then_counted(arena: Arena) -> None:
    burst = frame(TEXT, b'42["nothing"]') * (EVENTS_BURST + 4 * EVENTS)
    with arena.attack(cpu=10.0) as outcome, gevent.Timeout(30):
        for made in count(1):
            client = member(arena)
            client.bytes.send(burst)
            assert client.closed() == 1008
            client.close()
            arena.stats()
            if made >= 30 and counted(arena.log) == made:
                break
    assert outcome.disconnects == {"rate limit": made}
    assert all(line.startswith("SIO806 session ") for line in outcome.log)


def test_who_comes_too_often_is_429_and_others_are_let_in(gate: Arena) -> None:
    def come(address: str, websocket: bool = False) -> int:
        headers = [("X-Forwarded-For", address)]
        if websocket:
            connection, answer = ask(gate.port, headers=[*UPGRADE_HEADERS, *headers])
        else:
            connection = Connection(gate.port)
            answer = connection.get(HANDSHAKE, headers=headers)
        if answer.status == 429:
            assert answer.error == (429, 4, "too many requests")
            assert int(answer.header("retry-after") or 0) > 0
        connection.close()
        return answer.status

    with gate.attack(cpu=2.0) as outcome:
        statuses = [come("192.0.2.1", websocket=bool(number % 2)) for number in range(500)]
        assert statuses == [200, 101] * (HANDSHAKES_BURST // 2) + [429] * (500 - HANDSHAKES_BURST)
        assert come("192.0.2.2") == 200
        other = Poller(gate.port, headers=[("X-Forwarded-For", "192.0.2.3")]).open()
        other.join()
        other.say('42["nothing"]', "1")
    assert outcome.handled == {"nothing": 1}
    refused = [line for line in outcome.log if line.startswith("SIO805 a new session from '192.0.2.1'")]
    assert 0 < len(refused) < 100
    assert outcome.peak < 4 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
def test_addresses_that_are_made_up_are_forgotten(gate: Arena, leaves: int) -> None:
    with gate.attack(leaves=leaves, cpu=4.0) as outcome:
        connection = Connection(gate.port)
        for number in range(2_000):
            headers = [("X-Forwarded-For", f"198.51.{number // 256}.{number % 256}")]
            # 503 from when on there are as many that haven't joined as there may be.
            assert connection.get(HANDSHAKE, headers=headers).status in (200, 503)
    assert outcome.disconnects == {}


def test_a_client_within_the_limits_is_served(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = WebSocket(arena.port).open()
        client.join()
        client.send(*['42["nothing"]'] * (EVENTS_BURST - 2), '420["echo"]')
        assert client.text() == "430[]"
    assert outcome.handled == {"nothing": EVENTS_BURST - 2}
    assert outcome.disconnects == {"transport close": 1}
    assert outcome.log == []
