"""R9: clients that read nothing harm nobody, whatever the policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

import gevent
import pytest

from tests.reliability.conftest import Scale
from tests.security.arena import ANY, MEGABYTE, Arena
from tests.support.ws_client import WebSocket

RATE, SIZE = 2_000, 1_000
# What may be queued for each that doesn't read.
OUTBOUND = MEGABYTE


@lru_cache(1_000)
def expected(number: int) -> bytes:
    """Return the frame of one message."""
    text = f'42["news","{number:08}","{"x" * SIZE}"]'.encode()
    return b"\x81\x7e" + len(text).to_bytes(2, "big") + text


LENGTH = len(expected(0))


def read_in_order(client: WebSocket, count: int) -> int:
    """Read messages, which must be those that were broadcast, each once, in order; return how many came."""
    number, rest = 0, b""
    while number < count:
        received = rest + client.bytes.sock.recv(256 * 1024)
        whole = len(received) // LENGTH
        assert received[: whole * LENGTH] == b"".join(map(expected, range(number, number + whole))), number
        number, rest = number + whole, received[whole * LENGTH :]
    return number


@pytest.mark.parametrize(
    ("policy", "half"),
    [("close", False), ("close", True), ("drop_oldest", True), ("drop_newest", True), ("block", False)],
)
def test_who_reads_nothing_costs_a_bounded_amount_and_the_others_nothing(
    scale: Scale, figure: Callable[[str], None], policy: str, half: bool
) -> None:
    seconds, count = scale(3, 60), scale(20, 100)
    stopped = count // 2 if half else 1
    # Nothing comes between the messages.
    arena = Arena(
        outbound_policy=policy, max_outbound_bytes=OUTBOUND, write_stall_timeout=1.0, ping_interval=300.0
    )
    try:
        with arena.attack(leaves=32 * MEGABYTE, within=20, slowest=2.0, cpu=ANY) as outcome:
            clients = [WebSocket(arena.port, deadline=20.0).open() for _ in range(count)]
            for client in clients:
                client.join()
                client.send('420["subscribe"]')
                assert client.text() == "430[]"
            author = WebSocket(arena.port, deadline=seconds + 20.0).open()
            author.join()
            readers = [gevent.spawn(read_in_order, each, RATE * seconds) for each in clients[stopped:]]
            author.send(f'421["publish",{RATE},{seconds},{SIZE}]')
            report = json.loads(author.text().removeprefix("431"))[0]
            assert report["count"] == RATE * seconds
            gevent.joinall(readers, timeout=20, raise_error=True)
            assert [reader.value for reader in readers] == [RATE * seconds] * (count - stopped)
        if policy != "block":
            assert outcome.disconnects["slow consumer"] == stopped
        # What is queued, and what Python keeps for a list of it.
        assert outcome.peak < stopped * 2 * OUTBOUND + 32 * MEGABYTE
        figure(
            f"{stopped} of {count} read nothing of {RATE:,} messages a second for {seconds} s ({policy}): "
            f"the others got all, in order; peak {outcome.peak / MEGABYTE:.1f} MiB, slowest emit "
            f"{report['slowest'] * 1000:.1f} ms, others waited {outcome.slowest * 1000:.0f} ms at most; "
            f"{dict(outcome.disconnects)}"
        )
    finally:
        arena.end()
