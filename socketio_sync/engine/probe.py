"""A WebSocket that wants to take a polling session over, until it has or hasn't.

Specification: engine.io-protocol, "Upgrade"; wire.md 2.4.
"""

from __future__ import annotations

from socketio_sync.engine.faults import UPGRADE, blame
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import MESSAGE, PONG, Message, Packet
from socketio_sync.protocol.engineio.state import Upgrade, UpgradeAction
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.timers import Timer
from socketio_sync.transports.websocket import WebSocketTransport

# While a WebSocket probes, a poll is released at once, and those that come later this often.
RELEASE_INTERVAL = 0.1


class Probe:
    """The handler of a WebSocket's packets until the session has moved to it. For the hub's thread only."""

    __slots__ = ("_over", "_release_timer", "_runtime", "_session", "_timer", "_upgrade", "transport")

    def __init__(self, session: EngineSocket, runtime: Runtime, options: EngineOptions) -> None:
        """Let a WebSocket probe for ``session``; its server sets ``transport`` before reading begins."""
        self._session = session
        self._runtime = runtime
        self._upgrade = Upgrade()
        self._over = False
        self.transport: WebSocketTransport
        session.upgrading = True
        self._timer = runtime.timers.after(options.upgrade_timeout, self._on_timeout)
        self._release_timer: Timer | None = None

    def on_message(self, data: str | bytes) -> None:
        """Give the WebSocket up: nothing may be said before the upgrade."""
        self.on_packet(MESSAGE, data)

    def on_packet(self, type: int, data: str | bytes) -> None:
        """Answer the probe, complete the upgrade, or give the WebSocket up."""
        action = self._upgrade.on_packet(Packet(type, data))
        if action is UpgradeAction.PONG:
            self.transport.send_control(PONG, "probe")
            if self._release_timer is None:
                self._session.on_upgrading(self.transport.name)
            self._release_polls()
        elif action is UpgradeAction.COMPLETE and self._session.is_open:
            self._stop()
            self.transport.handler = self._session
            self._session.move_to(self.transport)
        else:
            self._abandon(f"packet of type {type} instead of the upgrade's")

    def on_close(self, reason: str, description: str = "") -> None:
        """Learn that the WebSocket is gone; the session stays on polling."""
        self._stop()

    def on_fault(self, reason: str, description: str) -> None:
        """Learn that the WebSocket breaks the rules."""
        if not self._over and self._session.is_open:
            blame(self._session, UPGRADE, description)
        self._stop()

    def on_drain(self) -> None:
        """Ignore that what was queued has left."""

    def may_drop(self, message: Message) -> bool:
        """There are no messages before the upgrade."""
        return False

    def on_dropped(self, count: int) -> None:
        """There are no messages before the upgrade."""

    def _release_polls(self) -> None:
        """Release the poll that is held now, and again those that the client still sends."""
        self._release_timer = None
        polling = self._session.transport
        if not self._over and isinstance(polling, PollingTransport):
            polling.release()
            self._release_timer = self._runtime.timers.after(RELEASE_INTERVAL, self._release_polls)

    def _on_timeout(self) -> None:
        self._abandon("the upgrade wasn't completed in time")

    def _abandon(self, why: str) -> None:
        self.on_fault("transport error", why)
        self.transport.close(1008, "upgrade given up")

    def _stop(self) -> None:
        if self._over:
            # Another one may probe by now.
            return
        self._over = True
        self._session.upgrading = False
        self._timer.cancel()
        if self._release_timer is not None:
            self._release_timer.cancel()
