"""wire.md 2.5, how a polling client learns that it was closed, and when the application does."""

from __future__ import annotations

import pytest

from socketio_sync.engine import lingering
from tests.support.client import Poller
from tests.support.server import Running, Servers, eventually


def hold(running: Running, poller: Poller) -> None:
    """Send a GET and wait until the server holds it."""
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)


def test_2_5_held_get_gets_the_close_packet(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    running.session(poller.sid).close()
    assert poller.held() == ["1"]
    running.assert_ended("forced close")
    assert poller.is_forgotten()


def test_2_5_held_get_gets_the_disconnect_and_the_next_one_the_close(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    running.sockets[0].disconnect(close=True)
    assert poller.held() == ["41"]
    assert poller.poll() == ["1"]
    assert poller.is_forgotten()
    assert running.reasons() == ["server namespace disconnect"]


def test_2_5_without_a_held_get_the_next_one_gets_a_noop_and_the_close(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    running.session(poller.sid).close()
    running.assert_ended("forced close")
    assert poller.poll() == ["6", "1"]
    assert poller.is_forgotten()


def test_2_5_close_that_nobody_polls_is_forgotten_after_30_seconds(
    serve: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lingering.LINGER == 30.0
    monkeypatch.setattr(lingering, "LINGER", 0.1)
    running = serve()
    poller = running.join_poller()
    running.session(poller.sid).close()
    eventually(lambda: running.io.engine.find(poller.sid) is None)
    assert poller.is_forgotten()


def test_2_5_without_a_held_get_revision_3_gets_a_noop_and_the_close(serve: Servers) -> None:
    running = serve()
    poller = running.poller(eio=3)
    assert poller.poll() == ["40"]
    running.watch(poller.sid).close()
    assert poller.get().content == b"1:61:1"
    running.assert_ended("forced close")
    assert poller.is_forgotten()


def test_2_5_what_was_queued_comes_before_the_close(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    running.sockets[0].emit("last words")
    running.session(poller.sid).close()
    assert poller.poll() == ['42["last words"]']
    assert poller.poll() == ["1"]
    assert poller.is_forgotten()


def test_2_5_post_to_a_session_that_was_closed_is_code_1(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a")
    running.session(poller.sid).close()
    assert poller.post(b'42["a"]').error == (400, 1, "Session ID unknown")
    assert running.events() == []


def test_2_5_io_close_ends_held_gets_with_the_close_packet(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller()
    hold(running, poller)
    running.io.close()
    assert poller.held() == ["1"]
    running.assert_ended("server shutting down")


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        ("42[]", "parse error"),
        ("9", "parse error"),
        ("40", "forced server close"),
        ('42/x,["a"]', "forced server close"),
    ],
    ids=["Socket.IO decoding", "Engine.IO decoding", "second CONNECT", "event before CONNECT"],
)
def test_2_5_disconnect_is_told_at_once_also_when_no_get_is_held(
    serve: Servers, packet: str, reason: str
) -> None:
    running = serve()
    poller = running.join_poller()
    assert poller.post(packet.encode()).status == 400
    # No GET was sent, and no time has passed.
    assert running.reasons() == [reason]
    assert (("error", "/") in running.record) == (packet == "42[]")
    assert poller.poll() == ["6", "1"]
    assert poller.is_forgotten()
