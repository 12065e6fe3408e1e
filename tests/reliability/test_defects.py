"""Promise 1 where a step of our own fails: one disconnect for each connection, and nobody else is hurt."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from random import Random
from typing import Any

import gevent
import pytest

from socketio_sync import Server
from tests.reliability.conftest import Scale
from tests.reliability.steps import Injected, Steps
from tests.support.client import Poller, close_all
from tests.support.server import Running, eventually, let_poll
from tests.support.sio_client import SioClient
from tests.support.ws_client import WebSocket

SEED = 20261122
# What a visitor gives up after; nearly always its connection ends before.
PATIENCE = 0.3
# By way of these the application is told. Where they fail themselves, nobody is.
TELLING = (
    "engine.socket.EngineSocket._end",
    "engine.socket.EngineSocket.on_close",
    "server.connection.Connection.on_close",
    "server.dispatch.",
    "server.handlers.Handlers.of_lifecycle",
    "server.socket.Socket._closed",
    "server.socket.Socket._leave",
    "server.socket.Socket.on_close",
    "server.socket.Socket.on_admitted",
    "server.socket.Socket.on_connected",
    "transports.outbox.Outbox._flush",
    "transports.workers.",
)
# What these should have taken out of a table stays there.
TAKING_OUT = ("adapters.", "engine.server.EngineServer._on_closed", "server.namespace.Namespace.remove")
FAILURES = (OSError, EOFError, AssertionError, IndexError, KeyError, Injected, gevent.Timeout)


class Site:
    """A server that knows who has come and gone, and two clients that were there before."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.left: list[str] = []
        # No heartbeat comes by chance; what only a heartbeat ends is ended by ``pass_time``.
        options = {"connect_timeout": 1.0, "close_timeout": 0.2, "upgrade_timeout": 0.5}
        self.running = Running(Server(ping_interval=60.0, ping_timeout=600.0, **options))
        self.io = self.running.io
        self.io.on("connection", lambda socket: self.came.append(socket.id))
        self.io.on("disconnect", lambda socket: self.left.append(socket.id))
        self.io.on("join", lambda socket, room: socket.join(room))
        self.io.on("relay", lambda socket, value: socket.broadcast.emit("relayed", value))
        self.others = [SioClient(self.running.port) for _ in range(2)]
        for other in self.others:
            other.join()

    def alive(self) -> list[SioClient]:
        """Return those who were there before and are served."""
        return [other for other in self.others if self._serves(other)]

    @staticmethod
    def _serves(other: SioClient) -> bool:
        try:
            return other.call("echo", 1, timeout=2) == [1]
        except FAILURES:
            return False

    def eventually(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; meanwhile hours pass for the server."""

        def is_so() -> bool:
            if condition():
                return True
            self.io.engine.runtime.timers.skip(5.0)
            return False

        eventually(is_so)

    def end(self) -> None:
        self.io.close()
        close_all()
        self.running.host.stop()


class Visit:
    """A client's life, phase by phase."""

    PHASES = ("handshake", "join", "event", "broadcast", "emit")

    def __init__(self, site: Site, steps: Steps, transport: str) -> None:
        self.site = site
        self.steps = steps
        self.transport = transport
        self.client: SioClient

    def run(self) -> str | None:
        """Go through it; return the phase in which it ended, if that was before the end."""
        for phase in self.PHASES:
            self.steps.phase = phase
            try:
                getattr(self, phase)()
            except FAILURES:
                break
        else:
            phase = ""
        self.steps.phase = "close"
        with suppress(*FAILURES, AttributeError):
            self.close()
        # The server learns of it.
        let_poll()
        self.steps.phase = None
        self.kill()
        return phase or None

    def handshake(self) -> None:
        self.client = SioClient(self.site.running.port, self.transport)

    def join(self) -> None:
        self.client.ask_to_join()
        self.client.wait(lambda: "/" in self.client.joined, timeout=PATIENCE)
        self.client.emit("join", "room")

    def event(self) -> None:
        self.client.call("echo", 1, timeout=PATIENCE)
        self.client.call("echo", b"x", timeout=PATIENCE)

    def broadcast(self) -> None:
        self.client.emit("relay", 1)
        self.site.io.to("room").emit("news", 1, b"x")
        self.client.expect("news", timeout=PATIENCE)

    def emit(self) -> None:
        self.site.io.sockets[self.client.joined["/"]].emit("own", 1)
        self.client.expect("own", timeout=PATIENCE)

    def close(self) -> None:
        self.client.close()
        self.client.closed.wait(0.02)

    def kill(self) -> None:
        if hasattr(self, "client"):
            self.client.kill()


class Upgrade(Visit):
    """A client that moves from polling to a WebSocket."""

    PHASES = ("handshake", "join", "upgrade", "event", "emit")
    poller: Poller
    ws: WebSocket
    sid: str

    def handshake(self) -> None:
        self.poller = Poller(self.site.running.port).open()

    def join(self) -> None:
        self.sid = self.poller.join()

    def upgrade(self) -> None:
        self.poller.hold()
        query = f"EIO=4&transport=websocket&sid={self.poller.sid}"
        self.ws = WebSocket(self.site.running.port, query, deadline=PATIENCE)
        self.ws.send("2probe")
        assert self.ws.receive() == "3probe"
        assert self.poller.held() == ["6"]
        self.ws.send("5")

    def event(self) -> None:
        self.ws.send('420["echo",1]')
        assert self.ws.receive() == "430[1]"

    def emit(self) -> None:
        self.site.io.sockets[self.sid].emit("own", 1)
        assert self.ws.receive() == '42["own",1]'

    def close(self) -> None:
        self.ws.close()

    def kill(self) -> None:
        for each in (getattr(self, "poller", None), getattr(self, "ws", None)):
            if each is not None:
                each.close()


@pytest.fixture
def sites() -> Iterator[Callable[[], Site]]:
    """Make servers, of which the last one is kept until the end."""
    made: list[Site] = []

    def make() -> Site:
        for site in made:
            site.end()
        made[:] = [Site()]
        return made[0]

    yield make
    made[0].end()


@pytest.mark.parametrize("transport", ["websocket", "polling", "upgrade"])
def test_a_defect_in_any_step_costs_one_connection_and_its_end_is_told_once(
    sites: Callable[[], Site], scale: Scale, figure: Callable[[str], None], transport: str, caplog: Any
) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    vars(gevent.get_hub())["exception_stream"] = StringIO()
    steps = Steps()
    kind = Upgrade if transport == "upgrade" else Visit
    ended: Counter[str] = Counter()
    broken: list[str] = []
    with steps.installed():
        site = sites()
        for _ in range(3):
            assert kind(site, steps, transport).run() is None
            assert not _problem(site, "")
        candidates = [step for step in sorted(steps.called) if not step[1].startswith(TELLING)]
        count = min(scale(30, 10_000), len(candidates))
        for step in Random(SEED).sample(candidates, count):
            steps.failing = step
            ended[kind(site, steps, transport).run() or "close"] += 1
            problem = _problem(site, step[1])
            if problem:
                broken.append(f"{step}: {problem}")
            if problem or len(site.others) < 2 or step[1].startswith(TAKING_OUT):
                site = sites()
        steps.failing = None
    assert not broken, "\n".join(broken)
    figure(f"{count:,} defects in as many steps over {transport}: {dict(ended)}; nobody else was hurt")


def _problem(site: Site, failed: str) -> str:
    """Return what is wrong once the visitor has gone; nothing should be."""
    # The step may have been one for another client, whose connection then was the one that it has cost.
    alive = site.alive()
    if len(alive) < len(site.others) - 1:
        return "nobody is served"
    for other in site.others:
        if other not in alive:
            other.kill()
    site.others = alive
    ids = {other.joined["/"] for other in alive}
    try:
        site.eventually(lambda: sorted(site.left) == sorted(set(site.came) - ids))
        if not failed.startswith(TAKING_OUT):
            site.eventually(lambda: set(site.io.engine.sessions) == {other.sid for other in alive})
            assert set(site.io.sockets) == ids
            assert site.io.rooms() == ids
            assert site.io.engine.joined == len(ids)
            assert site.io.engine.clients_count == len(ids)
    except AssertionError as error:
        came, left = Counter(site.came), Counter(site.left)
        return f"{error!r:.80} came {came - left} left {left - came} rooms {site.io.rooms() - ids}"
    return ""
