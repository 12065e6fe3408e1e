"""limits.md 1: WebSocket frames, and upgrades."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import gevent
import pytest

from tests.security.arena import MEGABYTE, Arena
from tests.security.test_bodies import joined
from tests.support.client import DEADLINE, Connection
from tests.support.ws_client import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    TEXT,
    UPGRADE_HEADERS,
    WebSocket,
    ask,
    frame,
)


def member(arena: Arena) -> WebSocket:
    """Return a WebSocket client in the main namespace."""
    client = WebSocket(arena.port).open()
    client.join()
    return client


def head(first: int, length: int) -> bytes:
    """Build the head of a frame, with whatever first byte and length."""
    return bytes([first, 0x80 | 127]) + struct.pack("!Q", length) + MASK


FRAMES = {
    "unmasked": (b"\x81\x01x", 1002),
    "RSV1": (b"\xc1\x80" + MASK, 1002),
    "RSV2": (b"\xa1\x80" + MASK, 1002),
    "RSV3": (b"\x91\x80" + MASK, 1002),
    **{f"opcode {code}": (frame(code), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "ping in fragments": (frame(PING, fin=False), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "close of one byte": (frame(CLOSE, b"x"), 1002),
    "close with 1005": (frame(CLOSE, struct.pack("!H", 1005)), 1002),
    "close with 0": (frame(CLOSE, struct.pack("!H", 0)), 1002),
    "close with 5000": (frame(CLOSE, struct.pack("!H", 5000)), 1002),
    "continuation of nothing": (frame(CONT, b"x"), 1002),
    "text within fragments": (frame(TEXT, b"4", fin=False) + frame(TEXT, b"2"), 1002),
    "invalid UTF-8": (frame(TEXT, b"4\xff"), 1007),
    "invalid UTF-8 across fragments": (frame(TEXT, b"4\xce", fin=False) + frame(CONT, b"x"), 1007),
    "close with invalid UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "length of 63 bits": (head(0x81, 2**63 - 1), 1009),
    "length of 64 bits": (head(0x81, 2**64 - 1), None),
    "one byte too long": (head(0x82, 1_000_001), 1009),
    "a gigabyte": (head(0x81, 2**30), 1009),
}


@pytest.mark.parametrize(("sent", "code"), FRAMES.values(), ids=FRAMES)
def test_a_bad_frame_closes_with_its_code(arena: Arena, sent: bytes, code: int | None) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        client.bytes.send(sent)
        closed = client.closed()
        assert closed == code if code is not None else closed in (1002, 1009)
        assert client.bytes.at_end()
    assert sum(outcome.disconnects.values()) == 1
    assert outcome.handled == {}
    assert outcome.peak < 2 * MEGABYTE


def send_all(client: WebSocket, pieces: Sequence[bytes]) -> None:
    """Send until the server closes the connection."""
    try:
        for piece in pieces:
            client.bytes.send(piece)
    except OSError:
        return


def test_32_mb_in_unfinished_fragments_are_1009_when_the_sum_passes_the_limit(arena: Arena) -> None:
    with arena.attack() as outcome:
        client = member(arena)
        piece = frame(CONT, b"x" * 500_000, fin=False)
        sending = gevent.spawn(send_all, client, [frame(BINARY, fin=False), *[piece] * 64])
        assert client.closed() == 1009
        client.close()
        sending.get()
    assert outcome.peak < 4 * MEGABYTE


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_200000_fragments_are_1008_after_as_many_as_there_may_be(arena: Arena, payload: bytes) -> None:
    with arena.attack(cpu=2.0) as outcome:
        client = member(arena)
        pieces = [frame(TEXT, b"4", fin=False), *[frame(CONT, payload, fin=False) * 1_000] * 200]
        sending = gevent.spawn(send_all, client, pieces)
        assert client.closed() == 1008
        client.close()
        sending.get()
    assert outcome.peak < 4 * MEGABYTE


def test_100000_pings_whose_answers_nobody_reads_are_not_kept(arena: Arena) -> None:
    with arena.attack(cpu=4.0) as outcome:
        client = member(arena)
        sending = gevent.spawn(send_all, client, [frame(PING, b"x" * 125) * 100] * 1_000)
        gevent.wait([sending], timeout=2)
        client.close()
        sending.get()
    assert outcome.peak < 4 * MEGABYTE


def test_a_message_of_a_megabyte_is_no_burden(arena: Arena) -> None:
    text = f'42["nothing","{"x" * 999_980}"]'
    assert len(text) <= 1_000_000
    with arena.attack() as outcome:
        client = member(arena)
        client.send(*[text] * 10)
        client.send('420["echo"]')
        assert client.text() == "430[]"
    assert outcome.handled == {"nothing": 10}
    # 0.05 s for each, as promised; that is 50 µs for a kB, the two copies that the kernel makes included.
    assert outcome.cpu < 0.5


# -- upgrades ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packet", ["", "x", "5", "2wrong", '42["nothing"]', b"\x00"])
def test_garbage_as_a_probe_closes_the_websocket_and_polling_lives(arena: Arena, packet: str | bytes) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        client = WebSocket(arena.port, f"EIO=4&transport=websocket&sid={poller.sid}")
        client.send(packet)
        assert client.closed() in (1008, None)
        assert client.bytes.at_end()
        poller.say('42["nothing"]', "1")
    assert outcome.handled == {"nothing": 1}


@pytest.mark.parametrize("probe", [(), ("2probe",)])
def test_an_upgrade_that_stops_is_closed_in_time_and_polling_lives(
    arena: Arena, probe: tuple[str, ...]
) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        client = WebSocket(arena.port, f"EIO=4&transport=websocket&sid={poller.sid}")
        client.send(*probe)
        if probe:
            assert client.text() == "3probe"
        assert client.closed() == 1008
        poller.say('42["nothing"]', "1")
    assert outcome.handled == {"nothing": 1}


def test_of_100_websockets_for_one_session_one_probes_at_a_time(arena: Arena) -> None:
    with arena.attack(within=15):
        poller = joined(arena)
        query = f"EIO=4&transport=websocket&sid={poller.sid}"
        first = WebSocket(arena.port, query)
        statuses = {ask(arena.port, query)[1].status for _ in range(99)}
        assert statuses == {400}
        assert first.closed() == 1008
        poller.say("1")


REFUSED = {
    "unknown session": ("/socket.io/?EIO=4&transport=websocket&sid=nobody", {}, 400),
    # The application's own, with gevent-websocket; this one has no use for it.
    "foreign path": ("/elsewhere/?EIO=4&transport=websocket", {}, 101),
    "other version": ("/socket.io/?EIO=4&transport=websocket", {"Sec-WebSocket-Version": "8"}, 426),
    "bad key": ("/socket.io/?EIO=4&transport=websocket", {"Sec-WebSocket-Key": "short"}, 400),
    "no upgrade": ("/socket.io/?EIO=4&transport=websocket", {"Upgrade": "h2c"}, 400),
}


@pytest.mark.parametrize(("target", "headers", "status"), REFUSED.values(), ids=REFUSED)
def test_a_bad_upgrade_is_refused_and_what_follows_it_is_discarded(
    arena: Arena, target: str, headers: dict[str, str], status: int
) -> None:
    with arena.attack() as outcome:
        connection = Connection(arena.port)
        lines = [f"{name}: {value}" for name, value in {**dict(UPGRADE_HEADERS), **headers}.items()]
        request = "\r\n".join([f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""])
        connection.send(request.encode() + frame(TEXT, b"40") + frame(TEXT, b'42["nothing"]'))
        assert connection.finish().status == status
        with gevent.Timeout(DEADLINE):
            while connection.sock.recv(65536):
                pass
    assert outcome.handled == {}
    assert outcome.disconnects == {}
