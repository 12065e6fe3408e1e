"""The bound on what all clients together don't take."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.transports.backlogs import Backlogs
from socketio_sync.transports.polling import MUCH_BYTES, PollingTransport
from socketio_sync.transports.runtime import Runtime
from tests.support.transport_handler import TINY, Handler, Wires, eventually, unix_pair


class Connection:
    """Has so much queued, and notes when it is given up."""

    def __init__(self, name: str, queued: int, order: list[str]) -> None:
        self.name = name
        self.queued_bytes = queued
        self._order = order

    def give_up(self, description: str) -> None:
        assert str(self.queued_bytes) in description
        self._order.append(self.name)
        self.queued_bytes = 0


def swept(runtime: Runtime, limit: int, sizes: dict[str, int]) -> list[str]:
    """Let connections with these backlogs be looked at once; return who was given up."""
    order: list[str] = []
    backlogs = Backlogs(runtime.timers)
    backlogs.limit = limit
    connections = [Connection(name, size, order) for name, size in sizes.items()]
    for connection in connections * 2:
        backlogs.add(connection)
    over: list[bool] = []
    runtime.timers.after(0.15, lambda: over.append(True))
    eventually(lambda: over)
    for connection in connections:
        connection.queued_bytes = 0
    return order


@pytest.mark.parametrize(
    ("limit", "given_up"), [(60, []), (59, ["c"]), (30, ["c"]), (29, ["c", "b"]), (0, ["c", "b", "a"])]
)
def test_the_largest_go_until_the_others_fit(
    runtime: Runtime, limit: int, given_up: list[str], caplog: Any
) -> None:
    assert swept(runtime, limit, {"a": 10, "b": 20, "c": 30}) == given_up
    assert len([r for r in caplog.records if "SIO804" in r.getMessage()]) == len(given_up)
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_who_has_caught_up_is_forgotten_and_counted_when_behind_again(runtime: Runtime) -> None:
    order: list[str] = []
    backlogs = Backlogs(runtime.timers)
    backlogs.limit = 5
    connection = Connection("a", 0, order)
    backlogs.add(connection)
    eventually(lambda: not backlogs._running)
    assert backlogs._behind == set()
    connection.queued_bytes = 6
    backlogs.add(connection)
    eventually(lambda: order == ["a"])
    eventually(lambda: not backlogs._running)


def test_a_websocket_is_entered_when_its_peer_takes_no_more(runtime: Runtime, wires: Wires) -> None:
    runtime.backlogs.limit = 100_000
    small, large = wires(pair=unix_pair(TINY)), wires(pair=unix_pair(TINY))
    small.transport.send([Message(bytes(50_000), True)])
    large.transport.send([Message(bytes(90_000), True)])
    eventually(lambda: large.handler.closes)
    ((reason, description),) = large.handler.closes
    assert reason == "slow consumer"
    assert "the most of all clients" in description
    assert small.handler.closes == []


def test_a_polling_client_is_entered_when_much_is_queued(runtime: Runtime) -> None:
    handler = Handler()
    transport = PollingTransport(runtime, handler, EngineOptions(), revision=4)
    runtime.backlogs.limit = MUCH_BYTES - 1
    transport.send([Message(bytes(MUCH_BYTES), True)])
    assert runtime.backlogs._behind == set()
    transport.send([Message(b"x", True)])
    eventually(lambda: handler.closes)
    assert handler.reasons == ["slow consumer"]
    transport.close()
    transport.poll({})
