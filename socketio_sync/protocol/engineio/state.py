"""The states of a session's upgrade to WebSocket.

Specification: engine.io-protocol, "Upgrade".
"""

from __future__ import annotations

from enum import Enum

from socketio_sync.protocol.engineio.packet import PING, UPGRADE, Packet


class UpgradeAction(Enum):
    """What a packet on a probing WebSocket asks for.

    Attributes:
        PONG: Answer ``3probe``.
        COMPLETE: The WebSocket becomes the session's transport.
        ABANDON: Close the WebSocket; the session goes on by polling.
    """

    PONG = "pong"
    COMPLETE = "complete"
    ABANDON = "abandon"


class _Step(Enum):
    WAITING = "waiting"
    PROBED = "probed"
    OVER = "over"


# (step, packet) -> (action, next step); every other pair abandons.
_TABLE = {
    (_Step.WAITING, Packet(PING, "probe")): (UpgradeAction.PONG, _Step.PROBED),
    (_Step.PROBED, Packet(PING, "probe")): (UpgradeAction.PONG, _Step.PROBED),
    (_Step.PROBED, Packet(UPGRADE)): (UpgradeAction.COMPLETE, _Step.OVER),
}
_OTHERWISE = (UpgradeAction.ABANDON, _Step.OVER)


class Upgrade:
    """One attempt to move a session from polling to a WebSocket."""

    __slots__ = ("_step",)

    def __init__(self) -> None:
        """Start with the WebSocket open and nothing received on it."""
        self._step = _Step.WAITING

    def on_packet(self, packet: Packet) -> UpgradeAction:
        """Take the next packet of the probing WebSocket and say what it asks for.

        The attempt is over with COMPLETE or ABANDON; whatever is fed after that abandons.
        """
        action, self._step = _TABLE.get((self._step, packet), _OTHERWISE)
        return action
