"""What a session needs of the layer above it."""

from __future__ import annotations

from typing import Protocol

from socketio_sync.protocol.engineio.packet import Message


class EngineHandler(Protocol):
    """What a session tells the layer above. Called on the hub's thread; must not block."""

    def on_open(self) -> None:
        """Learn that the session can be used: called once, before everything else."""

    def on_message(self, data: str | bytes) -> None:
        """Take one message."""

    def on_close(self, reason: str, description: str) -> None:
        """Learn, exactly once, that the session is over."""

    def may_drop(self, message: Message) -> bool:
        """Tell whether a message, with its attachments, may be lost where too much is queued."""

    def is_busy(self) -> bool:
        """Tell whether a handler of the application runs for this client, or an event waits for one."""
