"""Asking many clients at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from socketio_sync import AckTimeout, Disconnected, Socket
from tests.support.outcomes import in_thread, outcome
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect, SioClient


def crowd(
    serve: Servers, connect: Connect, count: int = 3, **options: Any
) -> tuple[Running, list[SioClient]]:
    site = serve(**options)
    clients = [connect(site, "polling" if index == 1 else "websocket") for index in range(count)]
    for index, client in enumerate(clients):
        client.answers["who"] = lambda *_, index=index: [index, "more"]
    return site, clients


def test_call_returns_the_first_value_of_each_answer(serve: Servers, connect: Connect) -> None:
    site, _ = crowd(serve, connect)
    assert sorted(site.io.call("who")) == [0, 1, 2]
    assert sorted(site.io.except_(site.sockets[2].id).call("who", "argument")) == [0, 1]
    assert site.io.to("nobody").call("who") == []
    assert site.io.of("/empty").call("who") == []


@pytest.mark.feature(54)
def test_call_each_tells_who_answered_what(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect)
    ids = [socket.id for socket in site.sockets]
    clients[2].answers["who"] = lambda: None
    answers = site.io.timeout(0.05).call_each("who")
    assert {sid: answers[sid] for sid in ids[:2]} == {ids[0]: (0, "more"), ids[1]: (1, "more")}
    assert isinstance(answers[ids[2]], AckTimeout)


@pytest.mark.feature(53)
def test_a_timeout_has_the_answers_that_did_come(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect)
    clients[0].answers["who"] = lambda: None
    with pytest.raises(AckTimeout, match=r"2 of 3 clients acknowledged within 0\.05 s") as raised:
        site.io.timeout(0.05).call("who")
    assert sorted(raised.value.responses) == [1, 2]
    # Nothing is left of it.
    assert all(not socket._acks for socket in site.sockets)


def test_ack_timeout_is_the_time_where_none_is_said(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect, 1, ack_timeout=0.05)
    clients[0].answers["who"] = lambda: None
    with pytest.raises(AckTimeout, match=r"0 of 1 clients acknowledged within 0\.05 s"):
        site.io.call("who")


def test_who_leaves_counts_as_missing_at_once(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect)
    # Not in the greenlet that reads, which ends by that.
    clients[0].answers["who"] = lambda: gevent.spawn(clients[0].kill) and None
    began = time.monotonic()
    with pytest.raises(AckTimeout, match="2 of 3 clients acknowledged, the others never will"):
        site.io.timeout(60).call("who")
    clients[2].answers["who"] = lambda: clients[2].disconnect()
    answers = site.io.timeout(60).call_each("who")
    assert isinstance(answers[site.sockets[2].id], Disconnected)
    assert answers[site.sockets[1].id] == (1, "more")
    assert time.monotonic() - began < 5


@pytest.mark.feature(53)
def test_an_emit_calls_back_with_error_and_answers(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect)
    got: list[Any] = []

    def ack(error: AckTimeout | None, responses: list[Any]) -> None:
        got.append((error, sorted(responses)))

    site.io.emit("who", ack=ack)
    eventually(lambda: got)
    assert got.pop() == (None, [0, 1, 2])
    site.io.to("nobody").emit("who", ack=ack)
    assert got.pop() == (None, [])
    clients[0].answers["who"] = lambda: None
    site.io.timeout(0.05).emit("who", ack=ack)
    eventually(lambda: got)
    error, responses = got.pop()
    assert isinstance(error, AckTimeout)
    assert error.responses == responses or sorted(error.responses) == responses
    assert responses == [1, 2]


def test_one_broadcast_has_one_id_for_all(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect)
    seen: list[int | None] = []
    for client in clients:
        original = client._on_incoming

        def spy(packet: Any, original: Callable[[Any], None] = original) -> None:
            if packet.type == 2:
                seen.append(packet.id)
            original(packet)

        client._on_incoming = spy  # type: ignore[method-assign]
    site.io.call("who")
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.parametrize("ask", [lambda io: io.call("who"), lambda io: list(io.call_each("who").values())])
def test_a_call_may_come_from_a_thread_and_from_a_handler(serve: Servers, connect: Connect, ask: Any) -> None:
    site, clients = crowd(serve, connect)
    for client in clients:
        client.answers["who"] = lambda: ["here"]
    assert in_thread(lambda: ask(site.io)).get(timeout=5)[1] in (["here"] * 3, [("here",)] * 3)
    site.io.on("poll", lambda socket: ask(site.io))
    assert clients[0].call("poll") in ([["here"] * 3], [[["here"]] * 3])


def test_what_cannot_be_sent_is_the_callers_error_and_leaves_nothing(
    serve: Servers, connect: Connect
) -> None:
    site, _ = crowd(serve, connect, 1)
    for ask in (site.io.call, site.io.call_each):
        with pytest.raises(TypeError):
            ask("who", object())
        with pytest.raises(ValueError, match="reserved"):
            ask("connect")
    with pytest.raises(TypeError):
        site.io.emit("who", object(), ack=print)
    assert site.sockets[0]._acks == {}


def test_a_client_that_owes_too_much_is_missing_and_the_others_answer(
    serve: Servers, connect: Connect
) -> None:
    site, _clients = crowd(serve, connect, 2, max_pending_acks=1)
    first = site.sockets[0]
    first.emit("never", ack=print)
    answers = site.io.timeout(5).call_each("who")
    assert "acknowledgements" in str(answers[first.id])
    assert answers[site.sockets[1].id] == (1, "more")


def test_a_handler_that_asks_everybody_has_its_own_client_read_on(serve: Servers, connect: Connect) -> None:
    site, clients = crowd(serve, connect, 1, max_queued_events=1)

    def ask(socket: Socket) -> list[Any]:
        return site.io.timeout(5).call("who")

    site.io.on("ask", ask)
    site.collect("more")
    result = clients[0].ask("ask")
    for number in range(5):
        clients[0].emit("more", number)
    assert result.get(timeout=5) == [[0]]
    eventually(lambda: len(site.events()) == 5)


def test_a_volatile_question_goes_only_to_who_can_take_it(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site, "websocket")
    client.answers["who"] = lambda: ["here"]
    assert site.io.volatile.call("who") == ["here"]
    assert site.sockets[0].volatile.call("who") == "here"


@pytest.mark.parametrize("how", ["call", "ack"])
def test_many_questions_to_a_mute_client_leave_nothing(serve: Servers, connect: Connect, how: str) -> None:
    site, clients = crowd(serve, connect, 2)
    for client in clients:
        client.answers["who"] = lambda: None
    got: list[Any] = []
    if how == "call":
        asking = [gevent.spawn(outcome, site.io.timeout(0.05).call, "who") for _ in range(50)]
        got = [each.get(timeout=5) for each in asking]
    else:
        for _ in range(50):
            site.io.timeout(0.05).emit("who", ack=lambda error, responses: got.append(error))
        eventually(lambda: len(got) == 50)
    assert all(isinstance(error, AckTimeout) for error in got)
    assert all(not socket._acks for socket in site.sockets)
    clients[0].answers["who"] = clients[1].answers["who"] = lambda: ["late"]
    assert site.io.call("who") == ["late", "late"]


def test_who_cannot_take_a_volatile_event_is_not_waited_for(serve: Servers, connect: Connect) -> None:
    site, _ = crowd(serve, connect, 2)
    slow = site.sockets[0]
    # More than the kernel takes at once.
    slow.emit("long", "x" * 10_000_000)
    eventually(lambda: not slow.conn.writable)

    began = time.monotonic()
    answers = site.io.volatile.timeout(5).call_each("who")
    assert time.monotonic() - began < 2
    assert isinstance(answers[slow.id], AckTimeout)
    assert "volatile" in str(answers[slow.id])
    assert not slow._acks
