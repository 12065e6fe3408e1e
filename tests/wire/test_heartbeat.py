"""wire.md 2.6, the heartbeat of revision 4: the server pings, and gives up who doesn't answer."""

from __future__ import annotations

import sys
import time
from time import monotonic

import pytest

from tests.support.server import Servers, eventually

# Timers of an event loop may fire this much before what another clock says.
EARLY = 0.02


@pytest.mark.feature(108)
def test_2_6_ping_comes_an_interval_after_the_opening(serve: Servers) -> None:
    running = serve(ping_interval=0.2)
    began = monotonic()
    ws = running.websocket()
    assert ws.opened["pingInterval"] == 200
    assert ws.receive() == "2"
    assert 0.2 - EARLY < monotonic() - began < 1


def test_2_6_ping_comes_by_polling_too(serve: Servers) -> None:
    running = serve(ping_interval=0.2)
    began = monotonic()
    poller = running.poller()
    assert poller.poll() == ["2"]
    poller.say("3")
    assert poller.poll() == ["2"]
    assert 0.4 - EARLY < monotonic() - began < 2


def test_2_6_next_ping_is_an_interval_after_the_pong(serve: Servers) -> None:
    running = serve(ping_interval=0.2, ping_timeout=2.0)
    ws = running.websocket()
    assert ws.receive() == "2"
    # Longer than the interval: it doesn't run meanwhile.
    assert ws.bytes.is_silent(0.3)
    ponged = monotonic()
    ws.send("3")
    assert ws.receive() == "2"
    assert 0.2 - EARLY < monotonic() - ponged < 1


def test_2_6_pong_stops_the_timer_of_the_timeout(serve: Servers) -> None:
    running = serve(ping_interval=0.3, ping_timeout=0.1)
    ws = running.join_websocket()
    for _ in range(2):
        assert ws.receive() == "2"
        ws.send("3")
    assert ws.is_quiet()
    assert running.reasons() == []


def test_2_6_missing_pong_is_a_ping_timeout_on_websocket(serve: Servers) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.2)
    ws = running.join_websocket()
    assert ws.receive() == "2"
    pinged = monotonic()
    running.assert_closed(ws, None, "ping timeout")
    assert 0.2 - EARLY < monotonic() - pinged < 1


def test_2_6_missing_pong_is_a_ping_timeout_on_polling_and_the_get_gets_1(serve: Servers) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.2)
    poller = running.join_poller()
    assert poller.poll() == ["2"]
    assert poller.poll() == ["1"]
    running.assert_ended("ping timeout")
    assert poller.is_forgotten()


@pytest.mark.feature(109)
def test_2_6_other_packets_refresh_the_timeout_once_only(serve: Servers) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.3)
    ws = running.join_websocket()
    assert ws.receive() == "2"
    pinged = monotonic()
    assert ws.bytes.is_silent(0.2)
    # From here on it talks all the time, and never answers the ping.
    ws.send('42["talk"]')
    while ws.bytes.is_silent(0.02):
        ws.send('42["talk"]')
    running.assert_closed(ws, None, "ping timeout")
    assert monotonic() - pinged > 0.5 - EARLY


def test_2_6_other_packets_alone_keep_nobody_alive_beyond_the_second_timeout_on_polling(
    serve: Servers,
) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.2)
    poller = running.join_poller()
    poller.hold()
    answers = []

    def talk() -> bool:
        if running.io.engine.clients_count:
            answers.append(poller.post(b'42["talk"]').status)
        return not running.io.engine.clients_count

    eventually(talk)
    assert set(answers[:-1]) == {200}
    assert poller.held() == ["2"]
    running.assert_ended("ping timeout")


def test_2_6_unasked_pong_restarts_the_interval(serve: Servers) -> None:
    running = serve(ping_interval=0.3)
    ws = running.websocket()
    assert ws.bytes.is_silent(0.2)
    ponged = monotonic()
    ws.send("3")
    assert ws.receive() == "2"
    assert 0.3 - EARLY < monotonic() - ponged < 1


def test_2_6_session_that_is_never_polled_times_out_the_same_way(serve: Servers) -> None:
    running = serve(ping_interval=0.1, ping_timeout=0.2)
    poller = running.poller()
    began = monotonic()
    running.watch(poller.sid)
    running.assert_ended("ping timeout", joined=False)
    assert 0.3 - EARLY < monotonic() - began < 1.3
    assert poller.is_forgotten()


def test_2_6_heartbeat_goes_on_after_an_upgrade(serve: Servers) -> None:
    running = serve(ping_interval=0.3, ping_timeout=0.2)
    poller = running.join_poller()
    ws = running.probe(poller)
    ws.send("2probe", "5")
    assert ws.receive() == "3probe"
    assert ws.receive() == "2"
    running.assert_closed(ws, None, "ping timeout")


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_2_6_a_wall_clock_that_jumps_drops_nobody(
    serve: Servers, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    running = serve(ping_interval=0.1, ping_timeout=2.0, connect_timeout=2.0)
    ws, poller = running.join_websocket(), running.join_poller()
    pending = running.websocket()
    moving = running.join_poller()
    probe = running.probe(moving)
    probe.send("2probe")
    assert probe.text() == "3probe"
    wall = time.time
    modules = [module for name, module in sys.modules.items() if name.startswith("socketio_sync.")]
    users = [module for module in modules if getattr(module, "time", None) is wall]
    assert users
    for module in users:
        monkeypatch.setattr(module, "time", lambda: wall() + jump)
    for _ in range(3):
        assert ws.text() == "2"
        ws.send("3")
        assert poller.poll() == ["2"]
        poller.say("3")
    probe.send("5")
    pending.send("3", "40")
    while (text := pending.text()) == "2":
        pass
    assert text.startswith("40{")
    eventually(lambda: running.session(moving.sid).transport.name == "websocket")
    assert running.reasons() == []
    assert running.io.engine.clients_count == 4
