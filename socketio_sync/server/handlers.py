"""Who handles which event: registered once, looked at once, called many times."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gevent import monkey

Handler: TypeAlias = Callable[..., Any]

RESERVED = ("connect", "connect_error", "newListener", "removeListener")

# Held while a table changes, which never switches greenlets: so a native lock, and one for all is enough.
_changing = monkey.get_original("_thread", "allocate_lock")()


def trimmed(handler: Handler, most: int) -> Handler:
    """Return ``handler``, or one that passes it only as many arguments as its signature takes.

    For the events of a socket's life, whose last arguments one may leave out. The signature is looked at
    here, at registration: never by calling and catching TypeError.
    """
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return handler
    takes = 0
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return handler
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            takes += 1
    if takes >= most:
        return handler
    return lambda *arguments: handler(*arguments[:takes])


class _Entry:
    """One registration. ``call`` is what runs, ``function`` what the application gave us."""

    __slots__ = ("call", "function", "once")

    def __init__(self, function: Handler, call: Handler, once: bool) -> None:
        self.function = function
        self.call = call
        self.once = once


class Handlers:
    """The handlers of a namespace or a socket.

    Events from clients and the events of a socket's life are in separate tables, so that no client can
    trigger the latter. May be changed from any greenlet or thread; a call sees the handlers as they were when
    it began.

    Attributes:
        events: The handlers of the events from clients, by name, in the order of their registration.
    """

    __slots__ = ("_lifecycle", "_lifecycle_entries", "events")

    def __init__(self, lifecycle: dict[str, int]) -> None:
        """Keep ``lifecycle`` events apart; the numbers are how many arguments they come with."""
        self._lifecycle = lifecycle
        self.events: dict[Any, tuple[_Entry, ...]] = {}
        self._lifecycle_entries: dict[Any, tuple[_Entry, ...]] = {}

    def add(self, event: str, handler: Handler | None, *, once: bool = False) -> Any:
        """Register a handler, or return the decorator that does.

        Raises:
            ValueError: The name is reserved and nobody could ever emit it.
            TypeError: The handler can't be called.
        """
        if handler is None:
            return lambda function: self.add(event, function, once=once)
        if event in RESERVED:
            hint = '; the event is called "connection"' if event == "connect" else ""
            raise ValueError(f"{event!r} is a reserved event name{hint}")
        if not callable(handler):
            raise TypeError(f"the handler of {event!r} must be callable, not {handler!r}")
        table = self.events
        call = handler
        if event in self._lifecycle:
            table = self._lifecycle_entries
            call = trimmed(handler, self._lifecycle[event])
        with _changing:
            table[event] = (*table.get(event, ()), _Entry(handler, call, once))
        return handler

    def remove(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler of an event, or all of them; ignored if there is none."""
        table = self.events
        if event in self._lifecycle:
            table = self._lifecycle_entries
        with _changing:
            left = () if handler is None else tuple(e for e in table.get(event, ()) if e.function != handler)
            _put(table, event, left)

    def names(self) -> list[str]:
        """Return the events from clients that have a handler."""
        return [name for name in tuple(self.events) if isinstance(name, str)]

    def of_lifecycle(self, event: str) -> Sequence[_Entry]:
        """Return the handlers of an event of a socket's life."""
        return self._lifecycle_entries.get(event, ())

    def spend(self, event: Any, entry: _Entry) -> bool:
        """Remove a handler that is for one call only; tell whether this call is the one."""
        with _changing:
            for table in (self.events, self._lifecycle_entries):
                entries = table.get(event, ())
                if entry in entries:
                    _put(table, event, tuple(other for other in entries if other is not entry))
                    return True
        return False


def _put(table: dict[Any, tuple[_Entry, ...]], event: Any, entries: tuple[_Entry, ...]) -> None:
    """Replace the handlers of an event; one without any has no name either."""
    if entries:
        table[event] = entries
    else:
        table.pop(event, None)
