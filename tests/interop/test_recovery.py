"""Connection state recovery with the official client, whose network a proxy cuts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import gevent
import pytest

from socketio_sync import Socket
from tests.interop.clients import environment, node
from tests.interop.hosts import HERE
from tests.support.proxy import Proxy, proxies
from tests.support.server import Running, Servers, eventually, serve

__all__ = ["proxies", "serve"]

pytestmark = pytest.mark.interop

KINDS = [["websocket"], ["polling"], ["polling", "websocket"]]
DEADLINE = 20.0


class Client:
    """The official client in a process of its own, behind a proxy.

    Attributes:
        lines: What it has told so far.
    """

    def __init__(
        self, site: Running, proxy: Proxy, modules: Path, transports: list[str], **options: Any
    ) -> None:
        self.site = site
        self.proxy = proxy
        self.lines: list[list[Any]] = []
        command = [
            node(),
            str(HERE / "recovery.js"),
            str(proxy.port),
            json.dumps(transports),
            json.dumps(options),
        ]
        self._process = subprocess.Popen(
            command,
            env=environment(NODE_PATH=str(modules)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        pool = gevent.get_hub().threadpool
        output: Any = self._process.stdout
        while line := pool.apply(output.readline):
            self.lines.append(json.loads(line))

    def tell(self, command: str) -> None:
        standard_input: Any = self._process.stdin
        standard_input.write(f"{command}\n")
        standard_input.flush()

    def events(self) -> list[list[Any]]:
        """Return name and arguments of the events so far, without the offsets, which are texts."""
        return [
            [v for v in line[1:] if not (isinstance(v, str) and "." in v)]
            for line in self.lines
            if line[0] == "event"
        ]

    def wait(self, condition: Callable[[], Any]) -> Any:
        try:
            return eventually(condition, deadline=DEADLINE)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.lines[-10:]}; {self.site.record[-5:]}") from None

    def connected(self, times: int) -> tuple[str, bool]:
        """Wait until it has connected so often; return its id, and whether it was recovered."""
        self.wait(lambda: len(self._connects()) >= times)
        _, sid, recovered = self._connects()[times - 1]
        return sid, recovered

    def _connects(self) -> list[list[Any]]:
        return [line for line in self.lines if line[0] == "connect"]

    def lose(self, during: Callable[[], Any] = lambda: None) -> None:
        """Cut the network; do something once both sides have noticed, and let the client come back."""
        times, reasons = len(self._connects()), len(self.site.reasons())
        self.proxy.refuses = True
        self.proxy.cut()
        self.wait(lambda: len(self.site.reasons()) > reasons)
        during()
        self.proxy.refuses = False
        self.connected(times + 1)

    def stop(self) -> None:
        self._process.kill()
        self._reader.join(5)
        self._process.wait(5)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


Start = Callable[..., Client]


@pytest.fixture
def start(serve: Servers, client_modules: Path, proxies: list[Proxy]) -> Iterator[Start]:
    clients: list[Client] = []

    def start(transports: list[str], *, recovery: Any = True, client: Any = None, **options: Any) -> Client:
        # A polling client that is between two polls is missed at its heartbeat only.
        beat = {"ping_interval": 0.5, "ping_timeout": 1.0} if "polling" in transports else {}
        site = serve(connection_state_recovery=recovery, **{**beat, **options})
        proxies.append(Proxy(site.port))
        clients.append(Client(site, proxies[-1], client_modules, transports, **(client or {})))
        clients[-1].connected(1)
        eventually(lambda: site.sockets)
        return clients[-1]

    yield start
    for client in clients:
        client.stop()


@pytest.mark.feature(119)
@pytest.mark.parametrize("transports", KINDS)
def test_events_that_were_missed_come_first(start: Start, transports: list[str]) -> None:
    client = start(transports)
    site = client.site
    (socket,) = site.sockets
    socket.join("lobby")
    socket.data["name"] = "ann"
    site.io.emit("before", 1)
    client.wait(lambda: client.events() == [["before", 1]])

    def during() -> None:
        site.io.emit("all", 2)
        site.io.to("lobby").emit("lobby", b"\x01\x02")
        site.io.to("elsewhere").emit("elsewhere")
        socket.emit("own", 3)
        site.io.volatile.emit("volatile", "lost")

    client.lose(during)
    assert client.connected(2) == (socket.id, True)
    again: Socket = client.wait(lambda: site.sockets[1:])[0]
    assert again.recovered
    assert again.rooms == {socket.id, "lobby"}
    assert again.data == {"name": "ann"}
    again.emit("after", 4)
    expected = [["before", 1], ["all", 2], ["lobby", "binary:0102"], ["own", 3], ["after", 4]]
    client.wait(lambda: len(client.events()) >= len(expected))
    assert client.events() == expected


@pytest.mark.parametrize("transports", KINDS)
def test_it_is_recovered_though_nothing_was_sent_before(start: Start, transports: list[str]) -> None:
    client = start(transports)
    client.lose(lambda: client.site.io.emit("missed"))
    assert client.connected(2)[1]
    client.wait(lambda: client.events() == [["missed"]])


@pytest.mark.parametrize("transports", KINDS)
def test_binary_and_volatile_events_around_the_cut(start: Start, transports: list[str]) -> None:
    client = start(transports)
    site = client.site
    site.io.emit("blob", b"\x01", {"deep": [b"\x02"]})
    client.wait(lambda: client.events())
    # Over polling it is lost while no GET is held: so wait until one is.
    client.wait(lambda: site.sockets[0].conn.writable)
    site.io.volatile.emit("volatile", "a text")
    client.wait(lambda: len(client.events()) == 2)
    client.lose(lambda: site.io.emit("blob", b"\x03"))
    assert client.connected(2)[1]
    client.wait(lambda: len(client.events()) == 3)
    assert client.events()[1:] == [["volatile", "a text"], ["blob", "binary:03"]]


def test_an_expired_session_begins_anew(start: Start) -> None:
    client = start(["websocket"], recovery={"max_disconnection_duration": 0.05})
    recovery = client.site.io.of("/").recovery
    assert recovery is not None
    (socket,) = client.site.sockets
    pid = socket.journal.pid if socket.journal is not None else ""
    client.lose(lambda: client.wait(lambda: not recovery.is_kept(pid)))
    sid, recovered = client.connected(2)
    assert not recovered
    assert sid != socket.id


def test_an_unknown_secret_begins_anew(start: Start) -> None:
    client = start(["websocket"])
    client.tell("pid unknown")
    client.tell("show pid")
    client.wait(lambda: client.lines[-1][:2] == ["pid", "unknown"])
    client.lose()
    assert not client.connected(2)[1]
    client.wait(lambda: len(client.site.sockets) == 2)
    assert "unknown" in str(client.site.sockets[1].recovery_failure)


def test_a_secret_is_good_for_one_session(start: Start) -> None:
    client = start(["websocket"])
    (socket,) = client.site.sockets
    assert socket.journal is not None
    pid = socket.journal.pid
    client.tell("disconnect")
    client.site.reached("disconnect", "/", "client namespace disconnect")
    client.tell(f"pid {pid}")
    client.tell("connect")
    sid, recovered = client.connected(2)
    assert not recovered
    assert sid != socket.id


def test_more_than_the_server_keeps_is_told_as_lost(start: Start) -> None:
    client = start(["websocket"], recovery={"max_events": 10})
    site = client.site

    def flood() -> None:
        for number in range(11):
            site.io.emit("missed", number)

    client.lose(flood)
    assert not client.connected(2)[1]
    client.wait(lambda: len(site.sockets) == 2)
    assert site.sockets[1].recovery_failure == "events that were missed aren't kept any more"
    assert client.events() == []


def test_a_connection_whose_end_nobody_noticed_is_closed_when_its_client_comes_back(start: Start) -> None:
    client = start(["websocket"])
    site = client.site
    (socket,) = site.sockets
    client.proxy.stall()
    site.io.emit("missed", 1)
    client.tell("drop")
    assert client.connected(2) == (socket.id, True)
    client.wait(lambda: client.events() == [["missed", 1]])
    assert site.reasons() == ["transport close"]
    assert list(site.io.sockets) == [socket.id]


@pytest.mark.feature(68)
@pytest.mark.parametrize("transports", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_cut_anywhere_each_event_comes_once_and_in_order(
    start: Start, transports: list[str], seed: int
) -> None:
    random = Random(seed)
    client = start(transports)
    site = client.site
    expected: list[list[Any]] = []
    for number in range(150):
        if number % 25 == 10:
            # Somewhere within what follows.
            client.proxy.budget = random.randrange(1, 600)
        kind = random.choice(["all", "own", "room", "blob"])
        socket = site.sockets[-1]
        if kind == "own":
            socket.emit("own", number)
        elif kind == "room":
            site.io.to(socket.id).emit("room", number)
        elif kind == "blob":
            site.io.emit("blob", number, bytes([number]))
        else:
            site.io.emit("all", number)
        expected.append([kind, number, f"binary:{number:02x}"] if kind == "blob" else [kind, number])
        if random.random() < 0.3:
            gevent.sleep(random.choice([0, 0.001, 0.01]))
    client.proxy.budget = None
    client.wait(lambda: len(client.events()) >= len(expected))
    assert client.events() == expected
    assert [socket.recovery_failure for socket in site.sockets if not socket.recovered] == [None]


@pytest.mark.feature(99)
def test_messagepack_is_recovered_too(start: Start) -> None:
    client = start(["websocket"], parser="msgpack", client={"msgpack": True})
    client.site.io.emit("before", b"\x01")
    client.wait(lambda: client.events())
    client.lose(lambda: client.site.io.emit("missed", {"deep": [b"\x02"]}))
    assert client.connected(2)[1]
    client.wait(lambda: len(client.events()) == 2)


def test_acknowledgements_in_flight_fail_and_later_ones_work(start: Start) -> None:
    client = start(["websocket"])
    (socket,) = client.site.sockets
    assert socket.call("question") == "answer"
    client.lose()
    assert client.connected(2)[1]
    again = client.wait(lambda: client.site.sockets[1:])[0]
    assert again.call("question") == "answer"
