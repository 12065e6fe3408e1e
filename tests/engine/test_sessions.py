"""The application's handlers of a session without Socket.IO: in order, bounded, their errors contained."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from socketio_sync.engine import EngineSocket
from socketio_sync.engine.sessions import MAX_WAITING, MAX_WAITING_BYTES
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import eventually
from tests.support.ws_client import WebSocket

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])


def test_messages_are_handled_in_order_each_to_its_end(mount: Mount) -> None:
    site = mount()
    steps: list[Any] = []

    # Both handlers wait, so that what follows arrives meanwhile; no result depends on how long.
    def slow(message: str) -> None:
        steps.append(("begin", message))
        gevent.sleep(0.002)
        steps.append(("end", message))

    @site.engine.on("connection")
    def connection(session: EngineSocket) -> None:
        gevent.sleep(0.01)
        session.on("message", slow)

    ws, _ = site.websocket()
    ws.send(*[f"4{number}" for number in range(20)])
    eventually(lambda: len(steps) == 40)
    assert steps == [(step, str(number)) for number in range(20) for step in ("begin", "end")]
    assert site.messages == [str(number) for number in range(20)]


def test_what_a_handler_raises_costs_its_message_only(mount: Mount, logged: Logged) -> None:
    site = mount()

    @site.engine.on("connection")
    def connection(session: EngineSocket) -> None:
        session.on("message", lambda message: 1 // int(message))
        raise RuntimeError("in the handler of the connection")

    site.engine.on("connection", lambda session: session.on("message", session.send))
    ws, session = site.websocket()
    ws.send("40", "41")
    assert [ws.receive(), ws.receive()] == ["40", "41"]
    records = logged.take()
    assert [record.exc_info and record.exc_info[0] for record in records] == [RuntimeError, ZeroDivisionError]
    assert all(session.id in record.getMessage() for record in records)


@BOTH
def test_a_client_is_pushed_back_while_too_many_of_its_messages_wait(mount: Mount, transport: str) -> None:
    site = mount()
    go = Event()

    def waiting(message: Any) -> None:
        go.wait()

    site.engine.on("connection", lambda session: session.on("message", waiting))
    messages = [f"4{number}" for number in range(1000)]
    if transport == "websocket":
        ws, session = site.websocket()
        ws.send(*messages[:MAX_WAITING])
        eventually(lambda: site.messages)
        # One is being handled, so one fewer waits.
        assert not session.transport.paused
        ws.send(*messages[MAX_WAITING:])
    else:
        poller, session = site.poller()
        posting = gevent.spawn(poller.say, *messages)
    eventually(lambda: session.transport.paused)
    go.set()
    eventually(lambda: len(site.messages) == 1000)
    assert site.messages == [message[1:] for message in messages]
    eventually(lambda: not session.transport.paused)
    if transport == "polling":
        posting.get(timeout=5)


def test_the_bound_is_in_bytes_too(mount: Mount) -> None:
    site = mount(max_http_buffer_size=MAX_WAITING_BYTES)
    go = Event()
    ws, session = site.websocket()
    session.on("message", lambda message: go.wait())
    piece = b"x" * (MAX_WAITING_BYTES // 4)
    ws.send(b"first", *[piece] * 4)
    eventually(lambda: site.messages)
    ws.send("4one more")
    eventually(lambda: session.transport.paused)
    go.set()
    eventually(lambda: len(site.messages) == 6)
    assert not session.transport.paused


@BOTH
def test_the_handler_of_a_connection_may_send(mount: Mount, transport: str) -> None:
    site = mount()
    site.engine.on("connection", lambda session: session.send("welcome"))
    if transport == "websocket":
        ws, _ = site.websocket()
        assert ws.receive() == "4welcome"
    else:
        poller, _ = site.poller()
        assert poller.poll() == ["4welcome"]


def test_the_handler_of_a_connection_may_close_it(mount: Mount) -> None:
    site = mount()
    site.engine.on("connection", lambda session: session.close())
    ws = WebSocket(site.port, "EIO=4&transport=websocket", path=PATH)
    assert ws.text().startswith("0{")
    assert ws.closed() is None
    site.closed("forced close")
    assert site.engine.clients_count == 0
