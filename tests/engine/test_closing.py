"""What becomes of sessions when they are closed: who is told, who is remembered, and for how long."""

from __future__ import annotations

import threading

import gevent
import pytest

from tests.support.client import Connection
from tests.support.engine_server import PATH, Mount
from tests.support.outcomes import in_thread
from tests.support.server import eventually
from tests.support.ws_client import ask

HANDSHAKE = f"{PATH}?EIO=4&transport=polling"


@pytest.mark.parametrize("from_thread", [False, True])
def test_closing_the_engine_tells_clients_of_every_kind(mount: Mount, from_thread: bool) -> None:
    site = mount()
    ws, _ = site.websocket()
    held, session = site.poller()
    held.hold()
    eventually(lambda: session.writable)
    absent, _ = site.poller()
    if from_thread:
        in_thread(site.engine.close).get(timeout=5)
    else:
        site.engine.close()
    assert ws.closed() == 1001
    assert held.held() == ["1"]
    assert absent.poll() == ["6", "1"]
    assert absent.is_forgotten()
    assert [reason for reason, _ in site.closes] == ["server shutting down"] * 3
    assert site.engine.clients_count == 0
    assert Connection(site.port).get(HANDSHAKE).error == (503, 4, "the server is shutting down")
    assert ask(site.port, path=PATH)[1].error == (503, 4, "the server is shutting down")


def test_a_session_that_we_closed_is_remembered_until_its_client_has_asked(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    session.send("last words")
    session.close()
    assert site.engine.clients_count == 0
    assert site.engine.find(poller.sid) is session
    # Apart: clients handle a close before the messages in front of it.
    assert poller.poll() == ["4last words"]
    assert poller.poll() == ["1"]
    assert poller.is_forgotten()
    assert site.engine.find(poller.sid) is None


def test_a_session_whose_client_has_gone_is_not_remembered(mount: Mount) -> None:
    site = mount(ping_interval=0.02, ping_timeout=0.02)
    poller, session = site.poller()
    session.send("never polled")
    eventually(lambda: site.closes)
    assert site.closes[0][0] == "ping timeout"
    assert site.engine.find(poller.sid) is None


def test_call_on_hub_returns_and_raises_what_the_function_does(mount: Mount) -> None:
    engine = mount().engine
    me = threading.get_ident()
    assert not engine.is_bound
    engine.runtime_of(gevent.get_hub())
    assert engine.is_bound
    assert engine.call_on_hub(threading.get_ident) == me
    assert in_thread(engine.call_on_hub, threading.get_ident).get(timeout=5)[1] == me
    assert isinstance(in_thread(engine.call_on_hub, int, "x").get(timeout=5)[1], ValueError)
