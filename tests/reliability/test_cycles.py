"""R7: whoever has connected is disconnected, once, however it ends; and nothing is left."""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET

import gevent
import pytest

from tests.reliability.conftest import Scale
from tests.security.arena import ANY, MEGABYTE, Arena, Program
from tests.support.client import Bytes, Connection, Poller
from tests.support.server import eventually
from tests.support.ws_client import TEXT, WebSocket, frame

AT_ONCE = 50


def member(arena: Arena) -> WebSocket:
    client = WebSocket(arena.port).open()
    client.join()
    return client


def poller(arena: Arena) -> Poller:
    client = Poller(arena.port).open()
    client.join()
    return client


def reset(connection: Bytes) -> None:
    connection.sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def finished(arena: Arena) -> None:
    member(arena).close()


def was_reset(arena: Arena) -> None:
    reset(member(arena).bytes)


def half_closed(arena: Arena) -> None:
    client = member(arena)
    client.bytes.sock.shutdown(SHUT_WR)
    with suppress(EOFError, OSError):
        client.bytes.exactly(1_000_000)
    client.close()


def within_a_frame(arena: Arena) -> None:
    client = member(arena)
    client.bytes.send(frame(TEXT, b"42" + b"x" * 500)[:300])
    client.close()


def within_a_body(arena: Arena) -> None:
    client = poller(arena)
    client.posts.begin("POST", client.target, headers=[("Content-Length", "100")])
    client.close()


def within_a_poll(arena: Arena) -> None:
    client = poller(arena)
    client.hold()
    reset(client.gets)
    client.close()


def probing(arena: Arena) -> tuple[Poller, WebSocket]:
    client = poller(arena)
    ws = WebSocket(arena.port, f"EIO=4&transport=websocket&sid={client.sid}")
    ws.send("2probe")
    assert ws.receive() == "3probe"
    return client, ws


def within_an_upgrade(arena: Arena) -> None:
    client, ws = probing(arena)
    reset(ws.bytes)
    client.say("1")
    client.close()


def behind_an_upgrade(arena: Arena) -> None:
    client, ws = probing(arena)
    ws.send("5")
    reset(ws.bytes)
    client.close()


def within_the_handshake(arena: Arena) -> None:
    connection = Connection(arena.port)
    connection.send(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgr")
    reset(connection)


def never_joined(arena: Arena) -> None:
    WebSocket(arena.port).open().close()


def refused_by_its_first_event(arena: Arena) -> None:
    client = member(arena)
    client.send("nonsense")
    assert client.closed() == 1008
    client.close()


def whose_handler_raises(arena: Arena) -> None:
    client = member(arena)
    client.send('42["fail"]', "41")
    client.close()


def who_does_not_read(arena: Arena) -> None:
    client = member(arena)
    client.send('42["big",100000,20]')
    reset(client.bytes)


ENDS = (
    finished,
    was_reset,
    half_closed,
    within_a_frame,
    within_a_body,
    within_a_poll,
    within_an_upgrade,
    behind_an_upgrade,
    within_the_handshake,
    never_joined,
    refused_by_its_first_event,
    whose_handler_raises,
    who_does_not_read,
)


@pytest.mark.parametrize("end", ENDS)
def test_every_end_is_told_once_and_leaves_nothing(
    arena: Arena, scale: Scale, figure: Callable[[str], None], end: Callable[[Arena], None]
) -> None:
    count = scale(100, 10_000)
    before = arena.stats()["rss"]

    def some() -> None:
        for _ in range(count // AT_ONCE):
            end(arena)

    tracebacks = count if end is whose_handler_raises else 0
    with arena.attack(
        leaves=12 * MEGABYTE, within=20, slowest=2.0, tracebacks=tracebacks, cpu=ANY
    ) as outcome:
        gevent.joinall([gevent.spawn(some) for _ in range(AT_ONCE)], raise_error=True)
    after = arena.stats()["rss"]
    told = sum(outcome.disconnects.values())
    assert told == (0 if end in (within_the_handshake, never_joined) else count)
    figure(
        f"{end.__name__}: {count:,} cycles, {told:,} disconnects, memory {before / MEGABYTE:.1f} MiB before, "
        f"{after / MEGABYTE:.1f} MiB after, others waited {outcome.slowest * 1000:.0f} ms at most"
    )


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGKILL, "transport close"), (signal.SIGSTOP, "ping timeout")]
)
def test_a_client_that_is_killed_or_stopped_is_missed_once(
    arena: Arena, number: signal.Signals, reason: str
) -> None:
    with arena.attack() as outcome:
        client = Program("tests.security.bystander", str(arena.port), "websocket")
        assert client.line() == "ready\n"
        client.process.send_signal(number)
        # Interval, timeout and a second are promised; two more are for a busy machine.
        eventually(lambda: arena.stats()["sockets"] == 1, deadline=5.0)
        client.process.kill()
        client.wait()
    assert outcome.disconnects == {reason: 1}
