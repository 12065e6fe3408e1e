"""R6: at least once with recovery: clients that are cut at any byte come back, again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import gevent
import pytest

from socketio_sync import Socket
from tests.reliability.conftest import Scale
from tests.support.proxy import Proxy
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import SioClient

SEED = 20261122
CLIENTS = 4
# The answer to a poll has all that was missed: cut off within it, a client gets nothing of that.
BYTES = {"websocket": 10_000, "polling": 100_000}


class Sender:
    """Sends numbered messages all the time, in every way; knows for each client which ones it must get."""

    def __init__(self, site: Running) -> None:
        self.io = site.io
        self.sent: dict[str, list[int]] = {f"client{number}": [] for number in range(CLIENTS)}
        self.ids: dict[str, str] = {}
        self.came: dict[str, int] = defaultdict(int)
        self.left: dict[str, int] = defaultdict(int)
        self._number = 0
        self.io.on("connection", self._connection)
        self.io.on("disconnect", lambda socket: self._count(self.left, socket))

    @staticmethod
    def _count(counts: dict[str, int], socket: Socket) -> None:
        counts[socket.data["name"]] += 1

    def _connection(self, socket: Socket) -> None:
        if not socket.recovered:
            name = socket.data["name"] = socket.handshake.auth["name"]
            assert not socket.handshake.auth.get("pid"), socket.recovery_failure
            socket.join(name)
            self.ids[name] = socket.id
            socket.emit("welcome", len(self.sent[name]))
        self._count(self.came, socket)

    def run(self) -> None:
        while True:
            self.send()
            # The pace: about a thousand a second.
            gevent.sleep(0.001)

    def send(self) -> None:
        """Send the next one: to all, to the rooms of some, to all but one, or to one."""
        number = self._number = self._number + 1
        names = tuple(self.sent)
        one, other = names[number % CLIENTS], names[(number + 1) % CLIENTS]
        socket = self.io.sockets.get(self.ids.get(one, ""))
        match number % 7:
            case 0 | 1:
                self.io.emit("news", number)
            case 2:
                names = (one, other)
                self.io.to(one, other).emit("news", number, b"binary")
            case 3:
                names = tuple(name for name in names if name != one)
                self.io.except_(one).emit("news", number)
            case 4 if socket is not None:
                names = (one,)
                socket.emit("news", number, "x" * (number % 100))
            case _:
                names = (one,)
                self.io.to(one).emit("news", number)
        for name in names:
            self.sent[name].append(number)


class Visitor:
    """A client that comes back and remembers what the official one does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid: str | None = None
        self.offset: Any = None
        self.begin = 0
        self.heard: list[int] = []
        self.welcomes = 0

    def visit(self, port: int, transport: str, until: Callable[[SioClient], bool]) -> None:
        """Connect and listen until that ends, or there was enough."""
        auth = {"name": self.name, "pid": self.pid, "offset": self.offset}
        try:
            client = SioClient(port, transport)
        except (OSError, EOFError, AssertionError, IndexError):
            return
        with suppress(OSError, EOFError):
            client.ask_to_join(auth={key: value for key, value in auth.items() if value is not None})
        with suppress(AssertionError):
            # Cut or not: what came before that counts.
            client.wait(lambda: until(client), timeout=0.2)
        client.kill()
        self.pid = client.pids.get("/", self.pid)
        for _, name, (*values, offset) in client.events:
            self.offset = offset
            if name == "welcome":
                self.welcomes += 1
                self.begin = values[0]
            else:
                self.heard.append(values[0])


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_who_comes_back_handles_each_event_once_in_order_wherever_it_was_cut(
    serve: Servers, proxies: list[Proxy], scale: Scale, figure: Callable[[str], None], transport: str
) -> None:
    # So short that clients are also away for longer than a heartbeat takes.
    site = serve(connection_state_recovery=True, ping_interval=0.2, ping_timeout=0.2)
    sender = Sender(site)
    sending = gevent.spawn(sender.run)
    cuts = scale(25, 250)

    def come_and_go(number: int) -> Visitor:
        random = Random(f"{SEED} {number}")
        visitor = Visitor(f"client{number}")
        proxy = Proxy(site.port)
        proxies.append(proxy)
        for _ in range(cuts):
            proxy.budget = random.choice([random.randint(1, 1_000), random.randint(1, BYTES[transport])])
            visitor.visit(proxy.port, transport, lambda client: False)
            proxy.cut()
            if random.random() < 0.2:
                # Away for longer than a heartbeat takes, which is a case of its own.
                gevent.sleep(0.5)
        return visitor

    visits = [gevent.spawn(come_and_go, number) for number in range(CLIENTS)]
    visitors = [visit.get(timeout=1.5 * cuts + 30) for visit in visits]
    sending.kill()
    for visitor in visitors:
        sent = sender.sent[visitor.name]

        def has_all(client: SioClient, sent: list[int] = sent) -> bool:
            return any(values[0] == sent[-1] for _, name, values in client.events if name == "news")

        if visitor.heard[-1] != sent[-1]:
            visitor.visit(site.port, transport, has_all)
        assert visitor.heard == sent[visitor.begin :]
        assert visitor.welcomes == 1
    eventually(lambda: sender.left == sender.came)
    heard = sum(len(visitor.heard) for visitor in visitors)
    recovered = sum(sender.came.values())
    assert recovered > CLIENTS * cuts / 2
    figure(
        f"{CLIENTS * cuts:,} cuts at random bytes over {transport} with recovery: {recovered:,} connections, "
        f"{heard:,} events, each handled once and in order"
    )
