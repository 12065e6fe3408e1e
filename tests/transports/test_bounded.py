"""What is lost, and who waits, where a client takes too little and the policy isn't to disconnect it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import pytest

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import PING, Batch, Message
from socketio_sync.transports.bounded import BoundedPolling, BoundedWebSocket
from socketio_sync.transports.polling import Payload
from socketio_sync.transports.runtime import Runtime
from tests.support.transport_handler import (
    CLOSE,
    TEXT,
    TINY,
    Handler,
    Wires,
    eventually,
    frames,
    seeded,
    turns,
    unix_pair,
)

LIMIT = 10_000
SIZE = 1000
# What is kept of the limit for those who don't wait.
RESERVE = LIMIT // 8
POLICIES = pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])


class Client(NamedTuple):
    """A client that takes nothing until it is asked what it gets.

    Attributes:
        transport: The transport to it.
        handler: Who stands above that.
        takes: Takes all that is queued.
        room: For how many messages of ``SIZE`` there is room.
        waits: How many are queued before one has to wait.
    """

    transport: Any
    handler: Handler
    takes: Callable[[], list[bytes]]
    room: int
    waits: int


@pytest.fixture(params=["websocket", "polling"])
def client(request: pytest.FixtureRequest, wires: Wires, runtime: Runtime) -> Callable[..., Client]:
    """Make a client of each kind, with room for ``room`` messages of ``SIZE`` bytes and no more."""

    def websocket(**options: Any) -> Client:
        wire = wires(pair=unix_pair(TINY), max_outbound_bytes=LIMIT, **options)
        assert isinstance(wire.transport, BoundedWebSocket)
        # Something that has begun, and can't be taken back; it fits in no queue.
        wire.transport.send([Message(b"kept" + bytes(300_000), True)])
        turns()
        begun = wire.transport.queued_bytes
        options_of: Any = wire.transport.options
        object.__setattr__(options_of, "max_outbound_bytes", begun + LIMIT)
        # As if it had been made so.
        wire.transport._room.limit = begun + LIMIT - RESERVE

        def takes() -> list[bytes]:
            reading = gevent.spawn(wire.peer.rest)
            eventually(lambda: not wire.transport.queued_bytes)
            wire.transport.close(1000)
            gevent.spawn(wire.peer.sock.shutdown, 1)
            eventually(lambda: wire.handler.closes)
            payloads = [(opcode, payload) for opcode, payload in frames(reading.get(timeout=5))]
            assert payloads[-1][0] == CLOSE
            return [payload[1:] if opcode == TEXT else payload for opcode, payload in payloads[:-1]][1:]

        # Each frame has a head, of four bytes at this length, and the packet's type.
        return Client(
            wire.transport, wire.handler, takes, LIMIT // (SIZE + 5), (LIMIT - RESERVE) // (SIZE + 5)
        )

    def polling(**options: Any) -> Client:
        handler = Handler()
        settings = EngineOptions(max_outbound_bytes=LIMIT, **options)
        transport = BoundedPolling(runtime, handler, settings, revision=4)

        def takes() -> list[bytes]:
            payload = transport.poll({})
            assert isinstance(payload, Payload)
            items = payload.body.split(b"\x1e")
            return [item[1:] for item in items]

        return Client(transport, handler, takes, LIMIT // SIZE, (LIMIT - RESERVE) // SIZE)

    return {"websocket": websocket, "polling": polling}[request.param]


def numbered(number: int, head: str = "") -> Message:
    return Message(f"{head}{number:03}".encode().ljust(SIZE, b"."), False)


def names(taken: list[bytes]) -> list[str]:
    return [data.rstrip(b".").decode() for data in taken]


@POLICIES
def test_a_message_is_lost_at_the_limit_and_none_before_it(client: Any, policy: str) -> None:
    peer = client(outbound_policy=policy)
    for number in range(peer.room):
        peer.transport.send([numbered(number)])
    assert peer.handler.dropped == 0
    peer.transport.send([numbered(peer.room)])
    peer.transport.send([numbered(peer.room + 1)])
    assert peer.handler.dropped == 2
    left = [f"{number:03}" for number in range(peer.room + 2)]
    assert names(peer.takes()) == (left[2:] if policy == "drop_oldest" else left[:-2])


@POLICIES
def test_what_holds_the_protocol_together_is_never_lost(client: Any, policy: str) -> None:
    peer = client(outbound_policy=policy)
    for number in range(peer.room):
        peer.transport.send([numbered(number, "kept" if number % 2 else "")])
    for number in range(peer.room, peer.room + 3):
        peer.transport.send([numbered(number, "kept")])
    assert peer.handler.dropped == 3
    taken = names(peer.takes())
    events = [f"{number:03}" for number in range(0, peer.room, 2)]
    assert [name for name in taken if "kept" not in name] == (
        events[3:] if policy == "drop_oldest" else events[:-3]
    )
    kept = [number for number in range(peer.room + 3) if number % 2 or number >= peer.room]
    assert [name for name in taken if "kept" in name] == [f"kept{number:03}" for number in kept]
    # And all of it in the order in which it was sent.
    assert [name.removeprefix("kept") for name in taken] == sorted(n.removeprefix("kept") for n in taken)


@POLICIES
def test_a_message_is_lost_with_its_attachments(client: Any, policy: str) -> None:
    peer = client(outbound_policy=policy)
    for number in range(3):
        text = f"event{number}".encode()
        peer.transport.send_parts(text, [bytes([65 + number]) * 2000])
    peer.transport.send_shared(Batch((Message(b"event3", False), Message(b"D" * 2000, True))))
    assert peer.handler.dropped == 0
    peer.transport.send_shared(
        Batch((Message(b"event4", False), Message(b"E" * 3000, True)), (Message(b"event5", False),))
    )
    assert peer.handler.dropped == (1 if policy == "drop_newest" else peer.handler.dropped)
    taken = peer.takes()
    texts = [data.decode() for data in taken if data.startswith(b"event")]
    assert texts == (
        ["event1", "event2", "event3", "event4", "event5"]
        if policy == "drop_oldest"
        else ["event0", "event1", "event2", "event3", "event5"]
    )
    assert len(taken) == 9


@POLICIES
def test_a_message_may_exceed_an_empty_queue(runtime: Runtime, policy: str) -> None:
    handler = Handler()
    options = EngineOptions(max_outbound_bytes=1000, outbound_policy=policy)  # type: ignore[arg-type]
    transport = BoundedPolling(runtime, handler, options, revision=4)
    transport.send([Message(bytes(5000), True)])
    assert (handler.dropped, transport.queued_bytes) == (0, 5000)
    transport.send([Message(bytes(6000), True)])
    assert handler.dropped == 1
    assert transport.queued_bytes == (6000 if policy == "drop_oldest" else 5000)


@POLICIES
def test_where_nothing_may_be_lost_the_client_is_disconnected(client: Any, policy: str) -> None:
    peer = client(outbound_policy=policy, close_timeout=0.1)
    for number in range(peer.room + 1):
        peer.transport.send([numbered(number, "kept")])
    eventually(lambda: peer.handler.closes)
    assert peer.handler.reasons[0] == "slow consumer"
    assert peer.handler.dropped == 0


@POLICIES
def test_heartbeats_are_never_lost(client: Any, policy: str) -> None:
    peer = client(outbound_policy=policy)
    peer.transport.send_control(PING)
    for number in range(peer.room + 20):
        peer.transport.send([numbered(number)])
    assert b"" in peer.takes()


@POLICIES
def test_whatever_happens_the_limit_holds_and_the_order_is_kept(client: Any, policy: str) -> None:
    random = seeded()
    peer = client(outbound_policy=policy)
    limit = peer.transport.options.max_outbound_bytes
    sent = 0
    kept = []
    for number in range(300):
        head = "kept" if random.random() < 0.02 else ""
        if head and len(kept) < 5:
            kept.append(f"kept{number:03}")
        else:
            head = ""
        data = f"{head}{number:03}".encode().ljust(random.randrange(8, 1500), b".")
        peer.transport.send([Message(data, False)])
        sent += 1
        assert peer.transport.queued_bytes <= limit
    taken = names(peer.takes())
    assert [name for name in taken if "kept" in name] == kept
    order = [int(name.removeprefix("kept")) for name in taken]
    assert order == sorted(set(order))
    assert len(taken) + peer.handler.dropped == sent
    assert peer.handler.closes == [] or peer.handler.reasons == ["transport close"]


# -- waiting ----------------------------------------------------------------------------------------------


def test_who_sends_waits_until_there_is_room(client: Any) -> None:
    peer = client(outbound_policy="block")
    sent: list[int] = []

    def send() -> None:
        for number in range(peer.waits + 5):
            peer.transport.send_text(numbered(number).data)
            sent.append(number)

    sending = gevent.spawn(send)
    turns()
    assert sent == list(range(peer.waits))
    # Acknowledgements don't wait.
    peer.transport.send_text(b"kept")
    taken: list[bytes] = []
    if isinstance(peer.transport, BoundedPolling):
        while len(taken) < peer.waits + 6:
            taken += peer.takes()
        sending.get(timeout=5)
    else:
        taking = gevent.spawn(peer.takes)
        sending.get(timeout=5)
        taken = taking.get(timeout=5)
    assert [name for name in names(taken) if name != "kept"] == [f"{n:03}" for n in range(peer.waits + 5)]
    assert peer.handler.dropped == 0


def test_nobody_waits_longer_than_a_stall_may_last(client: Any) -> None:
    peer = client(outbound_policy="block", write_stall_timeout=0.1, close_timeout=0.1)
    began = time.monotonic()
    gevent.spawn(lambda: [peer.transport.send([numbered(n)]) for n in range(peer.waits + 1)]).join(5)
    assert 0.09 <= time.monotonic() - began < 2
    eventually(lambda: peer.handler.closes)
    reason, description = peer.handler.closes[0]
    assert reason == "slow consumer"
    # A WebSocket whose peer takes nothing at all may be found stalled first.
    assert description in ("too much was queued for 0.1 s", "nothing was read for 0.1 s")


def test_the_hub_does_not_wait(client: Any, runtime: Runtime) -> None:
    peer = client(outbound_policy="block", close_timeout=0.1)
    runtime.soon(lambda: [peer.transport.send([numbered(n)]) for n in range(peer.room + 1)])
    turns()
    eventually(lambda: peer.handler.closes)
    assert peer.handler.reasons[0] == "slow consumer"


def test_a_broadcast_does_not_wait_for_one_of_many(client: Any, runtime: Runtime) -> None:
    peer = client(outbound_policy="block", close_timeout=0.1)
    other = client(outbound_policy="block")
    got: list[int] = []

    def fan_out(recipients: Any, batch: Batch) -> None:
        for recipient in recipients:
            recipient.send_shared(batch)
            got.append(1)

    for number in range(peer.room):
        peer.transport.send([numbered(number, "kept")])
    runtime.outbox.deliver((peer.transport, other.transport), Batch((numbered(1),)), fan_out)
    runtime.outbox.settle()
    assert len(got) == 2
    eventually(lambda: peer.handler.closes)
    assert other.handler.closes == []


def test_a_client_that_goes_wakes_those_who_wait(client: Any) -> None:
    peer = client(outbound_policy="block", close_timeout=0.1)
    sending = gevent.spawn(lambda: [peer.transport.send([numbered(n)]) for n in range(peer.waits + 1)])
    turns()
    assert not sending.dead
    assert peer.handler.closes == []
    peer.transport.close()
    sending.get(timeout=5)


def test_who_waits_when_the_session_moves_goes_on_with_the_new_transport(runtime: Runtime) -> None:
    handler: Any = Handler()
    moved: list[Any] = []
    options = EngineOptions(max_outbound_bytes=LIMIT, outbound_policy="block")
    transport = BoundedPolling(runtime, handler, options, revision=4)

    class Other:
        def send(self, messages: Any) -> None:
            moved.append(messages)

    handler.transport = Other()
    room = (LIMIT - RESERVE) // SIZE
    sending = gevent.spawn(lambda: [transport.send([numbered(n)]) for n in range(room + 1)])
    turns()
    _, units = transport.detach()
    assert [len(unit) for unit in units] == [1] * room
    sending.get(timeout=5)
    assert moved == [[moved[0][0]]]
    assert moved[0][0].data == numbered(room).data
