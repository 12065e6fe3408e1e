"""Handlers of the events that the engine and its sessions have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, overload

from socketio_sync.types import F


class Events:
    """Something with a fixed number of events. From any greenlet and any thread.

    Attributes:
        EVENTS: Their names.
    """

    __slots__ = ("_listeners",)

    EVENTS: ClassVar[tuple[str, ...]]

    # None until there is one: most sessions have none, ever.
    _listeners: dict[str, tuple[Callable[..., Any], ...]] | None

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, handler: F) -> F: ...

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register a handler, as a call or a decorator; several of one event are called in order.

        Raises:
            ValueError: There is no such event.
        """
        self._check(event)
        if handler is None:
            return lambda function: self.on(event, function)
        listeners = self._listeners if self._listeners is not None else {}
        self._listeners = listeners
        others = listeners.get(event, ())
        listeners[event] = (*others, handler)
        if not others:
            self._on_first(event)
        return handler

    def off(self, event: str, handler: Callable[..., Any] | None = None) -> None:
        """Remove a handler, or all of an event; ignored if there is none.

        Raises:
            ValueError: There is no such event.
        """
        self._check(event)
        if self._listeners is not None:
            left = () if handler is None else tuple(each for each in self.listeners(event) if each != handler)
            self._listeners[event] = left

    def listeners(self, event: str) -> Sequence[Callable[..., Any]]:
        """Return the handlers of an event, in the order in which they are called."""
        return self._listeners.get(event, ()) if self._listeners is not None else ()

    def _on_first(self, event: str) -> None:
        """Learn that somebody wants to hear of an event."""

    def _check(self, event: str) -> None:
        if event not in self.EVENTS:
            raise ValueError(f"there are the events {', '.join(self.EVENTS)}; not {event!r}")
