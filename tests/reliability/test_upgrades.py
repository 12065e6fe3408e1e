"""R4: order is kept in both directions, while clients move from polling to WebSocket at any moment."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import gevent

from socketio_sync import Socket
from tests.reliability.conftest import Scale
from tests.support.client import Poller
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import WebSocket

MESSAGES = 10
SEED = 20261122
AT_ONCE = 10


def test_nothing_is_lost_doubled_or_overtaken_across_upgrades(
    serve: Servers, scale: Scale, figure: Callable[[str], None]
) -> None:
    site = serve()
    said: dict[str, list[int]] = {}
    site.io.on("say", lambda socket, number: said.setdefault(socket.id, []).append(number))
    count = scale(100, 1_000)

    def some(random: Random) -> None:
        for _ in range(count // AT_ONCE):
            _upgrade(site, said, random)

    greenlets = [gevent.spawn(some, Random(SEED + number)) for number in range(AT_ONCE)]
    gevent.joinall(greenlets, raise_error=True)
    figure(
        f"{count:,} upgrades at random moments: {count * MESSAGES:,} messages each way, none lost, "
        f"none doubled, none overtaken"
    )


def _upgrade(site: Running, said: dict[str, list[int]], random: Random) -> None:
    """Let one client upgrade while both sides talk; see that each has heard all of the other, in order."""
    poller = Poller(site.port).open()
    socket = site.io.sockets[poller.join()]
    emitting = gevent.spawn(_emit, socket, random)
    heard: list[str] = []
    polling = gevent.spawn(_poll, poller, heard)
    before = random.randint(0, MESSAGES)
    for number in range(before):
        poller.say(f'42["say",{number}]')
    # The moment is the subject: any will do.
    gevent.sleep(random.random() * 0.005)
    ws = WebSocket(site.port, f"EIO=4&transport=websocket&sid={poller.sid}")
    ws.send("2probe")
    assert ws.receive() == "3probe"
    polling.get(timeout=5)
    ws.send("5", *[f'42["say",{number}]' for number in range(before, MESSAGES)])
    emitting.get(timeout=5)
    while len(heard) < MESSAGES:
        heard.append(ws.text())
    assert heard == [f'42["news",{number}]' for number in range(MESSAGES)]
    eventually(lambda: len(said.get(socket.id, ())) == MESSAGES)
    assert said[socket.id] == list(range(MESSAGES))
    ws.close()
    poller.close()


def _emit(socket: Socket, random: Random) -> None:
    for number in range(MESSAGES):
        socket.emit("news", number)
        gevent.sleep(random.random() * 0.002)


def _poll(poller: Poller, heard: list[str]) -> None:
    """Poll until the server asks to stop that, for the upgrade."""
    while True:
        packets = poller.poll()
        heard += [packet for packet in packets if packet != "6"]
        if "6" in packets:
            return
