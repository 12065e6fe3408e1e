"""An Engine.IO server by itself on a free port, and what its application saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from socketio_sync.engine import EngineServer, EngineSocket
from tests.support.client import Poller, close_all
from tests.support.server import Host, eventually
from tests.support.ws_client import WebSocket

PATH = "/engine.io/"


class Engine:
    """An engine that runs.

    Attributes:
        engine: The server.
        port: Where it listens.
        sessions: Every session that was opened, in order.
        messages: The messages that came.
        closes: Reason and description of each session that was closed.
    """

    def __init__(self, **options: Any) -> None:
        self.engine = EngineServer(**options)
        self.host = Host(self.engine)
        self.port = self.host.port
        self.sessions: list[EngineSocket] = []
        self.messages: list[str | bytes] = []
        self.closes: list[tuple[str, str]] = []
        self.engine.on("connection", self._on_connection)

    def _on_connection(self, session: EngineSocket) -> None:
        self.sessions.append(session)
        session.on("message", self.messages.append)
        session.on("close", lambda reason, description: self.closes.append((reason, description)))

    def poller(self, **options: Any) -> tuple[Poller, EngineSocket]:
        """Open a session by polling."""
        poller = Poller(self.port, path=PATH, **options).open()
        return poller, self.engine.sessions[poller.sid]

    def websocket(
        self, query: str = "EIO=4&transport=websocket", **options: Any
    ) -> tuple[WebSocket, EngineSocket]:
        """Open a session on a WebSocket."""
        ws = WebSocket(self.port, query, path=PATH, **options).open()
        return ws, self.engine.sessions[ws.sid]

    def probe(self, poller: Poller) -> WebSocket:
        """Open a WebSocket that may take a polling session over; nothing is sent on it yet."""
        return WebSocket(self.port, f"EIO={poller.eio}&transport=websocket&sid={poller.sid}", path=PATH)

    def upgrade(self, poller: Poller) -> WebSocket:
        """Move a polling session, on which no GET is held, to a WebSocket."""
        ws = self.probe(poller)
        ws.send("2probe")
        assert ws.receive() == "3probe"
        ws.send("5")
        eventually(lambda: self.engine.sessions[poller.sid].transport.name == "websocket")
        return ws

    def closed(self, reason: str) -> None:
        """Wait until exactly one session is closed, with this reason."""
        eventually(lambda: self.closes)
        assert [close[0] for close in self.closes] == [reason]


Mount = Callable[..., Engine]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Start engines: ``mount(ping_interval=0.2)`` returns one that runs."""
    engines: list[Engine] = []

    def start(**options: Any) -> Engine:
        engines.append(Engine(**options))
        return engines[-1]

    yield start
    for engine in engines:
        engine.engine.close()
    close_all()
    for engine in engines:
        engine.host.stop()
        assert "Traceback" not in engine.host.errors.getvalue(), engine.host.errors.getvalue()
