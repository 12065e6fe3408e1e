"""The Engine.IO server: sessions over long-polling and WebSocket, usable by itself."""

from __future__ import annotations

from socketio_sync.engine.server import EngineServer
from socketio_sync.engine.socket import EngineSocket

__all__ = ["EngineServer", "EngineSocket"]
