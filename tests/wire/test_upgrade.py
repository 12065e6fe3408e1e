"""wire.md 2.4, moving a polling session to a WebSocket, or failing to."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.support.client import Connection, Poller
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import BINARY, WebSocket, frame


def probed(running: Running, poller: Poller) -> WebSocket:
    """Open a WebSocket for a polling session and probe on it."""
    ws = running.probe(poller)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    return ws


def hold(running: Running, poller: Poller) -> None:
    """Send a GET and wait until the server holds it."""
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)


def assert_lives(running: Running, poller: Poller) -> None:
    """The session is as it was: on polling, with its socket."""
    poller.say('425["echo","alive"]')
    assert poller.poll() == ['435["alive"]']
    assert running.reasons() == []
    assert running.session(poller.sid).transport.name == "polling"


# -- the way it is meant ----------------------------------------------------------------------------


@pytest.mark.feature(5)
def test_2_4_probe_is_answered_at_once_and_5_moves_the_session(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    upgraded: list[str] = []
    running.session(poller.sid).on("upgrade", upgraded.append)
    ws = probed(running, poller)
    assert upgraded == []
    ws.send("5")
    assert ws.is_quiet()
    assert upgraded == ["websocket"]
    assert running.record == [("connection", "/")]


@pytest.mark.feature(8)
def test_2_4_held_get_is_released_with_a_noop_at_the_probe(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    probed(running, poller)
    # Already, and not with the next of its ticks of 100 ms as in Node.
    assert not running.session(poller.sid).writable
    assert poller.held() == ["6"]


def test_2_4_later_gets_are_released_too_but_not_faster_than_every_100_ms(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    ws = probed(running, poller)
    assert poller.held() == ["6"]
    began = monotonic()
    for _ in range(3):
        assert poller.poll() == ["6"]
    assert monotonic() - began > 0.15
    ws.send("5")
    assert ws.is_quiet()


def test_2_4_get_held_when_5_comes_is_released(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = probed(running, poller)
    hold(running, poller)
    ws.send("5")
    assert poller.held() == ["6"]
    assert ws.is_quiet()


def test_2_4_repeated_probes_are_answered_each_time(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.send("2probe", "2probe", "2probe", "5")
    assert [ws.receive() for _ in range(3)] == ["3probe"] * 3
    assert ws.is_quiet()


def test_2_4_what_was_queued_goes_out_on_the_websocket_in_order(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    (socket,) = running.sockets
    socket.emit("before the probe")
    ws = probed(running, poller)
    socket.emit("behind the probe", b"\x01")
    ws.send("5")
    assert ws.text() == '42["before the probe"]'
    assert ws.text() == '451-["behind the probe",{"_placeholder":true,"num":0}]'
    assert ws.receive() == b"\x01"
    socket.emit("behind the upgrade")
    assert ws.text() == '42["behind the upgrade"]'


def test_2_4_event_between_probe_and_5_goes_by_polling_while_a_get_is_held(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    ws = probed(running, poller)
    assert poller.held() == ["6"]
    running.sockets[0].emit("x")
    assert poller.poll() == ['42["x"]']
    ws.send("5")
    assert ws.is_quiet()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_2_4_request_with_the_sid_after_the_upgrade_is_code_3(serve: Servers, method: str) -> None:
    running = serve()
    poller = running.join_poller("a")
    ws = probed(running, poller)
    ws.send("5")
    assert ws.is_quiet()
    body = b'42["a"]' if method == "POST" else None
    answer = Connection(running.port).request(method, poller.target, body=body)
    assert answer.error == (400, 3, "Bad request")
    assert ws.is_quiet()
    assert running.events() == []


def test_2_4_post_that_is_being_received_when_5_comes_is_not_lost(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a")
    body = b'42["a",1]\x1e42["a",2]'
    poller.posts.begin("POST", poller.target, headers=[("Content-Length", str(len(body)))])
    poller.posts.send(body[:-1])
    eventually(lambda: running.session(poller.sid).transport.posting)
    ws = probed(running, poller)
    ws.send("5")
    assert ws.is_quiet()
    poller.posts.send(body[-1:])
    assert poller.posts.finish().content == b"ok"
    assert running.events() == [("a", 1), ("a", 2)]


# -- the ways it fails ------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["5", "2", "2prob", "2probe!", "3probe", "42[]", "6", "x", "", "1", "0"])
def test_2_4_first_packet_that_is_no_probe_closes_the_websocket_and_polling_lives(
    serve: Servers, first: str
) -> None:
    running = serve()
    poller = running.join_poller("a")
    ws = running.probe(poller)
    ws.send(first, '42["a"]')
    assert ws.closed() == 1008
    assert running.events() == []
    assert_lives(running, poller)


def test_2_4_binary_as_a_probe_closes_the_websocket_and_polling_lives(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.bytes.send(frame(BINARY, b"2probe"))
    assert ws.closed() == 1008
    assert_lives(running, poller)


@pytest.mark.parametrize("second", ['42["a"]', "1", "2", "3", "6", "5x"])
def test_2_4_packet_behind_the_probe_that_is_not_5_closes_the_websocket_and_polling_lives(
    serve: Servers, second: str
) -> None:
    running = serve()
    poller = running.join_poller("a")
    ws = probed(running, poller)
    ws.send(second)
    assert ws.closed() == 1008
    assert running.events() == []
    assert_lives(running, poller)


@pytest.mark.parametrize("with_probe", [False, True])
def test_2_4_websocket_that_goes_before_5_leaves_polling_alive(serve: Servers, with_probe: bool) -> None:
    running = serve()
    poller = running.join_poller()
    ws = probed(running, poller) if with_probe else running.probe(poller)
    ws.close()
    session = running.session(poller.sid)
    eventually(lambda: not session.upgrading)
    assert_lives(running, poller)
    # And it may try again.
    again = probed(running, poller)
    again.send("5")
    assert again.is_quiet()


@pytest.mark.parametrize("with_probe", [False, True])
@pytest.mark.feature(7)
def test_2_4_upgrade_timeout_closes_the_websocket_and_polling_lives(serve: Servers, with_probe: bool) -> None:
    running = serve(upgrade_timeout=0.1)
    poller = running.join_poller()
    ws = probed(running, poller) if with_probe else running.probe(poller)
    running.sockets[0].emit("meanwhile")
    assert ws.closed() == 1008
    assert poller.poll() == ['42["meanwhile"]']
    assert_lives(running, poller)


def test_2_4_gets_are_held_again_once_the_upgrade_was_given_up(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = probed(running, poller)
    ws.send("6")
    assert ws.closed() == 1008
    poller.hold()
    # An answer that came by itself would come before this one.
    running.sockets[0].emit("x")
    assert poller.held() == ['42["x"]']


def test_2_4_websocket_whose_session_has_ended_is_closed_at_5(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    ws = probed(running, poller)
    poller.say("1")
    ws.send("5")
    assert ws.closed() == 1008
    running.assert_ended("transport close")
