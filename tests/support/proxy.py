"""A TCP proxy on loopback whose connections a test cuts, stalls or refuses."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer


class Proxy:
    """Passes bytes between clients and a server.

    Attributes:
        port: Where it listens.
        refuses: Whether new connections are reset at once.
        budget: How many more bytes pass towards the clients before everything is cut; None is no limit.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: list[tuple[Any, Any]] = []
        # Connections of an earlier epoch are stalled.
        self._epoch = 0
        self.refuses = False
        self.budget: int | None = None
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                _reset(sock)

    def stall(self) -> None:
        """Lose all that comes on the connections there are, without closing any; later ones work."""
        self._epoch += 1

    def stop(self) -> None:
        self._server.stop(timeout=1)
        self.cut()

    def _serve(self, client: Any, address: Any) -> None:
        if self.refuses:
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _reset(client)
            return
        self._pairs.append((client, server))
        epoch = self._epoch
        upwards = gevent.spawn(self._pass, client, server, epoch, False)
        self._pass(server, client, epoch, True)
        upwards.join()

    def _pass(self, source: Any, target: Any, epoch: int, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if epoch != self._epoch:
                    continue
                if counted and self.budget is not None:
                    data, self.budget = data[: self.budget], self.budget - len(data)
                    if self.budget <= 0:
                        self.budget = None
                        target.sendall(data)
                        self.cut()
                        return
                target.sendall(data)
            if epoch == self._epoch:
                target.shutdown(1)


def _reset(sock: Any) -> None:
    with suppress(OSError):
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        sock.close()


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    """Stop at the end what the test has put in."""
    made: list[Proxy] = []
    yield made
    for proxy in made:
        proxy.stop()
