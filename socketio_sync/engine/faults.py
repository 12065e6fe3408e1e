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


# The options behind what a client may have reached, by how that is called.
OPTIONS = {
    "message too big": "max_http_buffer_size",
    "too many fragments": "max_fragments",
    "and not read, the most": "max_total_outbound_bytes",
    "queued and not": "max_outbound_bytes, outbound_policy",
    "nothing was read for": "write_stall_timeout",
    "number of attachments": "max_attachments",
    "nested deeper than": "json_max_depth",
    "refused CONNECTs": "max_refused_connects",
    "that nobody asked for": "max_unknown_acks",
    "was joined in time": "connect_timeout",
    "completed in time": "upgrade_timeout",
}


def blame(session: EngineSocket, reason: str, description: str) -> None:
    """Log why a client is sent away: once, then counted, for each reason."""
    option = next((option for text, option in OPTIONS.items() if text in description), "")
    problems.warning(
        reason,
        "session %s of %s: %s: %s%s",
        session.id,
        session.environ.get("REMOTE_ADDR"),
        reason if reason == UPGRADE else f"closing, {reason}",
        shown(description),
        option and f" ({option})",
    )
