"""Sessions whose every packet the application wants to see.

Nothing of this is in the way of the others: a handler and a transport are replaced when the first listener of
a session is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from socketio_sync.engine.handler import EngineHandler, ForwardingHandler
from socketio_sync.protocol.engineio.packet import Batch, Message
from socketio_sync.transports.base import Transport
from socketio_sync.transports.bounded import BoundedPolling, BoundedWebSocket
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.websocket import WebSocketTransport

NAMES = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
_MESSAGE = "message"


class WatchedHandler(ForwardingHandler):
    """Tells of each message before the handler behind it gets it."""

    __slots__ = ("_tell",)

    def __init__(self, handler: EngineHandler, tell: Callable[[str, str | bytes], None]) -> None:
        """Stand before ``handler``; ``tell`` is called with the packet's type and data."""
        super().__init__(handler)
        self._tell = tell

    def on_message(self, data: str | bytes) -> None:
        """Take one message."""
        self._tell(_MESSAGE, data)
        self._handler.on_message(data)


def _tell(transport: Transport, type: str, data: str | bytes) -> None:
    session: Any = transport.handler
    session.on_sent(type, data)


def _tell_messages(transport: Transport, messages: Sequence[Message]) -> None:
    for message in messages:
        _tell(transport, _MESSAGE, message.data if message.binary else message.data.decode())


class WatchedPolling(PollingTransport):
    """Tells its session of each packet. All that it sends goes through these two."""

    __slots__ = ()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together."""
        _tell_messages(self, messages)
        super().send(messages)

    def send_control(self, type: int, data: str = "") -> None:
        """Queue a packet without application data."""
        _tell(self, NAMES[type], data)
        super().send_control(type, data)


class WatchedWebSocket(WebSocketTransport):
    """Tells its session of each packet."""

    __slots__ = ()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages that belong together."""
        _tell_messages(self, messages)
        super().send(messages)

    def send_shared(self, batch: Batch) -> None:
        """Queue messages that others get, too."""
        for messages in batch.parts:
            _tell_messages(self, messages)
        super().send_shared(batch)

    def send_text(self, data: bytes) -> None:
        """Queue a text message that is for this peer alone."""
        _tell_messages(self, (Message(data, False),))
        super().send_text(data)

    def send_parts(self, text: bytes, attachments: Sequence[bytes]) -> None:
        """Queue a text message and the binary ones that belong to it."""
        _tell_messages(self, (Message(text, False), *[Message(data, True) for data in attachments]))
        super().send_parts(text, attachments)

    def send_control(self, type: int, data: str = "") -> None:
        """Queue a packet without application data."""
        _tell(self, NAMES[type], data)
        super().send_control(type, data)


class WatchedBoundedPolling(WatchedPolling, BoundedPolling):
    """The same where messages may be dropped."""

    __slots__ = ()


class WatchedBoundedWebSocket(WatchedWebSocket, BoundedWebSocket):
    """The same where messages may be dropped."""

    __slots__ = ()


_WATCHED: dict[type, Any] = {
    BoundedPolling: WatchedBoundedPolling,
    BoundedWebSocket: WatchedBoundedWebSocket,
    PollingTransport: WatchedPolling,
    WebSocketTransport: WatchedWebSocket,
}


def watch(transport: Any) -> None:
    """Have a transport tell its session, ``on_sent(type, data)``, of each packet from now on."""
    # Its kind is changed, so that nobody else's has to ask.
    transport.__class__ = _WATCHED[type(transport)]
