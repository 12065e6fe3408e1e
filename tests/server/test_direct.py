"""Ways of sending to one client."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from socketio_sync import AckTimeout, Disconnected, NotConnected, SocketOperator
from tests.support.client import Poller
from tests.support.outcomes import in_thread
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect
from tests.support.ws_client import WebSocket


def test_the_steps_lead_to_this_client_only(serve: Servers, connect: Connect) -> None:
    site = serve()
    clients = [connect(site), connect(site)]
    socket = site.sockets[0]
    for chain in (socket.volatile, socket.compress(False), socket.timeout(1), socket.volatile.compress()):
        assert isinstance(chain, SocketOperator)
        chain.send("mine")
        assert clients[0].expect("message") == ("mine",)
    clients[1].call("echo")
    assert clients[1].events == []


@pytest.mark.feature(55)
def test_a_volatile_event_is_lost_if_the_client_cannot_take_it_now(serve: Servers) -> None:
    site = serve()
    poller = Poller(site.port).open()
    poller.join()
    socket = site.sockets[0]
    got: list[Any] = []
    # No GET is held: nobody waits for it.
    socket.volatile.emit("lost")
    socket.volatile.timeout(60).emit("lost", ack=got.append)
    with pytest.raises(AckTimeout, match="volatile"):
        socket.volatile.call("lost")
    assert isinstance(got[0], AckTimeout)
    socket.emit("kept")
    assert poller.poll() == ['42["kept"]']
    assert socket._acks == {}
    poller.close()


@pytest.mark.feature(52)
def test_a_callback_with_a_time_gets_the_error_first(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    socket = site.sockets[0]
    client.answers["who"] = lambda: ["me", 2]
    got: list[Any] = []
    socket.timeout(5).emit("who", ack=lambda *values: got.append(values))
    socket.emit("who", ack=lambda *values: got.append(values))
    eventually(lambda: len(got) == 2)
    assert got == [(None, "me", 2), ("me", 2)]
    client.answers["who"] = lambda: None
    socket.timeout(0.02).emit("who", ack=lambda *values: got.append(values))
    eventually(lambda: len(got) == 3)
    assert isinstance(got[2][0], AckTimeout)
    socket.timeout(60).emit("who", ack=lambda *values: got.append(values))
    client.kill()
    eventually(lambda: len(got) == 4)
    assert isinstance(got[3][0], Disconnected)


def test_ack_timeout_holds_for_callbacks_too(serve: Servers, connect: Connect) -> None:
    site = serve(ack_timeout=0.02)
    connect(site)
    got: list[Any] = []
    site.sockets[0].emit("who", ack=lambda *values: got.append(values))
    eventually(lambda: got)
    assert isinstance(got[0][0], AckTimeout)


def test_a_call_waits_as_long_as_was_said(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    client.answers["who"] = lambda: ["me"]
    socket = site.sockets[0]
    assert socket.timeout(5).call("who") == "me"
    assert in_thread(socket.compress(False).timeout(5).call, "who").get(timeout=5)[1] == "me"
    with pytest.raises(AckTimeout, match=r"0\.02 s"):
        socket.timeout(0.02).call("nothing")
    client.disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    with pytest.raises(NotConnected):
        socket.timeout(5).call("who")


BIG = "x" * 4_000_000


@pytest.mark.parametrize("run", [gevent.spawn, in_thread], ids=["greenlet", "thread"])
def test_emit_may_wait_until_the_kernel_has_the_event(serve: Servers, connect: Connect, run: Any) -> None:
    site = serve()
    client = connect(site)
    socket = site.sockets[0]
    assert client.call("echo", 1) == [1]
    got: list[Any] = []
    client.answers["small"] = lambda: [1]
    run(lambda: socket.emit("small", ack=got.append, wait=True)).get(timeout=5)
    assert socket.conn.buffered_bytes == 0
    eventually(lambda: got == [1])
    run(lambda: socket.emit("big", BIG, wait=True)).get(timeout=20)
    assert socket.conn.buffered_bytes == 0
    assert client.expect("big") == (BIG,)


def test_who_waits_for_a_client_that_leaves_hears_of_it(serve: Servers) -> None:
    site = serve()
    ws = WebSocket(site.port).open()
    ws.join()
    socket = site.sockets[0]

    def wait() -> str:
        with pytest.raises(Disconnected) as error:
            socket.compress(False).emit("big", BIG, wait=True)
        return error.value.reason

    waiting = gevent.spawn(wait)
    gevent.sleep(0)
    ws.close()
    assert waiting.get(timeout=5) in ("transport close", "transport error")
    with pytest.raises(NotConnected):
        socket.emit("late", wait=True)
    socket.emit("late")
