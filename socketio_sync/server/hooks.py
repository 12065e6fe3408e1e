"""What an application registers with a namespace, beside what it does with single sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from socketio_sync.server.handlers import Handler, Handlers

if TYPE_CHECKING:
    from socketio_sync.server.socket import Socket

# The events of a socket's life, and how many arguments a namespace's handlers get.
LIFECYCLE = {"connection": 1, "disconnect": 3, "disconnecting": 3, "error": 2}

ROOM_EVENTS = ("create-room", "join-room", "leave-room", "delete-room")

Middleware: TypeAlias = "Callable[[Socket], Any]"


class Described(NamedTuple):
    """An event that the application has described, since no handler says what it's like.

    Attributes:
        event: Its name.
        types: Of its arguments.
        ack: Of its acknowledgement; None where there is none.
        summary: What it is for.
        incoming: Whether clients emit it.
    """

    event: str
    types: tuple[Any, ...]
    ack: Any
    summary: str
    incoming: bool


class Hooks:
    """What applications register with a namespace, or with the parent of some.

    Attributes:
        described: Events that it has described.
        handlers: Of the events of clients, and of their lives.
        middlewares: Who is asked before a socket may join.
        error_handlers: Who hears of what handlers raise.
        gates: Who is asked when a socket has joined, and its client doesn't know yet.
        rooms: Who hears of rooms.
        server_side: The handlers of what other servers emit.
    """

    __slots__ = ("described", "error_handlers", "gates", "handlers", "middlewares", "rooms", "server_side")

    def __init__(self, template: Hooks | None = None) -> None:
        """Begin with nothing, or with what a ``template`` has."""
        if template is None:
            self.handlers = Handlers(LIFECYCLE, leading=1)
            self.middlewares: list[Middleware] = []
            self.gates: list[Middleware] = []
            self.error_handlers: list[Handler] = []
            self.rooms = Handlers({})
            self.server_side = Handlers({})
            self.described: list[Described] = []
        else:
            self.handlers = template.handlers.copy()
            self.middlewares = list(template.middlewares)
            self.gates = list(template.gates)
            self.error_handlers = list(template.error_handlers)
            self.rooms = template.rooms.copy()
            self.server_side = template.server_side.copy()
            self.described = list(template.described)
