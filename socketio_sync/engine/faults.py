"""What the operator is told of a client that breaks the rules or takes nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from socketio_sync.logs import Throttle, shown

if TYPE_CHECKING:
    from socketio_sync.engine.socket import EngineSocket

# What an upgrade that leads to nothing is called: the session itself goes on.
UPGRADE = "upgrade given up"
problems = Throttle(logging.getLogger(__name__))


def blame(session: EngineSocket, reason: str, description: str) -> None:
    """Log why a client is sent away: once, then counted, for each reason."""
    problems.warning(
        reason,
        "session %s of %s: %s: %s",
        session.id,
        session.environ.get("REMOTE_ADDR"),
        reason if reason == UPGRADE else f"closing, {reason}",
        shown(description),
    )
