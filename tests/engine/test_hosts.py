"""Hosts that aren't gevent's: those that serve requests in threads hold polls, those that can't say so."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from werkzeug.serving import make_server as make_werkzeug

from socketio_sync import Server, Socket
from tests.support.client import Connection, Poller, close_all
from tests.support.logged import Logged
from tests.support.outcomes import in_thread
from tests.support.server import eventually
from tests.support.sio_client import Connect, SioClient
from tests.support.ws_client import ask

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


class Quiet(WSGIRequestHandler):
    """Without an access log."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def wsgiref(app: Any) -> Any:
    return make_server("127.0.0.1", 0, app, handler_class=Quiet)


def werkzeug(app: Any, *, threaded: bool = False) -> Any:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return make_werkzeug("127.0.0.1", 0, app, threaded=threaded)


class Threads:
    """A server of another kind in an OS thread.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self.port: int = server.server_port
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[[Any], Threads]


@pytest.fixture
def threads() -> Iterator[Serve]:
    running: list[Threads] = []

    def start(server: Any) -> Threads:
        running.append(Threads(server))
        return running[-1]

    yield start
    close_all()
    for threads in running:
        threads.stop()


@pytest.mark.feature(150)
def test_a_threaded_host_serves_clients_by_polling(threads: Serve, connect: Connect) -> None:
    io = Server()
    seen: list[Any] = []
    idents: set[int] = set()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("hello", b"binary")

    @io.on("sum")
    def sum_up(socket: Socket, value: int) -> int:
        idents.add(threading.get_ident())
        return value + socket.call("more")

    io.on("disconnect", lambda socket, reason: seen.append(reason))
    host = threads(werkzeug(io, threaded=True))
    clients: list[SioClient] = [connect(host, "polling") for _ in range(3)]
    for client in clients:
        client.answers["more"] = lambda: [5]
        assert client.expect("hello") == (b"binary",)
        assert client.call("sum", 37) == [42]
    # One thread runs all of the application's handlers, and it is neither ours nor a request's.
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    # Every one of these comes from a thread that isn't the clients'.
    io.emit("news")
    in_thread(io.emit, "more news").get(timeout=5)
    for client in clients:
        assert client.expect("news") == ()
        assert client.expect("more news") == ()
    clients[0].close()
    eventually(lambda: seen == ["transport close"])
    io.close()
    eventually(lambda: seen == ["transport close", "server shutting down", "server shutting down"])


def test_clients_that_come_at_once_are_served_by_one_hub(threads: Serve) -> None:
    for _ in range(5):
        io = Server()
        host = threads(werkzeug(io, threaded=True))
        connections = [Connection(host.port) for _ in range(8)]
        for connection in connections:
            connection.begin("GET", "/socket.io/?EIO=4&transport=polling")
        assert [connection.finish().status for connection in connections] == [200] * 8
        assert len({session._runtime for session in io.engine.sessions.values()}) == 1
        io.close()


def test_a_threaded_host_invites_nobody_to_upgrade(threads: Serve, logged: Logged) -> None:
    host = threads(werkzeug(Server(), threaded=True))
    poller = Poller(host.port).open()
    assert poller.opened["upgrades"] == []
    _, answer = ask(host.port)
    assert answer.status == 503
    assert answer.text.startswith("SIO401 WebSocket is off: ")
    assert any("SIO401" in text for text in logged.warnings())


@pytest.mark.parametrize("kind", [wsgiref, werkzeug])
def test_a_host_that_serves_one_request_at_a_time_says_why_it_cannot(
    threads: Serve, logged: Logged, kind: Any
) -> None:
    host = threads(kind(Server()))
    for _ in range(2):
        connection = Connection(host.port)
        connection.send(f"GET {HANDSHAKE} HTTP/1.0\r\n\r\n".encode())
        head = connection.until(b"\r\n\r\n")
        assert b" 503 Service Unavailable\r\n" in head
        body = connection.until(b"io.run(app).")
        assert body.startswith(b"SIO411 handshake refused: ")
        assert b"gunicorn -k gevent" in body
        connection.close()
    assert any("SIO411" in text for text in logged.warnings())


GUNICORN = """
import sys
from gunicorn.app.base import BaseApplication
from socketio_sync import Server

io = Server()
io.on("echo", lambda socket, *values: values)

class Application(BaseApplication):
    def load_config(self):
        settings = {"bind": "127.0.0.1:0", "worker_class": sys.argv[1], "threads": int(sys.argv[2]),
                    "when_ready": report, "control_socket_disable": True, "graceful_timeout": 1}
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self):
        return io

def report(arbiter):
    print(arbiter.LISTENERS[0].sock.getsockname()[1], flush=True)

Application().run()
"""


@pytest.fixture
def gunicorn() -> Iterator[Callable[..., int]]:
    processes: list[subprocess.Popen[str]] = []

    def start(worker: str, count: int) -> int:
        command = [sys.executable, "-c", GUNICORN, worker, str(count)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    close_all()
    for process in processes:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


def test_gunicorns_threads_hold_polls(gunicorn: Callable[..., int], connect: Connect) -> None:
    port = gunicorn("gthread", 8)
    assert Poller(port).open().opened["upgrades"] == []
    client = SioClient(port, "polling")
    try:
        client.join()
        assert client.call("echo", "a", b"b") == ["a", b"b"]
    finally:
        client.kill()


def test_gunicorns_plain_worker_says_why_it_cannot(gunicorn: Callable[..., int]) -> None:
    answer = Connection(gunicorn("sync", 1)).get(HANDSHAKE)
    assert answer.status == 503
    assert answer.text.startswith("SIO411 handshake refused: gunicorn/")
