from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest

from socketio_sync.adapters.memory import MemoryAdapter
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import ACK, CONNECT, EVENT, Packet
from socketio_sync.server.server import Server
from tests.support.client import Connection, Poller
from tests.support.outcomes import in_thread
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect
from tests.support.ws_client import WebSocket


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="ping_intervall"):
        Server(ping_intervall=5)


def test_an_option_that_cannot_work_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="parser"):
        Server(parser="xml")


def test_the_options_reach_the_engine() -> None:
    io = Server(ping_interval=1.5, path="/elsewhere")
    assert io.engine.options.ping_interval == 1.5
    assert io.engine.options.path == "/elsewhere"
    assert io.options.ping_interval == 1.5


def test_the_server_is_its_main_namespace() -> None:
    io = Server()
    assert io.of("/") is io.namespaces["/"]
    io.on("event", lambda socket: None)
    assert io.of("/").handlers.names() == ["event"]


def test_a_namespace_may_be_made_while_clients_are_here(serve: Servers, connect: Connect) -> None:
    site = serve()
    client = connect(site)
    assert client.refusal("/late") == {"message": "Invalid namespace"}
    site.of("late")
    assert client.join("/late")


def test_each_namespace_gets_an_adapter_of_its_own(serve: Servers, connect: Connect) -> None:
    made: list[MemoryAdapter] = []

    class Adapter(MemoryAdapter):
        closed = 0

        def __init__(self, local: Any) -> None:
            super().__init__(local)
            made.append(self)

        def close(self) -> None:
            Adapter.closed += 1

    site = serve(adapter=Adapter)
    site.of("/chat")
    assert [site.io.of("/").adapter, site.io.of("/chat").adapter] == made
    client = connect(site)
    site.io.emit("news")
    assert client.expect("news") == ()
    site.io.close()
    assert Adapter.closed == 2


@pytest.mark.parametrize("parser", ["msgpack", MsgpackCodec()])
def test_the_parser_is_an_option(serve: Servers, parser: Any) -> None:
    codec = MsgpackCodec()
    site = serve(parser=parser)
    client = WebSocket(site.port).open()

    def exchange(packet: Packet) -> Packet:
        client.send(b"".join(codec.encode(packet).attachments))
        answer = codec.decoder({"/"}).feed(client.receive())
        assert answer is not None
        return answer

    assert exchange(Packet(CONNECT, "/")).data == {"sid": site.sockets[0].id}
    answer = exchange(Packet(EVENT, "/", ["echo", b"binary", 1], 7))
    assert answer == Packet(ACK, "/", [b"binary", 1], 7)
    client.close()


@pytest.mark.parametrize("from_thread", [False, True])
def test_background_runs_on_the_hub_that_serves_the_clients(
    serve: Servers, connect: Connect, from_thread: bool
) -> None:
    site = serve()
    client = connect(site)
    ran: list[Any] = []

    def work(value: int) -> None:
        site.io.sleep(0.001)
        ran.append((value, threading.get_ident()))
        site.io.emit("done")

    if from_thread:
        in_thread(site.io.background, work, 5).get(timeout=5)
    else:
        site.io.background(work, 5)
        assert ran == []
    assert client.expect("done") == ()
    assert ran == [(5, threading.get_ident())]


@pytest.mark.parametrize("from_thread", [False, True])
def test_close_disconnects_everyone_and_refuses_new_clients(
    serve: Servers, connect: Connect, from_thread: bool
) -> None:
    site = serve()
    site.of("/chat")
    socket, polling, idle = connect(site), connect(site, "polling"), Poller(site.port).open()
    idle.join()
    socket.join("/chat")
    if from_thread:
        in_thread(site.io.close).get(timeout=5)
    else:
        site.io.close()
    assert socket.closed.wait(5)
    assert polling.closed.wait(5)
    # A DISCONNECT packet would end the clients' attempts to reconnect.
    assert socket.left == polling.left == []
    assert socket.code == 1001
    assert idle.poll() == ["6", "1"]
    eventually(lambda: site.reasons() == ["server shutting down"] * 4)
    assert Connection(site.port).get("/socket.io/?EIO=4&transport=polling").error == (
        503,
        4,
        "the server is shutting down",
    )
    site.io.close()
    idle.close()


def test_close_returns_while_handlers_still_run(serve: Servers, connect: Connect) -> None:
    site = serve()
    go = gevent.event.Event()
    site.io.on("stuck", lambda socket: go.wait())
    site.io.on("disconnect", lambda socket: go.wait())
    client = connect(site)
    client.emit("stuck")
    eventually(lambda: site.io.engine.runtime.workers.busy == 1)
    site.io.close()
    assert site.io.engine.clients_count == 0
    assert not site.io.engine.runtime.workers.join(0.01)
    go.set()
    assert site.io.engine.runtime.workers.join(5)


def test_a_server_that_was_never_used_closes() -> None:
    io = Server()
    io.close()
    io.close()
    assert io.engine.closed
