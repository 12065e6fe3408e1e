"""What a client's frames come to: messages, control frames, and the end.

Specification: RFC 6455, sections 5.5, 5.6 and 7.1.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Ping(NamedTuple):
    """A ping, which wants a pong with the same payload (at most 125 bytes)."""

    payload: bytes


class Pong(NamedTuple):
    """A pong, asked for or not."""

    payload: bytes


class Closed(NamedTuple):
    """The client's close frame; nothing follows.

    Attributes:
        code: One that may stand in a close frame, or 1005 where the frame had none.
        reason: The client's words, possibly empty.
    """

    code: int
    reason: str


class Failed(NamedTuple):
    """The client broke the rules; nothing follows.

    Attributes:
        code: What to close with: 1002, 1007, 1008 or 1009.
        reason: What was wrong, in ASCII, without anything the client sent.
    """

    code: int
    reason: str


Event: TypeAlias = str | bytes | Ping | Pong | Closed | Failed
"""A text message, a binary message, or one of the above."""


class Violation(Exception):
    """Raised inside this package where ``Failed`` is to be the last event."""

    def __init__(self, code: int, reason: str) -> None:
        """Carry the fields of ``Failed``."""
        super().__init__(reason)
        self.code = code
        self.reason = reason
