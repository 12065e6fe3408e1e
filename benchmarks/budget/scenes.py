"""What is counted: each scene is one kind of work, and its function plays the clients' side of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.budget.client import BINARY, TEXT, Poller, WebSocket, eventually, frame
from benchmarks.budget.cost import Cost
from benchmarks.budget.counting import Calls, cost_of
from benchmarks.budget.memory import measure_memory
from benchmarks.budget.stage import Stage

BURST = 16
# The cost of a recipient is the difference between two broadcasts.
FEW, MANY = 20, 100
PING_INTERVAL = 0.01

ECHO = frame(TEXT, b'421["echo","0123456789abcdef0123456789abcdef"]')
BINARY_ECHO = frame(TEXT, b'451-1["echo",{"_placeholder":true,"num":0}]') + frame(BINARY, bytes(32))
POLLED_ECHO = b'421["echo","0123456789abcdef0123456789abcdef"]'
NEWS = frame(TEXT, b'42["news","0123456789abcdef0123456789abcdef"]')


def echo_one(stage: Stage) -> Calls:
    """One event with its acknowledgement, nothing else on its way."""
    client = stage.join(WebSocket)

    def exchange() -> None:
        client.send(ECHO)
        client.receive()

    return stage.count(exchange)


def echo_burst(stage: Stage) -> Calls:
    """Sixteen events that come in one segment, with their acknowledgements."""
    client = stage.join(WebSocket)

    def exchange() -> None:
        client.send(ECHO * BURST)
        for _ in range(BURST):
            client.receive()

    return stage.count(exchange)


def binary_echo(stage: Stage) -> Calls:
    """One event with a binary argument, which its acknowledgement brings back."""
    client = stage.join(WebSocket)

    def exchange() -> None:
        client.send(BINARY_ECHO)
        client.receive()
        client.receive()

    return stage.count(exchange)


def broadcast_recipient(stage: Stage) -> Calls:
    """One recipient of a broadcast to everyone."""
    clients = [stage.join(WebSocket) for _ in range(FEW)]

    def broadcast() -> None:
        clients[0].send(NEWS)
        for client in clients:
            client.receive()

    few = stage.count(broadcast, group=2)
    clients += [stage.join(WebSocket) for _ in range(MANY - FEW)]
    many = stage.count(broadcast, group=2)
    each = {name: round((calls - few.get(name, 0)) / (MANY - FEW), 2) for name, calls in many.items()}
    return {name: rate for name, rate in each.items() if rate}


def polling_pair(stage: Stage) -> Calls:
    """A GET that is held, and a POST with an event whose acknowledgement answers it."""
    client = stage.join(Poller)
    session: Any = stage.io.engine.sessions[client.sid]

    def exchange() -> None:
        client.begin_poll()
        eventually(lambda: session.transport.held)
        client.post(POLLED_ECHO)
        client.polled()

    return stage.count(exchange)


def heartbeat(stage: Stage) -> Calls:
    """One ping and its pong on an idle WebSocket."""
    client = stage.join(WebSocket)
    assert client.receive() == b"2"
    pong = frame(TEXT, b"3")

    def beat() -> None:
        client.send(pong)
        assert client.receive() == b"2"

    return stage.count(beat)


def connect(stage: Stage) -> Calls:
    """A WebSocket from its TCP connection to the joined main namespace."""
    return stage.count(lambda: stage.join(WebSocket), group=4)


Scene = Callable[[Stage], Calls]

SCENES: dict[str, tuple[Scene, dict[str, Any]]] = {
    "echo": (echo_one, {}),
    "burst of 16 echoes": (echo_burst, {}),
    "binary echo": (binary_echo, {}),
    "broadcast recipient": (broadcast_recipient, {}),
    "polling request pair": (polling_pair, {}),
    "heartbeat": (heartbeat, {"ping_interval": PING_INTERVAL}),
    "connection": (connect, {}),
}
IDLE = "idle connection"


def measure_calls(scene: Scene, **options: Any) -> Cost:
    """Return what one unit of a scene costs; ``options`` are those of the stage."""
    return cost_of(Stage(**options).play_counted(scene))


def measure() -> dict[str, Cost]:
    """Return the costs of everything there is a budget for, by name; takes two or three seconds."""
    # First, because the counters grow.
    costs = {IDLE: measure_memory()}
    costs |= {name: measure_calls(scene, **options) for name, (scene, options) in SCENES.items()}
    return costs
