"""limits.md 1: clients that send as much as they can, and clients that read nothing."""

from __future__ import annotations

import sys

import gevent
import pytest

from tests.security.arena import MEGABYTE, ROUNDS, Arena
from tests.security.test_bodies import joined
from tests.security.test_frames import member, send_all
from tests.support.client import SEPARATOR, Poller
from tests.support.server import eventually
from tests.support.ws_client import TEXT, WebSocket, frame


def packets(text: str, count: int, at_once: int = 1_000) -> list[bytes]:
    """Return a packet many times, as frames, so many in each piece."""
    return [frame(TEXT, text.encode()) * at_once] * (count // at_once)


def read_all(client: WebSocket, enough: int = sys.maxsize) -> int:
    """Read until that is enough, or the connection ends; return how many bytes there were."""
    count = 0
    try:
        while count < enough and (piece := client.bytes.sock.recv(1_000_000)):
            count += len(piece)
    except OSError:
        pass
    return count


# 60 µs for each packet.
PACKETS_CPU = 6.0

FLOODS = {
    "events": '42["nothing",1]',
    "acks": "437[]",
    "pongs": "3",
    "noops": "6",
}


@pytest.mark.parametrize("packet", FLOODS.values(), ids=FLOODS)
def test_100000_packets_at_once_keep_nobody_waiting(arena: Arena, packet: str) -> None:
    with arena.attack(cpu=PACKETS_CPU) as outcome:
        client = member(arena)
        sending = gevent.spawn(send_all, client, packets(packet, 100_000))
        reading = gevent.spawn(read_all, client)
        sending.join(30)
        assert sending.dead
        if packet == FLOODS["events"]:
            eventually(lambda: arena.stats()["handled"].get("nothing", 0) >= 100_000, deadline=30)
        client.close()
        reading.get()
    assert outcome.peak < 8 * MEGABYTE


def test_100000_packets_by_polling_keep_nobody_waiting(arena: Arena) -> None:
    body = SEPARATOR.join(['42["nothing",1]'] * 9_999).encode()
    with arena.attack(cpu=PACKETS_CPU) as outcome:
        poller = joined(arena)
        for _ in range(10):
            assert poller.post(body).status == 200
        poller.say("1")
    assert outcome.handled == {"nothing": 99_990}
    assert outcome.peak < 16 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
def test_answers_that_nobody_reads_stop_the_asking(arena: Arena, leaves: int) -> None:
    question = f'420["echo","{"x" * 100_000}"]'
    with arena.attack(leaves=leaves, cpu=2.0) as outcome:
        client = member(arena)
        sending = gevent.spawn(send_all, client, packets(question, 1_000, at_once=1))
        # It is given up as one that doesn't read.
        sending.join(20)
        assert sending.dead
        client.close()
    assert outcome.disconnects == {"slow consumer": 1}
    assert outcome.peak < 40 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
@pytest.mark.parametrize("pongs", [False, True])
def test_who_reads_nothing_of_100_mb_is_disconnected(arena: Arena, pongs: bool, leaves: int) -> None:
    with arena.attack(leaves=leaves, within=20, cpu=2.0) as outcome:
        client = member(arena)
        client.send('42["big",100000,1000]')

        def is_gone() -> bool:
            if pongs:
                send_all(client, [frame(TEXT, b"3")])
            return bool(arena.stats()["sockets"] == 1)

        eventually(is_gone, deadline=20)
    assert outcome.disconnects == {"slow consumer": 1}
    # What is kept for it, and what the kernel holds.
    assert outcome.peak < 24 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
def test_who_stops_polling_is_disconnected(arena: Arena, leaves: int) -> None:
    with arena.attack(leaves=leaves, within=20, cpu=2.0) as outcome:
        poller = Poller(arena.port).open()
        poller.join()
        poller.post(b'42["big",100000,1000]')
        eventually(lambda: arena.stats()["sockets"] == 1, deadline=20)
    assert outcome.disconnects == {"slow consumer": 1}
    assert outcome.peak < 24 * MEGABYTE


@pytest.mark.parametrize("leaves", ROUNDS)
def test_a_reader_that_stops_keeps_the_others_from_nothing(arena: Arena, leaves: int) -> None:
    with arena.attack(leaves=leaves, within=20, cpu=6.0) as outcome:
        stopped, reader, author = member(arena), member(arena), member(arena)
        reading = gevent.spawn(read_all, reader, 500 * 100_000)
        text = "x" * 100_000
        for number in range(500):
            author.send(f'42["relay",{number},"{text}"]', '420["echo"]')
            # Not faster than it is served, and than one reads.
            assert author.text() == "430[]"
        assert reading.get(timeout=20) >= 500 * 100_000
        stopped.close()
    assert outcome.disconnects == {"slow consumer": 1, "transport close": 2}
    assert outcome.peak < 48 * MEGABYTE


def test_2000_broadcasts_of_one_client_to_100_keep_nobody_waiting(arena: Arena) -> None:
    with arena.attack(leaves=8 * MEGABYTE, within=20, cpu=6.0) as outcome:
        readers = [member(arena) for _ in range(100)]
        reading = [gevent.spawn(read_all, reader) for reader in readers]
        author = member(arena)
        author.send(*['42["relay","x"]'] * 2_000, '420["echo"]')
        assert author.text() == "430[]"
        for reader in readers:
            reader.send("1")
        gevent.joinall(reading, timeout=30)
        # 2,000 texts for each.
        assert all(each.get(block=False) >= 2_000 * len('42["relayed","x"]') for each in reading)
    assert outcome.handled == {"relay": 2_000}
