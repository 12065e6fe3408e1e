"""A real server on a free loopback port, in the process of the test, and what its application saw."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import pywsgi

from socketio_sync import Server, Socket
from socketio_sync.engine.socket import EngineSocket
from tests.support.client import DEADLINE, Poller, close_all
from tests.support.ws_client import WebSocket

WSGICallable = Callable[..., Any]


def eventually(condition: Callable[[], Any], *, deadline: float = DEADLINE) -> Any:
    """Let the server run until ``condition`` holds; return what it returned."""
    with gevent.Timeout(deadline, AssertionError(f"not within {deadline:g} s")):
        while not (value := condition()):
            gevent.sleep(0.001)
        return value


def let_poll() -> None:
    """Let the loop look at its descriptors: what they have to say by now has been said then.

    Twice, as a timer may come before a descriptor; and not for zero seconds, in which the loop may not look.
    """
    for _ in range(2):
        gevent.sleep(0.001)


class Host:
    """A ``gevent.pywsgi`` server of one WSGI application.

    Attributes:
        port: Where it listens.
        errors: What the host wrote into its error log.
    """

    def __init__(self, app: WSGICallable) -> None:
        self.errors = io.StringIO()
        self._server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None, error_log=self.errors)
        self._server.start()
        self.port: int = self._server.server_port

    def stop(self) -> None:
        self._server.stop(timeout=1)


class Running:
    """A Socket.IO server that runs, with the record of what its application saw.

    Attributes:
        io: The server.
        port: Where it listens.
        record: ``("connection", namespace)``, ``("event", namespace, name, *arguments)``,
            ``("disconnect", namespace, reason)``, ``("error", namespace)`` and ``("close", reason)`` of
            sessions, in the order in which they happened.
        descriptions: The descriptions that came with disconnects and the closes of sessions.
        sockets: Every socket that connected, in order.
    """

    def __init__(self, io_: Server, app: WSGICallable | None = None) -> None:
        self.io = io_
        self.host = Host(app if app is not None else io_)
        self.port = self.host.port
        self.record: list[tuple[Any, ...]] = []
        self.descriptions: list[str] = []
        self.sockets: list[Socket] = []
        self._observe("/")

    def of(self, namespace: str) -> Any:
        """Make a namespace whose events are recorded."""
        self._observe(namespace)
        return self.io.of(namespace)

    def _observe(self, name: str) -> None:
        namespace = self.io.of(name)

        def connection(socket: Socket) -> None:
            self.sockets.append(socket)
            self.record.append(("connection", name))

        def disconnect(socket: Socket, reason: str, description: str) -> None:
            self.descriptions.append(description)
            self.record.append(("disconnect", name, reason))

        def error(socket: Socket, description: str) -> None:
            self.record.append(("error", name))

        namespace.on("connection", connection)
        namespace.on("disconnect", disconnect)
        namespace.on("error", error)
        namespace.on("echo", lambda socket, *values: values)

    def collect(self, *events: str, namespace: str = "/") -> None:
        """Record events from clients."""
        for event in events:

            def collected(socket: Socket, *arguments: Any, event: str = event) -> None:
                self.record.append(("event", namespace, event, *arguments))

            self.io.of(namespace).on(event, collected)

    def session(self, sid: str) -> EngineSocket:
        """Return an open session."""
        return self.io.engine.sessions[sid]

    def watch(self, sid: str) -> EngineSocket:
        """Record the close of a session."""

        def close(reason: str, description: str) -> None:
            self.descriptions.append(description)
            self.record.append(("close", reason))

        session = self.session(sid)
        session.on("close", close)
        return session

    def reached(self, *entry: Any) -> bool:
        """Wait until the record has an entry."""
        return bool(eventually(lambda: entry in self.record))

    def reasons(self) -> list[str]:
        """Return the reasons of the disconnects so far."""
        return [entry[2] for entry in self.record if entry[0] == "disconnect"]

    def events(self) -> list[tuple[Any, ...]]:
        """Return name and arguments of the events recorded so far."""
        return [entry[2:] for entry in self.record if entry[0] == "event"]

    def assert_ended(self, reason: str, *, joined: bool = True) -> None:
        """The one session there was is over with this reason, told exactly once, and nothing is left of it.

        ``joined`` tells whether it had a socket, in the main namespace alone.
        """
        self.reached("close", reason)
        if joined:
            self.reached("disconnect", "/", reason)
        assert self.reasons() == [reason] * joined
        assert [entry for entry in self.record if entry[0] == "close"] == [("close", reason)]
        assert self.io.engine.clients_count == 0
        assert self.io.rooms() == frozenset()

    def assert_closed(self, ws: WebSocket, code: int | None, reason: str, *, joined: bool = True) -> None:
        """Do the same for a WebSocket on which the server's close frame, with this code, comes next."""
        assert ws.closed() == code
        self.assert_ended(reason, joined=joined)

    # -- clients --------------------------------------------------------------------------------

    def join_poller(self, *events: str, **options: Any) -> Poller:
        """Open a session by polling and join the main namespace; record events and the session's close."""
        self.collect(*events)
        poller = self.poller(**options)
        poller.join()
        self.watch(poller.sid)
        return poller

    def join_websocket(self, *events: str, **options: Any) -> WebSocket:
        """Do the same on a WebSocket."""
        self.collect(*events)
        ws = self.websocket(**options)
        ws.join()
        self.watch(ws.sid)
        return ws

    def poller(self, **options: Any) -> Poller:
        """Open a session by polling."""
        return Poller(self.port, **options).open()

    def websocket(self, query: str = "EIO=4&transport=websocket", **options: Any) -> WebSocket:
        """Open a session on a WebSocket."""
        return WebSocket(self.port, query, **options).open()

    def probe(self, poller: Poller) -> WebSocket:
        """Open a WebSocket that wants to take a polling session over; nothing is sent on it yet."""
        return WebSocket(self.port, f"EIO={poller.eio}&transport=websocket&sid={poller.sid}")


class Servers:
    """Starts servers, stops them at the end of the test, and looks whether anything went wrong in them."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._running: list[Running] = []
        self._caplog = caplog

    def start(self, app: Callable[[Server], WSGICallable] | None = None, **options: Any) -> Running:
        """Start a server with these options; ``app`` makes the WSGI application around it."""
        server = Server(**options)
        running = Running(server, app(server) if app is not None else None)
        self._running.append(running)
        return running

    def __call__(self, **options: Any) -> Running:
        return self.start(**options)

    def stop(self) -> None:
        """Stop every server; idempotent."""
        for running in self._running:
            running.io.close()
        close_all()
        for running in self._running:
            running.host.stop()

    def check(self) -> None:
        """Nothing that a client does may show a traceback, in whatever log."""
        for running in self._running:
            assert "Traceback" not in running.host.errors.getvalue(), running.host.errors.getvalue()
        logged = [record for record in self._caplog.get_records("call") if record.levelno >= logging.ERROR]
        assert [record.getMessage() for record in logged] == []


def descriptors() -> int:
    """Count this process's open files and connections, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture
def serve(caplog: pytest.LogCaptureFixture) -> Iterator[Servers]:
    """Start servers: ``serve(ping_interval=0.2)`` returns one that runs."""
    # Where gevent reports what a greenlet raised: normally the standard error stream.
    hub = vars(gevent.get_hub())
    hub["exception_stream"] = uncaught = io.StringIO()
    before = descriptors()
    servers = Servers(caplog)
    try:
        yield servers
        servers.stop()
        servers.check()
        eventually(lambda: descriptors() <= before)
        assert uncaught.getvalue() == ""
    finally:
        servers.stop()
        del hub["exception_stream"]
