"""Who handles which event: registered once, looked at once, called many times."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from gevent import monkey

from socketio_sync.server.typed import typed

Handler: TypeAlias = Callable[..., Any]

RESERVED = ("connect", "connect_error", "newListener", "removeListener")

# How many names are compared with those there are: a developer's slips come first, a stranger's names go on.
MAX_COMPARED = 20

# Calling these runs nothing.
_LAZY = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)

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


class Entry:
    """One registration. ``call`` is what runs, ``function`` what the application gave us."""

    __slots__ = ("call", "function", "once")

    def __init__(self, function: Handler, call: Handler, once: bool) -> None:
        """Make one; ``once`` tells whether it is for one call only."""
        self.function = function
        self.call = call
        self.once = once


class Handlers:
    """The handlers of a namespace or a socket.

    Events from clients and the events of a socket's life are in separate tables, so that no client can
    trigger the latter. May be changed from any greenlet or thread; a call sees the handlers as they were when
    it began.

    Attributes:
        events: The handlers of the events from clients, by name, in the order in which they are called.
        incoming: Who hears of every event from a client, beside its handlers.
        fallback: Who handles the events from clients that have no handler; None if nobody does.
        filters: Who may refuse an event from a client, after those.
        outgoing: Who hears of every event to a client.
    """

    __slots__ = (
        "_leading",
        "_lifecycle",
        "_lifecycle_entries",
        "_nearest",
        "events",
        "fallback",
        "filters",
        "incoming",
        "outgoing",
    )

    def __init__(self, lifecycle: dict[str, int], leading: int | None = None) -> None:
        """Make an empty table.

        Args:
            lifecycle: The events that are kept apart, and how many arguments they come with.
            leading: How many arguments in front aren't from the client; None where none of them is.
        """
        self._lifecycle = lifecycle
        self._leading = leading
        self.events: dict[Any, tuple[Entry, ...]] = {}
        self._lifecycle_entries: dict[Any, tuple[Entry, ...]] = {}
        self._nearest: dict[str, str | None] = {}
        self.incoming: tuple[Handler, ...] = ()
        self.outgoing: tuple[Handler, ...] = ()
        self.filters: tuple[Handler, ...] = ()
        self.fallback: Handler | None = None

    def copy(self) -> Handlers:
        """Return a table of its own with the same handlers in it."""
        other = Handlers(self._lifecycle, self._leading)
        with _changing:
            other.events = dict(self.events)
            other._lifecycle_entries = dict(self._lifecycle_entries)
            other.incoming = self.incoming
            other.outgoing = self.outgoing
            other.fallback = self.fallback
        return other

    def add(
        self,
        event: str,
        handler: Handler,
        *,
        once: bool = False,
        first: bool = False,
        place: Callable[[Handler], Handler] | None = None,
    ) -> None:
        """Register a handler.

        Args:
            event: The name.
            handler: What ``remove`` and ``functions`` know it by.
            once: Whether it is for one call only.
            first: Whether it comes before those that are there.
            place: Makes what is called to run it elsewhere; None runs it where it is called.

        Raises:
            ValueError: The name is reserved and nobody could ever emit it.
            TypeError: The handler can't be called, or isn't a plain function.
        """
        if event in RESERVED:
            hint = '; the event is called "connection"' if event == "connect" else ""
            raise ValueError(f"{event!r} is a reserved event name{hint}")
        check_callable(event, handler)
        table = self._table_of(event)
        if event in self._lifecycle:
            call = trimmed(handler, self._lifecycle[event])
        elif self._leading is not None:
            call = typed(handler, event, self._leading)
        else:
            call = handler
        if place is not None:
            call = place(call)
        entry = Entry(handler, call, once)
        with _changing:
            others = table.get(event, ())
            table[event] = (entry, *others) if first else (*others, entry)

    def remove(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler of an event, or all of them, or those of all events; ignored if there is none."""
        with _changing:
            if event is None:
                self.events.clear()
                self._lifecycle_entries.clear()
                return
            table = self._table_of(event)
            left = () if handler is None else tuple(e for e in table.get(event, ()) if e.function != handler)
            _put(table, event, left)

    def functions(self, event: str) -> list[Handler]:
        """Return the handlers of an event, in the order in which they are called."""
        return [entry.function for entry in self._table_of(event).get(event, ())]

    def _table_of(self, event: str) -> dict[Any, tuple[Entry, ...]]:
        return self._lifecycle_entries if event in self._lifecycle else self.events

    def set_fallback(self, handler: Handler) -> None:
        """Have somebody handle the events from clients that have no handler.

        Raises:
            TypeError: It can't be called.
        """
        check_callable("any event", handler)
        self.fallback = handler

    def add_filter(self, check: Handler) -> None:
        """Register who may refuse events from clients.

        Raises:
            TypeError: It can't be called, or isn't a plain function.
        """
        check_callable("any event", check)
        with _changing:
            self.filters = (*self.filters, check)

    def add_any(self, handler: Handler, *, outgoing: bool = False, first: bool = False) -> None:
        """Register who hears of every event from clients, or to them.

        Raises:
            TypeError: It can't be called, or isn't a plain function.
        """
        check_callable("any event", handler)
        with _changing:
            others = self.outgoing if outgoing else self.incoming
            self._put_any((handler, *others) if first else (*others, handler), outgoing)

    def remove_any(self, handler: Handler | None = None, *, outgoing: bool = False) -> None:
        """Remove one of those, or all."""
        with _changing:
            others = self.outgoing if outgoing else self.incoming
            left = () if handler is None else tuple(other for other in others if other != handler)
            self._put_any(left, outgoing)

    def _put_any(self, handlers: tuple[Handler, ...], outgoing: bool) -> None:
        if outgoing:
            self.outgoing = handlers
        else:
            self.incoming = handlers

    def names(self) -> list[str]:
        """Return the events from clients that have a handler."""
        return [name for name in tuple(self.events) if isinstance(name, str)]

    def nearest(self, name: str) -> str | None:
        """Return the event with handlers whose name is most like this one, if there is one.

        That takes milliseconds: only the first names that are asked for are compared.
        """
        if name not in self._nearest:
            if len(self._nearest) >= MAX_COMPARED:
                return None
            close = get_close_matches(name, self.names(), 1)
            self._nearest[name] = close[0] if close else None
        return self._nearest[name]

    def of_lifecycle(self, event: str) -> Sequence[Entry]:
        """Return the handlers of an event of a socket's life."""
        return self._lifecycle_entries.get(event, ())

    def spend(self, event: Any, entry: Entry) -> bool:
        """Remove a handler that is for one call only; tell whether this call is the one."""
        with _changing:
            for table in (self.events, self._lifecycle_entries):
                entries = table.get(event, ())
                if entry in entries:
                    _put(table, event, tuple(other for other in entries if other is not entry))
                    return True
        return False


def check_callable(event: str, handler: Any) -> None:
    """Refuse what can't be called, or what does nothing when it is.

    Raises:
        TypeError: It can't be called, or it is a generator or an asynchronous function: what such a
            middleware forbids would be allowed.
    """
    if not callable(handler):
        raise TypeError(f"the handler of {event!r} must be callable, not {handler!r}")
    function = handler if inspect.isroutine(handler) else getattr(type(handler), "__call__", handler)  # noqa: B004
    if any(is_lazy(each) for is_lazy in _LAZY for each in (handler, function)):
        raise TypeError(f"the handler of {event!r} must be a plain function; it may block. Not {handler!r}")


def _put(table: dict[Any, tuple[Entry, ...]], event: Any, entries: tuple[Entry, ...]) -> None:
    """Replace the handlers of an event; one without any has no name either."""
    if entries:
        table[event] = entries
    else:
        table.pop(event, None)
