"""Handlers as the methods of a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from socketio_sync.server.handlers import Handler
from socketio_sync.types import F

if TYPE_CHECKING:
    from socketio_sync.server.dynamic import Matcher
    from socketio_sync.server.endpoint import Endpoint

_PREFIX = "on_"
_MARK = "_socketio_sync_events"


def handles(*events: str) -> Callable[[F], F]:
    """Mark a method of :class:`NamespaceHandlers` as the handler of events, whatever its name is."""

    def mark(function: F) -> F:
        setattr(function, _MARK, (*getattr(function, _MARK, ()), *events))
        return function

    return mark


class NamespaceHandlers:
    """A namespace whose handlers are the methods of an object.

        class Chat(NamespaceHandlers):
            def on_connection(self, socket): ...

            def on_typing(self, socket, name): ...

            @handles("chat message")
            def message(self, socket, text): ...

        io.register(Chat("/chat"))

    ``on_`` and the name of an event make a handler; ``handles`` names events that can't be written like this.
    The methods are looked up once, when the object is registered: no client can reach another one.

    Attributes:
        namespace: Where the events come from, as for ``io.of``.
    """

    def __init__(self, namespace: str | Matcher = "/") -> None:
        """Handle the events of ``namespace``."""
        self.namespace = namespace

    # -- for the server ------------------------------------------------------------------------------

    def attach(self, endpoint: Endpoint) -> None:
        """Register all handlers with a namespace; called by ``io.register``.

        Raises:
            ValueError: A method has a reserved event's name.
        """
        for name in dir(type(self)):
            # Properties aren't asked for.
            if name.startswith("__") or not callable(getattr(type(self), name)):
                continue
            method: Handler = getattr(self, name)
            events = getattr(method, _MARK, ())
            if not events and name.startswith(_PREFIX) and len(name) > len(_PREFIX):
                events = (name[len(_PREFIX) :],)
            for event in events:
                endpoint.on(event, method)
