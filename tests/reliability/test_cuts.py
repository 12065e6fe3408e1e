"""R5: at most once, and a loss is visible: a connection is cut at any byte while both sides talk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import gevent
import pytest

from socketio_sync import Socket
from tests.reliability.conftest import Scale
from tests.support.proxy import Proxy
from tests.support.server import Servers, eventually
from tests.support.sio_client import SioClient

MESSAGES = 300
SEED = 20261122
# More than all of them take, by polling with the heads of as many answers as there is time for.
BYTES = {"websocket": 8_000, "polling": 40_000}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_whatever_is_cut_comes_once_in_order_or_with_a_disconnect(
    serve: Servers, proxies: list[Proxy], scale: Scale, figure: Callable[[str], None], transport: str
) -> None:
    # Of a polling client that doesn't come again only the heartbeat tells.
    site = serve(ping_interval=1.0, ping_timeout=1.0)
    said: dict[str, list[int]] = {}
    left: dict[str, list[str]] = {}

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        said[socket.id] = []
        left[socket.id] = []

    @site.io.on("say")
    def say(socket: Socket, number: int) -> None:
        said[socket.id].append(number)
        socket.emit("news", number)

    site.io.on("disconnect", lambda socket, reason: left[socket.id].append(reason))
    proxy = Proxy(site.port)
    proxies.append(proxy)
    random = Random(SEED)
    cuts = scale(50, 1_000)
    whole = 0
    for _ in range(cuts):
        proxy.budget = random.randint(1, BYTES[transport])
        client = _visit(proxy.port, transport)
        if client is None:
            continue
        whole += _heard(client) == MESSAGES
        proxy.cut()
    eventually(lambda: all(left.values()))
    assert all(len(reasons) == 1 for reasons in left.values())
    assert all(numbers == list(range(len(numbers))) for numbers in said.values())
    # Some were cut before they had heard, or said, all; and not all before they had joined.
    assert 0 < whole < len(said)
    assert any(0 < len(numbers) < MESSAGES for numbers in said.values())
    came = sum(map(len, said.values()))
    figure(
        f"{cuts:,} cuts at random bytes over {transport}: {len(said):,} clients had joined, {whole:,} had "
        f"heard all, {came:,} of their messages came; none twice, none out of order, one disconnect each"
    )


def _visit(port: int, transport: str) -> SioClient | None:
    """Join and talk until that ends; None where it didn't come so far."""
    try:
        client = SioClient(port, transport)
    except (OSError, EOFError, AssertionError, IndexError):
        return None
    with suppress(OSError, EOFError):
        client.send("40")
        for number in range(MESSAGES):
            client.send(f'42["say",{number}]')
            # It talks while it listens, and the cut comes in between.
            gevent.sleep(0.001 if number % 10 == 0 else 0)
    with suppress(AssertionError):
        # Until all has come, or it is cut; whoever isn't is cut after that.
        client.wait(lambda: len(client.events) >= MESSAGES, timeout=2.0)
    return client


def _heard(client: SioClient) -> int:
    """Return how many messages came; they must be the first ones, each once, in order."""
    numbers: list[Any] = [arguments[0] for _, name, arguments in client.events if name == "news"]
    assert numbers == list(range(len(numbers)))
    return len(numbers)
