"""The outbound policies between a real server and a real client that reads nothing for a while."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest

from tests.support.client import DEADLINE
from tests.support.engine_server import Mount
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually

LIMIT = 100_000
DATA = "x" * 980


def events_of(packets: list[str]) -> list[int]:
    return [json.loads(packet[2:])[1] for packet in packets if packet.startswith("42")]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_a_polling_client_loses_events_and_nothing_else(serve: Servers, logged: Logged, policy: str) -> None:
    running = serve(outbound_policy=policy, max_outbound_bytes=LIMIT)
    poller = running.join_poller()
    socket = running.sockets[0]
    running.of("/other")
    # With more than half of the limit queued, a POST would wait.
    for number in range(40):
        socket.emit("news", number, DATA)
    poller.say('427["echo",1]', "40/other,")
    for number in range(40, 90):
        socket.emit("news", number, DATA)
    assert socket.conn.dropped == 0
    for number in range(90, 200):
        running.io.emit("news", number, DATA)
    eventually(lambda: socket.conn.dropped)
    packets = poller.poll()
    numbers = events_of(packets)
    assert "437[1]" in packets
    assert [packet for packet in packets if packet.startswith("40/other")]
    assert len(numbers) + socket.conn.dropped == 200
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert (numbers[-1] == 199) if policy == "drop_oldest" else (numbers[0] == 0)
    # It goes on as if nothing had been.
    socket.emit("after", 1)
    assert poller.poll() == ['42["after",1]']
    texts = [text for text in logged.warnings() if "SIO801" in text]
    assert 1 <= len(texts) <= 11


def fill(running: Running, ws: Any, policy: str) -> Any:
    """Emit until far more than the limit waits for a client that doesn't read."""
    socket = running.sockets[0]
    for number in range(20_000):
        socket.emit("news", number, DATA)
        if number % 100 == 0:
            # As a handler that emits so much should: the loop sends meanwhile.
            gevent.sleep(0)
    return socket


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_a_websocket_client_loses_events_and_nothing_else(
    serve: Servers, logged: Logged, policy: str
) -> None:
    running = serve(outbound_policy=policy, max_outbound_bytes=LIMIT)
    ws = running.join_websocket()
    socket = fill(running, ws, policy)
    assert socket.conn.dropped > 0
    assert socket.conn.buffered_bytes <= LIMIT
    socket.disconnect()
    packets: list[str] = []
    while not packets or packets[-1] != "41":
        packets.append(ws.text())
    numbers = events_of(packets)
    assert numbers == sorted(set(numbers))
    assert len(numbers) + socket.conn.dropped == 20_000
    assert (numbers[-1] == 19_999) == (policy == "drop_oldest")


def test_emit_waits_for_a_client_that_reads_slowly(serve: Servers) -> None:
    running = serve(outbound_policy="block", max_outbound_bytes=LIMIT)
    ws = running.join_websocket()
    filling = gevent.spawn(fill, running, ws, "block")
    eventually(lambda: running.sockets[0].conn.buffered_bytes > LIMIT // 2)
    assert not filling.dead
    assert running.sockets[0].conn.buffered_bytes <= LIMIT
    numbers = [json.loads(ws.text()[2:])[1] for _ in range(20_000)]
    assert numbers == list(range(20_000))
    assert filling.get(timeout=DEADLINE).conn.dropped == 0


def test_a_handler_that_waits_holds_up_nobody_else(serve: Servers) -> None:
    running = serve(outbound_policy="block", max_outbound_bytes=LIMIT)
    slow = running.join_websocket()
    other = running.join_websocket()

    def flood(socket: Any) -> str:
        for _ in range(20_000):
            socket.emit("news", 1, DATA)
        return "done"

    running.io.on("flood", flood)
    slow.send('421["flood"]')
    eventually(lambda: running.sockets[0].conn.buffered_bytes > LIMIT // 2)
    for _ in range(10):
        assert other.is_quiet()
    while slow.text() != '431["done"]':
        pass


def test_the_bound_on_all_clients_disconnects_the_largest(serve: Servers, logged: Logged) -> None:
    running = serve(max_total_outbound_bytes=300_000)
    pollers = [running.join_poller() for _ in range(3)]
    for socket, size in zip(running.sockets, (100_000, 140_000, 60_001), strict=True):
        socket.emit("news", "x" * size)
    running.reached("disconnect", "/", "slow consumer")
    assert [socket.connected for socket in running.sockets] == [True, False, True]
    assert any("SIO804" in text and "max_total_outbound_bytes" in text for text in logged.warnings())
    assert len(pollers[0].poll()) == 1


def test_an_upgrade_takes_along_what_may_be_lost_and_what_may_not(mount: Mount) -> None:
    site = mount(outbound_policy="drop_oldest", max_outbound_bytes=1000)
    poller, session = site.poller()
    for number in range(30):
        session.send(f"{number:02}" + "." * 98)
    assert session.dropped == 20
    ws = site.upgrade(poller)
    assert [ws.text()[1:3] for _ in range(9)][-1] == "28"
    assert ws.text()[1:3] == "29"
