"""limits.md 1: Socket.IO packets."""

from __future__ import annotations

import pytest

from tests.security.arena import MEGABYTE, ROUNDS, Arena
from tests.security.test_bodies import joined
from tests.security.test_frames import member
from tests.support.ws_client import WebSocket
from tests.wire.test_events import MALFORMED

# What decoding may cost, R2.
SECONDS_PER_KB = 10e-6

BAD = {
    **MALFORMED,
    "empty message": "",
    "unknown Engine.IO type": "x",
    "ack id of 400 digits": f'42{"9" * 400}["nothing"]',
    "array of 129 levels": f'42["nothing",{"[" * 128}{"]" * 128}]',
    "array of 450,000 levels": "42" + "[" * 450_000,
    "object of 100,000 levels": '42["nothing",' + '{"a":' * 100_000,
    "integer of 310 digits": f'42["nothing",{"9" * 310}]',
    "integer of 500,000 digits": f'42["nothing",{"9" * 500_000}]',
    "event name of 257 characters": f'42["{"e" * 257}"]',
    "namespace of 900,000 characters": f'42/{"n" * 900_000},["nothing"]',
    "CONNECT to a namespace of 900,000 characters": f"40/{'n' * 900_000}",
    "CONNECT again": "40",
    "CONNECT_ERROR": '44{"message":"no"}',
    "ACK that is no array": "430{}",
    "binary event without its number": '45["nothing"]',
    "11 attachments": '4511-["nothing",{"_placeholder":true,"num":0}]',
    "-1 attachments": '45-1-["nothing",{"_placeholder":true,"num":0}]',
    "0 attachments": '450-["nothing",{"_placeholder":true,"num":0}]',
    "10^9 attachments": '451000000000-["nothing",{"_placeholder":true,"num":0}]',
    "an Arabic digit of attachments": '45\u0661-["nothing",{"_placeholder":true,"num":0}]',
    "10^400 attachments": f'451{"0" * 400}-["nothing",{{"_placeholder":true,"num":0}}]',
}


@pytest.mark.parametrize("packet", BAD.values(), ids=BAD)
def test_a_malformed_packet_closes_and_no_handler_runs(arena: Arena, packet: str) -> None:
    with arena.attack(cpu=0.25 + SECONDS_PER_KB * len(packet) / 1000) as outcome:
        client = member(arena)
        client.send(packet)
        assert client.closed() == 1008
        assert client.bytes.at_end()
    assert outcome.handled == {}
    assert outcome.disconnects == {"forced close" if packet == BAD["CONNECT again"] else "parse error": 1}
    # A message of a megabyte, and what it takes to look where its brackets stand.
    assert outcome.peak < 24 * MEGABYTE


HARMLESS = {
    "unknown ack": "439[]",
    "lone surrogate": '42["nothing","\\ud800"]',
    "U+2028 and NUL": '42["nothing","\u2028\\u0000"]',
    "__proto__": '42["nothing",{"__proto__":{"a":1},"constructor":{"prototype":1}}]',
    "128 levels": f'42["nothing",{"[" * 127}{"]" * 127}]',
    "309 digits": f'42["nothing",{"9" * 309}]',
    "dunder name": '42["__class__"]',
    "trigger_event": '42["trigger_event"]',
    "star": '42["*"]',
    "connection by name": '42["connection"]',
    "error by name": '42["error"]',
    "new_namespace by name": '42["new_namespace"]',
    "event name of 256 characters": f'42["{"e" * 256}"]',
}


@pytest.mark.parametrize("packet", HARMLESS.values(), ids=HARMLESS)
def test_what_is_odd_but_allowed_passes(arena: Arena, packet: str) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send(packet, '420["echo"]')
        assert client.text() == "430[]"
    assert outcome.disconnects == {"transport close": 1}


@pytest.mark.parametrize(
    "name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
)
def test_a_reserved_name_closes_and_reaches_no_handler(arena: Arena, name: str) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send(f'42["{name}","transport close"]')
        assert client.closed() == 1008
    assert outcome.disconnects == {"parse error": 1}


def test_1000_acknowledgements_in_a_row_that_nobody_asked_for_close(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send(*["437[]"] * 999, '420["echo"]')
        assert client.text() == "430[]"
        client.send("437[]")
        assert client.closed() == 1008
    assert sum(outcome.disconnects.values()) == 1


def test_attachments_that_never_come_close_in_time(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send('459-["nothing"]', *[bytes(950_000)] * 8)
        assert client.closed() == 1008
    assert outcome.handled == {}
    assert outcome.peak < 16 * MEGABYTE


def test_attachments_that_are_too_much_together_close(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send('4510-["nothing"]')
        sent = [bytes(1_000_000)] * 10
        for each in sent:
            client.send(each)
        client.send('420["echo"]')
        assert client.text() == "430[]"
    assert outcome.handled == {"nothing": 1}


def test_20000_connects_to_unknown_namespaces_are_answered_16_times(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.send(*[f"40/n{number}" for number in range(20_000)])
        for number in range(16):
            assert client.text().startswith(f"44/n{number},")
        assert client.closed() == 1008
    assert sum(outcome.disconnects.values()) == 1
    assert outcome.peak < 4 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
def test_a_client_may_be_in_10000_rooms_and_not_in_more(arena: Arena, leaves: int) -> None:
    with arena.attack(leaves=leaves, tracebacks=1, cpu=2.0) as outcome:
        client = member(arena)
        # Its own is one of them.
        client.send('421["rooms",9999]', '420["echo"]')
        assert client.text() == "431[]"
        assert client.text() == "430[]"
        client.send('42["rooms",10001]', '420["echo"]')
        assert client.text() == "430[]"
    assert "would be in more than 10000 rooms" in "".join(outcome.log)


def test_leaving_and_joining_again_at_once_works_in_order(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = WebSocket(arena.port).open()
        for _ in range(50):
            client.join()
            client.send('420["echo"]', "41")
            assert client.text() == "430[]"
        client.join()
    assert outcome.disconnects == {"client namespace disconnect": 50, "transport close": 1}


def test_a_handler_that_raises_is_the_applications_fault_and_costs_the_client_nothing(arena: Arena) -> None:
    with arena.attack(tracebacks=1):
        client = member(arena)
        client.send('42["fail"]', '420["echo"]')
        assert client.text() == "430[]"


def test_1000_bad_packets_are_logged_in_few_short_lines(arena: Arena) -> None:
    with arena.attack(cpu=6.0) as outcome:
        for _ in range(200):
            client = member(arena)
            client.send('42["secret\x1b[31m"')
            client.closed()
            client.close()
            poller = joined(arena)
            assert poller.post(b'42["secret\x1b[31m"').status == 400
            poller.close()
    assert 0 < len(outcome.log) < 100
