"""Every public name of the package in use: a server that is its own client. ``python app.py``."""

from __future__ import annotations

import logging
import os
import signal
import sys

import gevent
from server import app, io, listen, rooms, seen, shop, site

from socketio_sync import (
    AckLimitError,
    AckTimeout,
    BroadcastOperator,
    ConnectionRefused,
    HandshakeRefused,
    NotConnected,
    PacketError,
    PayloadError,
    PayloadTooLarge,
    RemoteSocket,
    RoomLimitError,
    Server,
    Socket,
    SocketIOError,
    SocketOperator,
    WSGIApp,
)
from socketio_sync.engine import EngineServer
from socketio_sync.testing import Channel, ClientFactory, Received, ServerFactory, TestClient

# -- what the server sends ----------------------------------------------------------------------------


def send_to_one(socket: Socket, client: TestClient) -> None:
    """Reach one client in every way."""
    operator: SocketOperator = socket.compress(False).timeout(5)
    client.on("count", lambda *values: values)
    assert operator.call("count", 1, 2) == (1, 2)
    operator.emit("count", 3, ack=lambda error, value: seen.append((error, value)))
    socket.volatile.send("perhaps")
    socket.send("for sure")
    socket.emit("and now", b"binary", wait=True)
    assert client.expect("and now").args == (b"binary",)
    socket.join("a", 2)
    socket.leave("2")
    for others in (socket.broadcast, operator.broadcast, socket.to("a"), socket.except_("b"), socket.local):
        others.emit("not for this one")
    try:
        socket.join(*range(20))
    except RoomLimitError as error:
        seen.append(error)
    try:
        for number in range(10):
            socket.emit("unanswered", number, ack=seen.append)
    except AckLimitError as error:
        seen.append(error)
    for received in client.receive_all():
        if received.wants_ack:
            received.ack()


def send_to_many(clients: list[TestClient]) -> None:
    """Reach many clients in every way."""
    everybody: BroadcastOperator = io.to("a").in_("b").except_("c").volatile.compress(True).timeout(5)
    everybody.emit("news", 1)
    everybody.local.send("news", 2)
    io.sockets_join("quiz")
    for client in clients:
        client.on("vote", lambda: "yes")
    assert io.to("quiz").timeout(5).call("vote") == ["yes"] * len(clients)
    assert set(io.call_each("vote").values()) == {"yes"}
    remote: RemoteSocket
    for remote in io.in_("quiz").fetch_sockets():
        seen.append((remote.id, remote.handshake, remote.rooms, remote.data))
        remote.join("winners")
        remote.leave("winners")
        remote.emit("well done")
        remote.send("well done")
        assert remote.timeout(5).call("vote") == "yes"
    io.to("quiz").sockets_leave("quiz")
    io.server_side_emit("reload")
    assert io.timeout(1).server_side_call("reload") == []
    clients[-1].on("vote", lambda: gevent.sleep(0.05))
    try:
        io.timeout(0.01).call("vote")
    except AckTimeout as error:
        seen.append(error.responses)


# -- the clients ----------------------------------------------------------------------------------------


def be_a_client(client: TestClient) -> None:
    """Do what clients do."""
    assert client.call("hello", "good morning") == "good morning to you"
    client.on("how many?", lambda: 42)
    assert client.call("ask me") == 42
    assert client.is_open
    assert client.call("forbidden")["error"]["message"] == "not for you"
    client.emit("no handler", ack=seen.append)
    shopping: Channel = client.connect("/shop")
    assert shopping.call("order", {"product": "tea", "count": 2}) == {"orders": 2}
    error = shopping.call("order again", {"product": 1})["error"]
    assert error["type"] == PayloadError.__name__
    io.of("/shop").emit("sale", "tea", ack=lambda error, answers: seen.append(answers))
    received: Received = shopping.expect("sale")
    assert (received.event, received.args, received.wants_ack) == ("sale", ("tea",), True)
    received.ack("thanks")
    shopping.assert_silent()
    shopping.leave()
    seen.append((shopping.name, shopping.id, shopping.connected, shopping.reason))
    try:
        shopping.emit("late")
    except NotConnected as gone:
        seen.append(gone)
    try:
        client.of("/room-1").join({"token": "guess"})
    except ConnectionRefused as refusal:
        seen.append((refusal.message, refusal.data))
    assert client.connect("/room-1", {"token": "secret"}).connected
    rooms.emit("hello, all rooms")
    assert client.of("/room-1").receive().event == "hello, all rooms"
    seen.append((rooms.title, list(rooms.children), io.of("/room-1").sockets, io.of("/room-1").rooms()))


def be_a_difficult_client(connect: ClientFactory) -> None:
    """Do what clients shouldn't do."""
    try:
        connect(app, query={"banned": "1"})
    except HandshakeRefused as error:
        seen.append((error.code, error.message))
    slow = connect(app, transport="polling", cookies={"a": "b"})
    slow.upgrade()
    seen.append((slow.sid, slow.transport, slow.cookies))
    slow.answer_pings = False
    assert not slow.answer_pings
    slow.pause_reading()
    slow.resume_reading()
    slow.emit("fail")
    assert connect.expect_error(ZeroDivisionError) in [error for _, error in seen[-1:]]
    slow.receive_all()
    io.to(slow.id or "").disconnect_sockets(close=True)
    seen.append((slow.wait_closed(), slow.close_code))
    cut = connect(app)
    socket = io.sockets[cut.id or ""]
    socket.conn.send('2["a packet by hand"]')
    socket.emit("before")
    cut.expect("before")
    cut.kill()
    cut.settle()
    socket.emit("meanwhile")
    back = connect(app, auth={"pid": cut.pid, "offset": cut.offset})
    assert back.expect("meanwhile")
    assert io.sockets[back.id or ""].recovered
    io.sockets[back.id or ""].conn.close()
    assert len(connect.clients) == 3
    assert connect.errors == []


# -- the program ------------------------------------------------------------------------------------


def raw() -> None:
    """Serve the layer below by itself."""
    engine = EngineServer(path="/raw")
    engine.on("connection", lambda session: session.on("message", session.send))
    assert engine.matches("/raw/")
    seen.append((engine.clients_count, engine.sessions, engine.closed))
    engine.shutdown(timeout=1, spread=0)
    seen.append(engine.is_draining)
    engine.close()


def serve_elsewhere() -> None:
    """Serve on a port of one's own while another program runs, and let time pass."""
    another = Server()
    servers = ServerFactory()
    program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
    url = servers(WSGIApp(another, site))
    assert servers.run([sys.executable, "-c", program, url]).stdout == "200\n"
    with TestClient(another) as client:
        client.answer_pings = False
        client.pass_time(60)
        seen.append(client.wait_closed())
    another.shutdown(timeout=1)
    another.close()


def look_around() -> None:
    """See what is there."""
    assert io.matches({"PATH_INFO": "/socket.io/"})
    assert app.server is io
    assert app.app is site
    seen.append((io.stats(), io.rooms(), list(io.sockets), list(io.namespaces)))
    seen.append((io.options, io.engine, io.of("/shop").options, io.of("/shop").adapter, shop.namespace))
    seen.append((PacketError, PayloadTooLarge, TestClient.disconnect))
    io.describe("news", int, ack=str, summary="Something has happened.")
    assert io.asyncapi("Every name", "1.0")["operations"]


def use_everything() -> None:
    """Run while the server does."""
    try:
        connect = ClientFactory()
        listen()
        raw()
        serve_elsewhere()
        ann, bob = connect(app), connect(app, transport="polling")
        be_a_client(ann)
        socket = io.sockets[bob.id or ""]
        send_to_one(socket, bob)
        send_to_many([ann, bob])
        look_around()
        be_a_difficult_client(ClientFactory())
        socket.disconnect()
        for remote in io.fetch_sockets():
            remote.disconnect()
        bob.disconnect()
        try:
            socket.call("anybody there?")
        except SocketIOError as error:
            seen.append(error)
        io.sleep(0)
        io.close()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve, and end by itself."""
    logging.disable(logging.CRITICAL)
    running = gevent.spawn(use_everything)
    io.background(seen.append, "in the background")
    io.run(app, port=0)
    running.get()
    print(f"used everything, and saw {len(seen)} things")


if __name__ == "__main__":
    main()
