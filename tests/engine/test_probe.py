"""A probing WebSocket takes the session over, or is closed while the session stays on polling."""

from __future__ import annotations

import pytest

from tests.support.server import Servers, descriptors, eventually


def test_a_held_poll_is_released_at_the_probe_and_the_session_moves(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    session = running.session(poller.sid)
    poller.hold()
    eventually(lambda: session.transport.held)  # type: ignore[attr-defined]
    ws = running.probe(poller)
    ws.send("2probe")
    assert ws.text() == "3probe"
    assert poller.held() == ["6"]
    assert session.upgrading
    ws.send("5")
    eventually(lambda: session.transport.name == "websocket")
    assert not session.upgrading
    assert ws.is_quiet()


def test_what_was_not_polled_moves_in_order(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.send("2probe")
    assert ws.text() == "3probe"
    (socket,) = running.sockets
    for number in range(5):
        socket.emit("n", number)
    ws.send("5")
    assert [ws.text() for _ in range(5)] == [f'42["n",{number}]' for number in range(5)]


@pytest.mark.parametrize("packets", [["4x"], ["5"], ["2"], ["2probe", "4x"], ["x"], [b"2probe"]])
def test_anything_else_ends_the_websocket_and_not_the_session(
    serve: Servers, packets: list[str | bytes]
) -> None:
    running = serve()
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.send(*packets)
    if packets[0] == "2probe":
        assert ws.text() == "3probe"
    assert ws.closed() == 1008
    poller.say('421["echo",1]')
    assert poller.poll() == ["431[1]"]
    assert not running.session(poller.sid).upgrading


@pytest.mark.parametrize("probed", [False, True])
def test_an_upgrade_that_is_not_completed_in_time_is_given_up(serve: Servers, probed: bool) -> None:
    running = serve(upgrade_timeout=0.1)
    poller = running.join_poller()
    ws = running.probe(poller)
    if probed:
        ws.send("2probe")
        assert ws.text() == "3probe"
    assert ws.closed() == 1008
    assert running.session(poller.sid).transport.name == "polling"


def test_another_websocket_may_try_after_the_first_has_gone(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    session = running.session(poller.sid)
    running.probe(poller).close()
    eventually(lambda: not session.upgrading)
    ws = running.probe(poller)
    ws.send("2probe", "5")
    assert ws.text() == "3probe"
    eventually(lambda: session.transport.name == "websocket")


def test_a_session_that_ends_meanwhile_is_not_taken_over(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.send("2probe")
    assert ws.text() == "3probe"
    running.session(poller.sid).close()
    ws.send("5")
    assert ws.closed() == 1008
    running.assert_ended("forced close")


@pytest.mark.parametrize(("eio", "heartbeat"), [(4, "2"), (3, "3")])
def test_a_heartbeat_that_was_not_polled_moves_along(serve: Servers, eio: int, heartbeat: str) -> None:
    running = serve(ping_interval=0.05, ping_timeout=5)
    poller = running.poller(eio=eio)
    if eio == 3:
        assert poller.poll() == ["40"]
        poller.say("2")
    else:
        poller.join()
    session = running.session(poller.sid)
    ws = running.probe(poller)
    ws.send("2probe")
    assert ws.text() == "3probe"
    # Nobody polls meanwhile: the heartbeat is queued.
    eventually(lambda: session.transport.undelivered)  # type: ignore[attr-defined]
    ws.send("5")
    assert ws.text() == heartbeat


def test_the_end_of_an_earlier_probe_does_not_disturb_a_later_one(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    session = running.session(poller.sid)
    first = running.probe(poller)
    first.send("5")
    eventually(lambda: not session.upgrading)
    second = running.probe(poller)
    second.send("2probe")
    assert second.text() == "3probe"
    before = descriptors()
    assert first.closed() == 1008
    first.close()
    eventually(lambda: descriptors() < before)
    assert session.upgrading
    poller.hold()
    assert poller.held() == ["6"]
    second.send("5")
    eventually(lambda: session.transport.name == "websocket")
