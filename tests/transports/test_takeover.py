"""Taking a connection over from the server that accepted it, on every host that can run in this process."""

from __future__ import annotations

import gc
import io
import socket as stdlib_socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import pywsgi, socket
from gevent.event import Event
from gevent.ssl import SSLContext
from geventwebsocket.handler import WebSocketHandler
from gunicorn.config import Config
from gunicorn.sock import TCPSocket

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import MESSAGE, Message
from socketio_sync.protocol.websocket.frames import encode_close
from socketio_sync.protocol.websocket.handshake import parse_upgrade, upgrade_response
from socketio_sync.run import Runner
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.takeover import PeerWatch, host_socket, take_over
from socketio_sync.transports.websocket import WebSocketTransport
from tests.support.client import Connection, close_all
from tests.support.server import descriptors
from tests.support.transport_handler import BINARY, CLOSE, TEXT, Handler, eventually, turns
from tests.support.ws_client import UPGRADE_HEADERS, WebSocket, frame

# A key and a certificate that signs itself, for tests only.
CERTIFICATE = str(Path(__file__).parent.parent / "support" / "localhost.pem")

HOSTS = ("pywsgi", "gevent-websocket", "gevent-websocket with a hook", "runner", "TLS")
UPGRADE = "\r\n".join(
    ["GET /ws HTTP/1.1", "Host: localhost", *[f"{name}: {value}" for name, value in UPGRADE_HEADERS], "", ""]
).encode()


class Application:
    """Takes over what asks for a WebSocket and echoes; holds requests for ``/hold``; answers others.

    Attributes:
        handler: What heard of the last WebSocket.
        transport: The last WebSocket.
        upgraded: Whether its host had answered the request.
        detached: Whether its host's greenlet may end.
        on_message: What to do with messages instead of sending them back.
        gone: Set when the peer of a held request has gone.
        release: Set to answer the held request.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.handler = Handler()
        self.transport: Any = None
        self.on_message: Callable[[str | bytes], None] | None = None
        self.upgraded = self.detached = False
        self.gone, self.release = Event(), Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/ws":
            return self.take_over(environ, start_response)
        if environ["PATH_INFO"] == "/hold":
            watch = PeerWatch(environ, self.runtime.loop, self.gone.set)
            self.release.wait()
            watch.stop()
            watch.stop()
            if self.gone.is_set():
                raise gevent.GreenletExit
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def take_over(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        taken = take_over(environ, start_response)
        assert taken is not None
        self.upgraded, self.detached = taken.upgraded, taken.detached
        transport = self.transport = WebSocketTransport(
            self.runtime, taken.stream, self.handler, EngineOptions(), revision=4
        )
        self.handler.hook = self.on_message or (lambda data: transport.send([Message(data.encode(), False)]))
        if not taken.upgraded:
            transport.send_raw(upgrade_response(parse_upgrade(environ)))
        if taken.detached:
            transport.start(taken.buffered)
        else:
            transport.run(taken.buffered)
        return taken.release()


class Host:
    """One host of an :class:`Application`.

    Attributes:
        app: The application.
        port: Where it listens.
        log: The access log.
        errors: What it reported.
    """

    def __init__(self, name: str, app: Application) -> None:
        self.app = app
        self.name = name
        self.log, self.errors = io.StringIO(), io.StringIO()
        if name == "runner":
            self._server: Any = Runner(app, port=0, log=self.log)
            self._server.start()
            self.port: int = self._server.address[1]
            return
        options: dict[str, Any] = {"log": self.log, "error_log": self.errors}
        if name.startswith("gevent-websocket"):
            options["handler_class"] = WebSocketHandler
        if name == "TLS":
            options["ssl_context"] = context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
        self._server = pywsgi.WSGIServer(("127.0.0.1", 0), app, **options)
        if name.endswith("hook"):
            self._server.pre_start_hook = lambda handler: True
        self._server.start()
        self.port = self._server.server_port

    def connect(self) -> Connection:
        connection = Connection(self.port)
        if self.name == "TLS":
            context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock)
        return connection

    def websocket(self, behind: bytes = b"") -> WebSocket:
        """Upgrade a connection; ``behind`` goes out in one piece with the request."""
        ws = WebSocket.__new__(WebSocket)
        connection = self.connect()
        connection.send(UPGRADE + behind)
        ws.answer = connection.finish()
        assert ws.answer.status == 101
        ws.bytes = connection
        return ws

    def stop(self) -> None:
        self._server.stop(timeout=1)


Serve = Callable[[str], Host]


@pytest.fixture
def serve(runtime: Runtime) -> Iterator[Serve]:
    """Start hosts; nothing they report may be an error, and no descriptor may be left."""
    before = descriptors()
    hosts: list[Host] = []

    def start(name: str) -> Host:
        hosts.append(Host(name, Application(runtime)))
        return hosts[-1]

    yield start
    close_all()
    for host in hosts:
        host.stop()
        assert host.errors.getvalue() == ""
    eventually(lambda: descriptors() <= before)


every_host = pytest.mark.parametrize("name", HOSTS)


def live(kind: type) -> int:
    """Count the greenlets of exactly this kind that have begun and not ended."""
    gc.collect()
    return sum(type(thing) is kind and bool(thing) for thing in gc.get_objects())


# -- the takeover -------------------------------------------------------------------------------------


@every_host
def test_a_taken_connection_speaks_both_ways(serve: Serve, name: str) -> None:
    host = serve(name)
    ws = host.websocket()
    for text in ("4a", "4" + "b" * 100_000, "4ü"):
        ws.send(text)
        assert ws.receive() == text
    assert host.app.upgraded == (name == "gevent-websocket")
    assert host.app.detached == (name != "TLS")


@every_host
@pytest.mark.parametrize("size", [1, 5000, 50_000])
def test_what_came_in_one_piece_with_the_request_arrives(serve: Serve, name: str, size: int) -> None:
    host = serve(name)
    texts = ["4" + "x" * size, "4second"]
    ws = host.websocket(b"".join(frame(TEXT, text.encode()) for text in texts))
    assert [ws.receive() for _ in texts] == texts
    assert host.app.handler.packets == [(MESSAGE, text[1:]) for text in texts]


@every_host
@pytest.mark.parametrize("cut", [1, 7])
def test_a_frame_cut_behind_the_request_is_completed(serve: Serve, name: str, cut: int) -> None:
    whole = frame(TEXT, b"4complete")
    ws = serve(name).websocket(whole[:cut])
    ws.bytes.send(whole[cut:])
    assert ws.receive() == "4complete"


@every_host
def test_the_host_writes_nothing_stray(serve: Serve, name: str) -> None:
    host = serve(name)
    ws = host.websocket()
    turns(10)
    host.app.transport.send([Message(b"first", False)])
    ws.send("4echo")
    ws.bytes.send(frame(CLOSE, b"\x03\xe8"))
    # From the 101 to the end there is not a byte but our frames.
    assert ws.receive() == "4first"
    assert ws.receive() == "4echo"
    assert ws.bytes.exactly(4) == encode_close(1000)
    assert ws.bytes.at_end()


@every_host
def test_the_hosts_greenlet_ends_and_none_takes_its_place(serve: Serve, name: str) -> None:
    host = serve(name)
    handlers = live(gevent.Greenlet)
    sockets = [host.websocket() for _ in range(5)]
    borrowed = 0 if host.app.detached else 5
    eventually(lambda: live(gevent.Greenlet) == handlers + borrowed)
    assert host.app.runtime.workers.busy == 0
    for ws in sockets:
        ws.close()
    eventually(lambda: len(host.app.handler.closes) == 5 and live(gevent.Greenlet) == handlers)
    assert [reason for reason, _ in host.app.handler.closes] == ["transport close"] * 5


# gevent-websocket's handler writes its requests to its own logger, but for these.
@pytest.mark.parametrize("name", ["pywsgi", "runner", "TLS"])
def test_the_access_log_shows_a_101(serve: Serve, name: str) -> None:
    host = serve(name)
    ws = host.websocket()
    ws.close()
    line = eventually(lambda: host.log.getvalue())
    assert line.count("\n") == 1
    assert '"GET /ws HTTP/1.1" 101 ' in line


@every_host
def test_the_host_goes_on_serving_others(serve: Serve, name: str) -> None:
    host = serve(name)
    kept = host.connect()
    assert kept.get("/").status == 200
    ws = host.websocket()
    assert kept.get("/").content == b"ok"
    ws.send("4x")
    assert ws.receive() == "4x"


@every_host
def test_an_upgrade_may_follow_other_requests_on_its_connection(serve: Serve, name: str) -> None:
    connection = serve(name).connect()
    assert connection.get("/").content == b"ok"
    connection.send(UPGRADE + frame(TEXT, b"4x"))
    assert connection.finish().status == 101
    assert connection.exactly(4) == b"\x81\x024x"


def test_a_host_without_a_socket_gives_nothing() -> None:
    environ = {"wsgi.input": io.BytesIO()}
    assert host_socket(environ) is None
    assert take_over(environ, lambda *arguments: None) is None


def test_a_taken_connection_has_no_delay(serve: Serve) -> None:
    host = serve("pywsgi")
    host.websocket()
    stream = host.app.transport._stream
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# -- TLS ----------------------------------------------------------------------------------------------


def test_over_tls_long_messages_arrive_whole_in_both_directions(serve: Serve) -> None:
    host = serve("TLS")
    ws = host.websocket()
    content = "4" + "long" * 240_000
    sending = gevent.spawn(ws.send, content)
    assert ws.receive() == content
    sending.get(timeout=5)


def test_over_tls_a_backlog_waits_for_the_peer(serve: Serve) -> None:
    host = serve("TLS")
    ws = host.websocket()
    for number in range(60):
        host.app.transport.send([Message(b"%02d" % number * 50_000, True)])
    turns()
    assert host.app.transport.queued_bytes > 0
    for number in range(60):
        assert ws.frame() == (BINARY, b"%02d" % number * 50_000)
    assert host.app.transport.queued_bytes == 0


def test_over_tls_a_flood_keeps_nobody_waiting(serve: Serve, runtime: Runtime) -> None:
    host = serve("TLS")
    handler, count = host.app.handler, 400

    def flood() -> None:
        # In a thread, so that there is always more than is handled.
        context = ssl.create_default_context(cafile=CERTIFICATE)
        with (
            stdlib_socket.create_connection(("127.0.0.1", host.port)) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as wrapped,
        ):
            wrapped.sendall(UPGRADE)
            wrapped.recv(1000)
            wrapped.sendall(frame(TEXT, b"4" + b"x" * 16_000) * count)
            wrapped.recv(1)

    def slowly(data: str | bytes) -> None:
        time.sleep(0.001)
        if len(handler.packets) == 10:
            runtime.timers.after(0.01, lambda: seen.append(len(handler.packets)))
        if len(handler.packets) == count:
            host.app.transport.abort()

    seen: list[int] = []
    host.app.on_message = slowly
    thread = threading.Thread(target=flood)
    thread.start()
    eventually(lambda: not thread.is_alive())
    assert len(handler.packets) == count
    assert seen
    assert seen[0] < 100


def test_over_tls_the_end_of_the_connection_is_noticed(serve: Serve) -> None:
    host = serve("TLS")
    ws = host.websocket()
    ws.close()
    eventually(lambda: host.app.handler.closes)
    assert host.app.handler.reasons == ["transport close"]


def test_the_connections_of_gunicorn_need_no_word_about_nagle() -> None:
    listener = TCPSocket(("127.0.0.1", 0), Config(), None).sock
    with listener, Connection(listener.getsockname()[1]).sock, listener.accept()[0] as accepted:
        assert accepted.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY)


# -- PeerWatch ------------------------------------------------------------------------------------------


@every_host
def test_a_peer_that_vanishes_during_a_held_request_is_noticed(serve: Serve, name: str) -> None:
    host = serve(name)
    connection = host.connect()
    connection.begin("GET", "/hold")
    turns(20)
    assert not host.app.gone.is_set()
    connection.close()
    assert host.app.gone.wait(timeout=5)
    host.app.release.set()


@every_host
def test_a_pipelined_request_isn_t_taken_for_the_end(serve: Serve, name: str) -> None:
    host = serve(name)
    connection = host.connect()
    connection.begin("GET", "/hold")
    turns(20)
    connection.begin("GET", "/next")
    turns(20)
    assert not host.app.gone.is_set()
    host.app.release.set()
    # Not a byte of it is lost.
    assert connection.finish().content == b"ok"
    assert connection.finish().content == b"ok"


def test_on_a_host_without_a_socket_nothing_is_watched(runtime: Runtime) -> None:
    gone = Event()
    watch = PeerWatch({"wsgi.input": io.BytesIO()}, runtime.loop, gone.set)
    watch.stop()
    assert not gone.is_set()
