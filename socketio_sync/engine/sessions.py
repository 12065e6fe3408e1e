"""The application's side of a session where the engine is used without Socket.IO."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from socketio_sync.engine.socket import EngineSocket
from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.transports.workers import Backlog, Lane

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

logger = logging.getLogger(__name__)

# Messages that wait for the application before the client is pushed back.
MAX_WAITING = 64
MAX_WAITING_BYTES = 4 * 1024 * 1024


class SessionEvents:
    """Calls the application's handlers of one session, in order, each to its end."""

    __slots__ = ("_backlog", "_engine", "_lane", "_session")

    def __init__(self, engine: EngineServer, session: EngineSocket) -> None:
        """Serve ``session``."""
        self._engine = engine
        self._session = session
        self._backlog = Backlog(self._on_shorter)
        self._lane = Lane(engine.runtime.workers, self._backlog)

    def on_open(self) -> None:
        """Tell the application of the session, which may send and close at once."""
        self._lane.submit(0, SessionEvents._connected, self)

    def _connected(self) -> None:
        for listener in self._engine.listeners("connection"):
            try:
                listener(self._session)
            except Exception:
                logger.exception("the handler of a connection failed (session %s)", self._session.id)

    def on_message(self, data: str | bytes) -> None:
        """Queue a message for the application."""
        self._lane.submit(len(data), self._deliver, data)
        if self._backlog.jobs >= MAX_WAITING or self._backlog.bytes > MAX_WAITING_BYTES:
            self._session.pause()

    def _deliver(self, data: str | bytes) -> None:
        for listener in self._session.listeners("message"):
            try:
                listener(data)
            except Exception:
                logger.exception("the handler of a message failed (session %s)", self._session.id)

    def _on_shorter(self) -> None:
        if self._backlog.jobs < MAX_WAITING // 2:
            self._session.resume()

    def may_drop(self, message: Message) -> bool:
        """Whatever the application sends may be lost, if it has chosen so."""
        return True

    def is_busy(self) -> bool:
        """Tell whether a handler runs."""
        return self._lane.running

    def on_close(self, reason: str, description: str) -> None:
        """Nothing to do: the session itself calls the handlers of its close."""
