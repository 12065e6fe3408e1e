"""limits.md 1: request bodies."""

from __future__ import annotations

import gzip

import pytest

from tests.security.arena import MEGABYTE, Arena
from tests.support.client import SEPARATOR, Connection, Poller
from tests.support.runner import HIDDEN
from tests.test_http_body import MALFORMED as MALFORMED_CHUNKS
from tests.wire.test_polling import MALFORMED

LENGTH = 1_000_000


def joined(arena: Arena) -> Poller:
    """Return a polling client in the main namespace."""
    poller = Poller(arena.port).open()
    poller.join()
    return poller


def chunked(poller: Poller, *chunks: bytes, expect: bool = False) -> Connection:
    """Begin a POST in chunks; with ``expect``, the server says when it reads them."""
    connection = Connection(poller.port)
    headers = [("Transfer-Encoding", "chunked"), *([("Expect", "100-continue")] if expect else [])]
    connection.begin("POST", poller.target, headers=headers)
    for chunk in chunks:
        connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    return connection


@pytest.mark.parametrize("length", [LENGTH + 1, 10**9, 10**18])
def test_a_body_that_is_announced_too_long_is_413_at_once(arena: Arena, length: int) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        connection = Connection(arena.port)
        connection.begin("POST", poller.target, headers=[("Content-Length", str(length))])
        answer = connection.finish()
        assert (answer.status, answer.header("connection")) == (413, "close")
        assert poller.is_forgotten()
    assert outcome.disconnects == {"transport close": 1}
    assert outcome.peak < 2 * MEGABYTE


def test_a_body_in_chunks_is_413_as_soon_as_it_is_too_long(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        answer = chunked(poller, *[b"x" * 10_000] * (LENGTH // 10_000 + 1)).finish()
        assert (answer.status, answer.header("connection")) == (413, "close")
        assert poller.is_forgotten()
    assert outcome.disconnects == {"transport close": 1}
    assert outcome.peak < 4 * MEGABYTE


@pytest.mark.parametrize("body", MALFORMED_CHUNKS.values(), ids=MALFORMED_CHUNKS)
def test_malformed_chunks_are_400_and_nothing_behind_them_is_served(arena: Arena, body: bytes) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        connection = chunked(poller, expect=True)
        # Only now is the request surely with the session: with its head it would be refused before.
        assert connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        connection.send(body + HIDDEN)
        answer = connection.finish()
        assert (answer.status, answer.header("connection")) == (400, "close")
        assert connection.at_end()
        assert poller.is_forgotten()
    assert outcome.handled == {}
    assert outcome.disconnects == {"transport error": 1}


def test_a_compressed_body_is_415_and_never_inflated(arena: Arena) -> None:
    bomb = gzip.compress(bytes(100 * MEGABYTE))
    with arena.attack() as outcome:
        poller = joined(arena)
        assert poller.post(bomb, headers=[("Content-Encoding", "gzip")]).status == 415
    assert outcome.peak < 2 * MEGABYTE


def test_as_many_packets_as_there_may_be_are_all_handled(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        poller.say(*['42["nothing"]'] * 9_999, "1")
    assert outcome.handled == {"nothing": 9_999}


@pytest.mark.parametrize("count", [10_001, 100_000])
def test_more_packets_are_400_and_none_is_handled(arena: Arena, count: int) -> None:
    body = SEPARATOR.join(["42"] * count).encode()
    assert len(body) < LENGTH
    with arena.attack() as outcome:
        assert joined(arena).post(body).error == (400, 3, "Bad request")
    assert outcome.handled == {}
    assert sum(outcome.disconnects.values()) == 1


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_payload_is_400_and_ends_the_session(arena: Arena, body: bytes) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        assert poller.post(body).error == (400, 3, "Bad request")
        assert poller.poll()[-1] == "1"
        assert poller.is_forgotten()
    assert outcome.disconnects == {"parse error": 1}


def test_packets_behind_a_close_are_ignored(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        poller.say("1", *['42["nothing"]'] * 100)
        assert poller.post(b'42["nothing"]').error == (400, 1, "Session ID unknown")
    assert outcome.handled == {}
    assert outcome.disconnects == {"transport close": 1}


def test_a_body_that_comes_byte_by_byte_is_408(arena: Arena) -> None:
    with arena.attack() as outcome:
        poller = joined(arena)
        connection = Connection(arena.port)
        connection.begin("POST", poller.target, headers=[("Content-Length", "1000")])
        # Slower than the rate is to send nothing.
        answer = connection.finish()
        assert (answer.status, answer.header("connection")) == (408, "close")
    assert sum(outcome.disconnects.values()) == 1
