"""Registering handlers: the same methods on servers, namespaces and sockets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from socketio_sync.server.handlers import Handler, Handlers
from socketio_sync.server.threaded import Place, check_place, threaded
from socketio_sync.types import F

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer


class Listening:
    """Where handlers are registered. From any greenlet and any thread, also while events are handled.

    Handlers of a server or namespace get the socket first, those of a socket only the event's arguments.
    """

    __slots__ = ()

    @abstractmethod
    def _tables(self, event: str | None = None) -> Sequence[Handlers]:
        """Return the tables that a registration goes into; the first one is the object's own.

        ``event`` is what it is for, None if that is all events.
        """

    @abstractmethod
    def _engine(self) -> EngineServer:
        """Return the Engine.IO server on whose hub the handlers run."""

    def _on_outgoing(self) -> None:
        """Learn that somebody wants to hear of every event to clients."""

    @overload
    def on(self, event: str, handler: None = None, *, run_in: Place = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, handler: F, *, run_in: Place = None) -> F: ...

    def on(self, event: str, handler: Handler | None = None, *, run_in: Place = None) -> Any:
        """Handle an event; a call or a decorator. Several handlers of one event are called in order.

        The first return value that isn't None is the acknowledgement, if the client asked for one; a tuple is
        one with several values.

        The events of a connection's life are called ``"connection"`` (of servers and namespaces only: a
        socket has joined), ``"disconnecting"`` (it leaves, and is still in its rooms) and ``"disconnect"``
        (it has left: exactly once for each connection), the latter two with the reason and a description, as
        many as the handler takes, and ``"error"`` (with the description of what the client did wrong). No
        client can emit them. A server has ``"new_namespace"`` as well, with the namespace.

        Args:
            event: The name.
            handler: The function; None makes a decorator.
            run_in: None calls the handler on the hub, which serves nobody else until it returns or blocks as
                gevent knows it. ``"thread"`` is for who computes, or blocks otherwise: it runs in a thread of
                ``gevent.get_hub().threadpool``, in the same order, and everybody else is served meanwhile.
                The pool has ten threads unless told otherwise, and gevent looks host names up in it, too.

        Raises:
            ValueError: The name is reserved, or there is no such place to run in.
            TypeError: The handler can't be called, or isn't a plain function.
        """
        return self._add(event, handler, run_in=run_in)

    @overload
    def once(self, event: str, handler: None = None, *, run_in: Place = None) -> Callable[[F], F]: ...

    @overload
    def once(self, event: str, handler: F, *, run_in: Place = None) -> F: ...

    def once(self, event: str, handler: Handler | None = None, *, run_in: Place = None) -> Any:
        """Handle only the next event of this name; a call or a decorator. ``run_in`` is as for ``on``."""
        return self._add(event, handler, once=True, run_in=run_in)

    @overload
    def prepend(self, event: str, handler: None = None) -> Callable[[F], F]: ...

    @overload
    def prepend(self, event: str, handler: F) -> F: ...

    def prepend(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event before the handlers that are there already; a call or a decorator."""
        return self._add(event, handler, first=True)

    def _add(
        self,
        event: str,
        handler: Handler | None,
        *,
        once: bool = False,
        first: bool = False,
        run_in: Place = None,
    ) -> Any:
        check_place(run_in)
        place = None if run_in is None else partial(threaded, engine=self._engine())

        def add(function: Handler) -> Handler:
            for table in self._tables(event):
                table.add(event, function, once=once, first=first, place=place)
            return function

        return add if handler is None else add(handler)

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event, or those of all events; ignored if there is none."""
        for table in self._tables(event):
            table.remove(event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Return the handlers of an event, in the order in which they are called."""
        return self._tables(event)[0].functions(event)

    def on_unhandled(self, handler: F) -> F:
        """Handle the events from clients that have no handler: ``handler(event, *arguments)``.

        On a server or namespace the socket comes first. There is one; the last one counts, and a socket's own
        is asked before its namespace's. What it returns is the acknowledgement, as for ``on``;
        ``NotImplemented`` says that it doesn't handle this event either.

        Raises:
            TypeError: The handler can't be called.
        """
        for table in self._tables():
            table.set_fallback(handler)
        return handler

    # -- every event ------------------------------------------------------------------------------

    def on_any(self, handler: F) -> F:
        """Hear of every event from clients, before its handlers: ``handler(event, *arguments)``.

        On a server or namespace the socket comes first. Nothing that it returns is an acknowledgement.
        """
        return self._add_any(handler)

    def prepend_any(self, handler: F) -> F:
        """Do the same, before those who are registered already."""
        return self._add_any(handler, first=True)

    def off_any(self, handler: Handler | None = None) -> None:
        """Undo ``on_any``, for all if none is given."""
        for table in self._tables():
            table.remove_any(handler)

    def listeners_any(self) -> list[Handler]:
        """Return who hears of every event."""
        return list(self._tables()[0].incoming)

    def on_any_outgoing(self, handler: F) -> F:
        """Hear of every event to clients, not of acknowledgements: ``handler(event, *arguments)``.

        On a server or namespace the socket comes first; for a broadcast it is called for each recipient. It
        is called before the event is queued, and must not change the arguments.
        """
        return self._add_any(handler, outgoing=True)

    def prepend_any_outgoing(self, handler: F) -> F:
        """Do the same, before those who are registered already."""
        return self._add_any(handler, outgoing=True, first=True)

    def off_any_outgoing(self, handler: Handler | None = None) -> None:
        """Undo ``on_any_outgoing``, for all if none is given."""
        for table in self._tables():
            table.remove_any(handler, outgoing=True)

    def listeners_any_outgoing(self) -> list[Handler]:
        """Return who hears of every event to clients."""
        return list(self._tables()[0].outgoing)

    def _add_any(self, handler: F, *, outgoing: bool = False, first: bool = False) -> F:
        for table in self._tables():
            table.add_any(handler, outgoing=outgoing, first=first)
        if outgoing:
            self._on_outgoing()
        return handler
