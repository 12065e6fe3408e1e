"""limits.md 1: polls, handshakes that lead to nothing, requests of the wrong kind."""

from __future__ import annotations

import pytest

from tests.security.arena import ROUNDS, Arena
from tests.security.conftest import SHORT, Arenas
from tests.security.test_bodies import joined
from tests.support.client import Connection
from tests.support.server import eventually
from tests.support.ws_client import UPGRADE_HEADERS, WebSocket


@pytest.fixture(scope="module")
def patient(make_arena: Arenas) -> Arena:
    """Return a target that gives its clients time enough to be counted."""
    return make_arena(**{**SHORT, "connect_timeout": 4.0})


HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def test_a_second_poll_is_400_and_ends_the_session_with_the_first(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        poller.hold()
        assert Connection(arena.port).get(poller.target).status == 400
        assert poller.held() == ["1"]
        assert poller.is_forgotten()
    assert sum(outcome.disconnects.values()) == 1


def test_200_polls_of_a_session_are_held_once_at_most(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        polls = [Connection(arena.port) for _ in range(200)]
        for poll in polls:
            poll.begin("GET", poller.target)
        statuses = sorted(poll.finish().status for poll in polls)
        assert statuses == [200] + [400] * 199
    assert sum(outcome.disconnects.values()) == 1


def test_a_second_body_while_one_is_read_is_400_and_ends_the_session(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        slow = Connection(arena.port)
        slow.begin("POST", poller.target, headers=[("Content-Length", "10")])
        eventually(lambda: poller.post(b"3").status == 400)
        assert poller.is_forgotten()
    assert sum(outcome.disconnects.values()) == 1


def test_a_poll_that_is_cut_ends_the_session(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        poller.hold()
        poller.gets.close()
        eventually(poller.is_forgotten)
    assert sum(outcome.disconnects.values()) == 1


@pytest.mark.parametrize("leaves", ROUNDS)
def test_2000_handshakes_that_lead_to_nothing_are_let_go_and_weigh_little(
    patient: Arena, leaves: int
) -> None:
    with patient.attack(leaves=leaves, cpu=6.0) as outcome:
        before = patient.stats()
        connection = Connection(patient.port)
        for _ in range(2_000):
            assert connection.get(HANDSHAKE).status == 200
        # By default there may be no more of them.
        assert connection.get(HANDSHAKE).status == 503
        among = patient.stats()
        assert among["sessions"] - before["sessions"] == 2_000
        assert (among["rss"] - before["rss"]) / 2_000 < 8_000
        eventually(lambda: patient.stats()["sessions"] == before["sessions"], deadline=10)
    assert outcome.disconnects == {}


def test_more_clients_that_have_not_joined_than_there_may_be_are_503(make_arena: Arenas) -> None:
    arena = make_arena(**SHORT, max_pending=50)
    with arena.attack():
        connections = Connection(arena.port)
        statuses = [connections.get(HANDSHAKE).status for _ in range(60)]
        assert statuses == [200] * 50 + [503] * 10
        assert connections.get(HANDSHAKE).header("retry-after")


@pytest.mark.parametrize("refused", [0, 1])
def test_who_joins_nothing_is_closed_in_time(arena: Arena, refused: int) -> None:
    with arena.attack() as outcome:
        client = WebSocket(arena.port).open()
        for _ in range(refused):
            client.send("40/nowhere")
            assert client.text().startswith("44/nowhere,")
        assert client.closed() == 1008
    assert outcome.disconnects == {}


@pytest.mark.parametrize("packet", ['42["nothing"]', '420["nothing"]', "430[]", '451-["nothing",0]', "41"])
def test_packets_of_who_has_not_joined_close(arena: Arena, packet: str) -> None:
    with arena.attack() as outcome:
        client = WebSocket(arena.port).open()
        client.send(packet)
        client.closed()
        assert client.bytes.at_end()
    assert outcome.handled == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "HEAD", "PATCH"])
def test_another_method_is_405_and_changes_nothing(arena: Arena, method: str) -> None:
    with arena.attack():
        poller = joined(arena)
        assert Connection(arena.port).request(method, poller.target).status == 405
        poller.say('42["nothing"]', "1")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_403_before_there_is_a_session(arena: Arena, transport: str, origin: str) -> None:
    with arena.attack() as outcome:
        headers = [("Origin", origin), *(UPGRADE_HEADERS if transport == "websocket" else ())]
        answer = Connection(arena.port).get(f"/socket.io/?EIO=4&transport={transport}", headers=headers)
        assert answer.error == (403, 4, "Forbidden")
        # What a proxy would say counts only where one is trusted.
        headers.append(("X-Forwarded-Host", origin.partition("//")[2] or "null"))
        answer = Connection(arena.port).get(f"/socket.io/?EIO=4&transport={transport}", headers=headers)
        assert answer.status == 403
    assert outcome.disconnects == {}


def test_a_foreign_origin_is_403_where_there_is_a_session_and_changes_nothing(arena: Arena) -> None:
    origin = ("Origin", "https://evil.example")
    with arena.attack() as outcome:
        poller = joined(arena)
        connection = Connection(arena.port)
        upgrade = poller.target.replace("polling", "websocket")
        assert connection.get(poller.target, headers=[origin]).error == (403, 4, "Forbidden")
        assert poller.post(b'42["nothing"]', headers=[origin]).error == (403, 4, "Forbidden")
        assert connection.get(upgrade, headers=[origin, *UPGRADE_HEADERS]).error == (403, 4, "Forbidden")
        poller.say('42["nothing"]', "1")
    assert outcome.handled == {"nothing": 1}
    assert outcome.disconnects == {"transport close": 1}


def test_jsonp_is_400_where_it_is_not_asked_for(arena: Arena) -> None:
    with arena.attack():
        assert Connection(arena.port).get(f"{HANDSHAKE}&j=0").status == 400


def test_an_answer_to_an_unknown_session_repeats_nothing(arena: Arena) -> None:
    with arena.attack():
        answer = Connection(arena.port).get(f"{HANDSHAKE}&sid=%3Cscript%3E")
        assert answer.error == (400, 1, "Session ID unknown")
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("cache-control") == "no-store"
