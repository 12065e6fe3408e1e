"""Promise 1 and R8: a hub that stood still for longer than a heartbeat may take drops nobody who is there."""

from __future__ import annotations

from tests.security.arena import Arena
from tests.support.sio_client import SioClient


def test_clients_that_are_there_outlive_a_stall_that_is_longer_than_the_ping_timeout(arena: Arena) -> None:
    with arena.attack(slowest=6.0) as outcome:
        clients = [
            SioClient(arena.port, transport) for transport in ("websocket", "polling") for _ in range(3)
        ]
        for client in clients:
            client.join()
        clients[0].emit("stall", 3.0)
        assert [client.call("echo", 1, timeout=10) for client in clients] == [[1]] * len(clients)
        assert not any(client.closed.is_set() for client in clients)
        for client in clients:
            client.close()
    assert sum(outcome.disconnects.values()) == len(clients)
    assert "ping timeout" not in outcome.disconnects
