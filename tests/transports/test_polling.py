"""A polling session's requests: a GET is held until there is something to say, a POST brings packets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest

from socketio_sync.exceptions import PacketError
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import MESSAGE, PING, Message
from socketio_sync.transports.polling import Payload, PollingTransport
from socketio_sync.transports.runtime import Runtime
from tests.support.transport_handler import Handler, eventually, turns

MARK = b"\x1e"

Make = Callable[..., PollingTransport]


@pytest.fixture
def make(runtime: Runtime) -> Iterator[Make]:
    """Make transports; no request of theirs may be left waiting."""
    made: list[PollingTransport] = []

    def make_one(*, revision: int = 4, base64: bool = False, **options: Any) -> PollingTransport:
        handler = Handler()
        transport = PollingTransport(
            runtime, handler, EngineOptions(**options), revision=revision, base64=base64
        )
        made.append(transport)
        return transport

    yield make_one
    for transport in made:
        transport.close()
        transport.resume()
        eventually(lambda transport=transport: not transport.held)


def handler(transport: PollingTransport) -> Handler:
    assert isinstance(transport.handler, Handler)
    return transport.handler


def text(data: str) -> Message:
    return Message(data.encode(), False)


def binary(data: bytes) -> Message:
    return Message(data, True)


def get(transport: PollingTransport) -> Any:
    """Begin a GET in a greenlet of its own."""
    request = gevent.spawn(transport.poll, {})
    turns()
    return request


def post(transport: PollingTransport, body: bytes, *, is_binary: bool = False) -> Any:
    """Begin a POST in a greenlet of its own."""
    request = gevent.spawn(transport.receive, body, binary=is_binary)
    turns()
    return request


def compute(seconds: float) -> None:
    """Keep the loop busy."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


# -- GET ----------------------------------------------------------------------------------------------


def test_a_get_is_answered_at_once_when_something_is_queued(make: Make) -> None:
    transport = make()
    transport.send([text("a"), text("b")])
    assert transport.poll({}) == Payload(b"4a" + MARK + b"4b", False, False)
    assert transport.queued_bytes == 0


def test_a_get_is_held_until_there_is_something_to_say(make: Make) -> None:
    transport = make()
    assert not transport.writable
    request = get(transport)
    assert transport.held
    assert transport.writable
    assert not request.ready()
    transport.send([text("now")])
    assert request.get(timeout=5).body == b"4now"
    assert not transport.held


def test_everything_of_one_turn_goes_into_one_answer(make: Make) -> None:
    transport = make()
    request = get(transport)
    for number in range(50):
        gevent.spawn(transport.send, [text(str(number))])
    assert request.get(timeout=5).body == MARK.join(b"4%d" % number for number in range(50))


def test_control_packets_go_ahead_of_messages(make: Make) -> None:
    transport = make()
    transport.send([text("message")])
    transport.send_control(PING)
    assert transport.poll({}).body == b"2" + MARK + b"4message"


@pytest.mark.parametrize(
    ("revision", "base64", "payload"),
    [
        (4, False, Payload(b"4\xc3\xbc" + MARK + b"bAQI=", False, False)),
        (3, False, Payload(b"\x00\x03\xff4\xc3\xbc\x01\x03\xff\x04\x01\x02", True, False)),
        (3, True, Payload(b"2:4\xc3\xbc6:b4AQI=", False, False)),
    ],
)
def test_payloads_are_what_the_client_can_read(
    make: Make, revision: int, base64: bool, payload: Payload
) -> None:
    transport = make(revision=revision, base64=base64)
    transport.send([text("ü"), binary(b"\x01\x02")])
    assert transport.poll({}) == payload


def test_the_handler_hears_when_everything_was_polled(make: Make) -> None:
    transport = make()
    transport.send([text("a")])
    assert handler(transport).drains == 0
    transport.poll({})
    assert handler(transport).drains == 1


def test_a_get_that_is_killed_ends_the_session(make: Make) -> None:
    transport = make()
    request = get(transport)
    request.kill()
    assert handler(transport).closes == [("transport error", "poll connection closed prematurely")]
    assert not transport.held
    moved = make()
    get(moved).kill(block=False)
    moved.detach()
    turns()
    assert handler(moved).closes == [], "the session has another connection by now"


def test_wake_ups_without_a_reason_release_nothing(make: Make, runtime: Runtime) -> None:
    transport = make()
    request = get(transport)
    for _ in range(3):
        runtime.soon(transport._switch_held)
        runtime.soon(transport._switch_posting)
        turns()
    assert transport.held
    transport.send([text("x")])
    assert request.get(timeout=5).body == b"4x"


# -- POST ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "body", "is_binary"),
    [
        (4, b"4a" + MARK + b"bAQI=" + MARK + b"2", False),
        (3, b"2:4a6:b4AQI=1:2", False),
        (3, b"\x00\x02\xff4a\x01\x03\xff\x04\x01\x02\x00\x01\xff2", True),
    ],
)
def test_packets_of_a_post_come_in_order(make: Make, revision: int, body: bytes, is_binary: bool) -> None:
    transport = make(revision=revision)
    transport.receive(body, binary=is_binary)
    assert handler(transport).packets == [(MESSAGE, "a"), (MESSAGE, b"\x01\x02"), (PING, "")]


def test_the_packets_before_a_malformed_one_are_handled(make: Make) -> None:
    transport = make()
    with pytest.raises(PacketError):
        transport.receive(b"4a" + MARK + b"x" + MARK + b"4b", binary=False)
    assert handler(transport).packets == [(MESSAGE, "a")]


@pytest.mark.parametrize(("count", "accepted"), [(10, True), (11, False)])
def test_too_many_packets_are_refused_before_the_first(make: Make, count: int, accepted: bool) -> None:
    transport = make(max_packets_per_payload=10)
    body = MARK.join([b"4x"] * count)
    if accepted:
        transport.receive(body, binary=False)
    else:
        with pytest.raises(PacketError):
            transport.receive(body, binary=False)
    assert len(handler(transport).packets) == (count if accepted else 0)


def test_what_stands_behind_a_close_is_ignored(make: Make) -> None:
    transport = make()
    handler(transport).hook = lambda data: transport.close()
    transport.receive(b"4a" + MARK + b"malformed", binary=False)
    assert handler(transport).packets == [(MESSAGE, "a")]


def test_a_long_payload_lets_others_run_every_64_packets(make: Make) -> None:
    transport = make()

    def compute(data: Any) -> None:
        until = time.perf_counter() + 0.0002
        while time.perf_counter() < until:
            pass

    handler(transport).hook = compute
    request = post(transport, MARK.join([b"4x"] * 640))
    seen = [0]
    while not request.ready():
        seen.append(len(handler(transport).packets))
        gevent.sleep(0)
    assert len(handler(transport).packets) == 640
    assert max(later - earlier for earlier, later in pairwise(seen)) <= 64


def test_a_paused_post_waits_for_resume(make: Make, runtime: Runtime) -> None:
    transport = make()
    handler(transport).hook = lambda data: transport.pause()
    request = post(transport, MARK.join([b"4a", b"4b", b"4c"]))
    for count in (1, 2, 3):
        assert len(handler(transport).packets) == count
        assert transport.paused
        assert not request.ready()
        runtime.soon(transport._switch_posting)
        turns()
        assert len(handler(transport).packets) == count
        transport.resume()
        turns()
    request.get(timeout=5)
    assert not transport.paused


@pytest.mark.parametrize("end", [PollingTransport.close, PollingTransport.left_by_client])
def test_an_end_lets_a_paused_post_go(make: Make, end: Callable[[PollingTransport], None]) -> None:
    transport = make()
    handler(transport).hook = lambda data: transport.pause()
    request = post(transport, b"4a" + MARK + b"4b")
    end(transport)
    request.get(timeout=5)
    assert len(handler(transport).packets) == 1


def test_a_move_lets_a_paused_post_go_and_none_of_its_packets_is_lost(make: Make) -> None:
    transport = make()
    handler(transport).hook = lambda data: transport.pause()
    request = post(transport, b"4a" + MARK + b"4b")
    transport.detach()
    request.get(timeout=5)
    assert len(handler(transport).packets) == 2
    # Whoever moves the session asks whether the new transport has to be paused.
    assert transport.paused


def test_a_post_gives_way_to_others_and_keeps_its_order(make: Make, runtime: Runtime) -> None:
    transport = make()
    handler(transport).hook = lambda data: compute(0.00005)
    seen: list[int] = []
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        reader = gevent.spawn(lambda: (ours.recv(1), seen.append(len(handler(transport).packets))))
        turns()
        theirs.send(b"x")
        runtime.timers.after(0.02, lambda: seen.append(len(handler(transport).packets)))
        request = gevent.spawn(transport.receive, MARK.join(b"4%d" % n for n in range(5000)), binary=False)
        request.get(timeout=10)
        reader.join(timeout=1)
    assert len(seen) == 2
    assert max(seen) < 4000
    assert [data for _, data in handler(transport).packets] == [str(number) for number in range(5000)]


def test_a_resume_that_comes_late_doesn_t_disturb_the_greenlets_next_wait(make: Make) -> None:
    # The host's greenlet goes on to its next request: whoever switches to it there breaks it.
    transport = make()

    def pause_and_resume(data: Any) -> None:
        transport.pause()
        transport.resume()
        compute(0.0002)

    handler(transport).hook = pause_and_resume

    def host() -> bytes:
        transport.receive(MARK.join([b"4x"] * 200), binary=False)
        data: bytes = ours.recv(10)
        return data

    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        request = gevent.spawn(host)
        eventually(lambda: len(handler(transport).packets) == 200)
        turns(5)
        theirs.send(b"next")
        assert request.get(timeout=5) == b"next"


# -- bounds -------------------------------------------------------------------------------------------


def test_a_client_that_doesn_t_poll_is_given_up_at_the_bound(make: Make) -> None:
    transport = make(max_outbound_bytes=1000)
    for _ in range(10):
        transport.send([binary(bytes(100))])
    assert transport.queued_bytes == 1000
    assert handler(transport).closes == []
    transport.send([binary(b"x")])
    assert handler(transport).closes == [], "whoever sends doesn't see the session end"
    turns()
    assert handler(transport).reasons == ["slow consumer"]
    # As over WebSocket, where the close frame takes the queue's place.
    assert transport.queued_bytes == 0
    assert not transport.undelivered


@pytest.mark.parametrize("parts", [1, 3])
def test_one_message_may_exceed_an_empty_queue(make: Make, parts: int) -> None:
    transport = make(max_outbound_bytes=1000)
    transport.send([binary(bytes(1001))] * parts)
    assert handler(transport).closes == []
    assert len(transport.poll({}).body.split(MARK)) == parts


def test_a_post_waits_while_too_many_answers_aren_t_polled(make: Make) -> None:
    transport = make(max_outbound_bytes=10_000)
    handler(transport).hook = lambda data: transport.send([text("a" * 1000)])
    request = post(transport, MARK.join([b"4q"] * 100))
    asked = len(handler(transport).packets)
    assert asked == 6
    got = 0
    while got < 100:
        got += len(transport.poll({}).body.split(MARK))
    request.get(timeout=5)
    assert got == 100
    assert handler(transport).closes == []


def test_an_end_lets_a_post_go_whose_answers_nobody_polls(make: Make) -> None:
    transport = make(max_outbound_bytes=1000)
    handler(transport).hook = lambda data: transport.send([text("a" * 600)])
    request = post(transport, b"4q" + MARK + b"4q")
    assert not request.ready()
    transport.close()
    request.get(timeout=5)


# -- the end ------------------------------------------------------------------------------------------


def test_a_close_answers_the_held_get(make: Make) -> None:
    transport = make()
    request = get(transport)
    transport.close()
    transport.close()
    assert request.get(timeout=5).body == b"1"
    assert transport.closed
    transport.send([text("dropped")])
    assert not transport.undelivered


def test_a_close_is_told_with_the_next_get(make: Make) -> None:
    transport = make()
    transport.close(1000, "there are no codes here")
    assert transport.poll({}).body.endswith(b"1")


def test_messages_before_a_close_are_delivered(make: Make) -> None:
    transport = make()
    transport.send([text("last")])
    transport.close()
    bodies = []
    while transport.undelivered:
        bodies += transport.poll({}).body.split(MARK)
    assert bodies == [b"4last", b"1"]


def test_a_client_that_leaves_gets_its_get_back(make: Make) -> None:
    transport = make()
    request = get(transport)
    transport.left_by_client()
    assert request.get(timeout=5).body == b"6"


def test_a_release_answers_with_a_noop_and_the_session_goes_on(make: Make) -> None:
    transport = make()
    transport.release()
    assert not transport.undelivered
    request = get(transport)
    transport.release()
    assert request.get(timeout=5).body == b"6"
    assert handler(transport).closes == []


def test_a_move_takes_along_what_nobody_polled(make: Make) -> None:
    transport = make()
    messages = [text("a"), binary(b"b")]
    transport.send(messages)
    transport.send_control(PING)
    # The heartbeat too: a peer that never gets it gives the connection up.
    assert transport.detach() == ([(PING, "")], [messages])
    transport.send([text("to the wrong transport")])
    assert transport.poll({}).body == b"6"


def test_a_move_doubles_nothing_when_a_get_was_about_to_be_answered(make: Make) -> None:
    transport = make()
    request = get(transport)
    transport.send([text("once")])
    transport.flush()
    _, (left,) = transport.detach()
    assert [message.data for message in left] == [b"once"]
    assert request.get(timeout=5).body == b"6"
