"""What a session needs of the layer above it, and what may stand between the two."""

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


class ForwardingHandler:
    """Stands before a handler that gets everything from the session itself, but for the messages.

    Subclasses have ``on_message``.
    """

    __slots__ = ("_handler", "is_busy", "may_drop", "on_close", "on_open")

    def __init__(self, handler: EngineHandler) -> None:
        """Stand before ``handler``."""
        self._handler = handler
        self.on_open = handler.on_open
        self.on_close = handler.on_close
        self.may_drop = handler.may_drop
        self.is_busy = handler.is_busy
