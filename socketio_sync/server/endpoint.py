"""What servers, namespaces and their parents have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from socketio_sync.options import ServerOptions
from socketio_sync.server.broadcast import Broadcaster, BroadcastOperator
from socketio_sync.server.handlers import Handler, Handlers, check_callable
from socketio_sync.server.hooks import ROOM_EVENTS, Described, Hooks
from socketio_sync.server.listening import Listening
from socketio_sync.server.outgoing import check_event_name, check_server_side_name
from socketio_sync.server.signatures import checked
from socketio_sync.types import F

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer
    from socketio_sync.server.namespace import Namespace


class Endpoint(Broadcaster, Listening):
    """Handlers for the events of many sockets, and everyone to emit to.

    Attributes:
        engine: The Engine.IO server.
        options: The server's.
    """

    __slots__ = ()

    engine: EngineServer
    options: ServerOptions

    @abstractmethod
    def _hooks(self) -> Sequence[Hooks]:
        """Return where a registration goes; the first one is the object's own."""

    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self)

    def _tables(self, event: str | None = None) -> Sequence[Handlers]:
        return [hooks.handlers for hooks in self._hooks()]

    def _engine(self) -> EngineServer:
        return self.engine

    def on_error(self, handler: F) -> F:
        """Learn of what handlers raise: ``handler(socket, event, error)``. It is logged anyway.

        Raises:
            TypeError: It can't be called, or isn't a plain function.
        """
        check_callable("any error", handler)
        for hooks in self._hooks():
            hooks.error_handlers.append(handler)
        return handler

    def use(self, middleware: F, *, joined: bool = False) -> F:
        """Ask ``middleware(socket)`` before a socket may join; in order, each may block.

        It refuses by raising :class:`~socketio_sync.exceptions.ConnectionRefused`.

        Args:
            middleware: What to ask.
            joined: Whether the socket is to be in the namespace already, so that it can join rooms, and both
                ``emit`` and broadcasts reach its client, before the answer to its CONNECT does. These are
                asked after all others; who is refused leaves again without an event.

        Raises:
            TypeError: It can't be called, or isn't a plain function.
        """
        check_callable("any connection", middleware)
        for hooks in self._hooks():
            (hooks.gates if joined else hooks.middlewares).append(middleware)
        return middleware

    @overload
    def on_room(self, event: str, handler: None = None) -> Callable[[F], F]: ...

    @overload
    def on_room(self, event: str, handler: F) -> F: ...

    def on_room(self, event: str, handler: Handler | None = None) -> Any:
        """Hear of the rooms of this server, in order; a call or a decorator.

        Args:
            event: ``"create-room"`` and ``"delete-room"``, with the room's name, when the first socket joins
                and after the last one has left; ``"join-room"`` and ``"leave-room"``, with the name and the
                socket's id.
            handler: What to call.

        Raises:
            ValueError: There is no such event.
        """
        if event not in ROOM_EVENTS:
            raise ValueError(f"rooms have the events {', '.join(ROOM_EVENTS)}; not {event!r}")
        if handler is None:
            return lambda function: self.on_room(event, function)
        for hooks in self._hooks():
            hooks.rooms.add(event, handler)
        return handler

    @overload
    def on_server_side(self, event: str, handler: None = None) -> Callable[[F], F]: ...

    @overload
    def on_server_side(self, event: str, handler: F) -> F: ...

    def on_server_side(self, event: str, handler: Handler | None = None) -> Any:
        """Handle what another server of the cluster emits by ``server_side_emit``; a call or a decorator.

        The handler gets the arguments; the first return value that isn't None is the answer.

        Raises:
            ValueError: The name is reserved.
        """
        check_server_side_name(event)
        if handler is None:
            return lambda function: self.on_server_side(event, function)
        for hooks in self._hooks():
            hooks.server_side.add(event, handler)
        return handler

    def describe(
        self, event: str, *types: Any, ack: Any = None, summary: str = "", incoming: bool = False
    ) -> None:
        """Describe an event to clients for ``asyncapi``; has no other effect.

        Args:
            event: Its name.
            types: Of its arguments, as a handler could be annotated.
            ack: The type of the client's acknowledgement, ``tuple[...]`` for several values,
                ``type(None)`` for none of them; None if none is asked for.
            summary: What it is for, in a line.
            incoming: Whether it is one that clients emit: for handlers of single sockets, which are
                registered only when a client comes.

        Raises:
            ValueError: The name is reserved.
            TypeError: Data can't be of one of the types.
        """
        check_event_name(event)
        for type_ in (*types, *(() if ack is None else (ack,))):
            _, problem = checked(type_)
            if problem is not None:
                raise TypeError(f"the event {event!r}: {problem}")
        for hooks in self._hooks():
            hooks.described.append(Described(event, types, ack, summary, incoming))

    # -- for the parts of the server ----------------------------------------------------------------

    @abstractmethod
    def members(self) -> Sequence[Namespace]:
        """Return the namespaces that are meant; of a parent, the children that exist now."""

    def on_hub(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call ``function`` now on the hub's own thread, from another one in order as soon as it can."""
        if not self.engine.is_bound:
            # Nobody has ever connected, so there is nobody to reach.
            return
        runtime = self.engine.runtime
        if runtime.is_current():
            function(*arguments)
        else:
            runtime.from_thread(function, *arguments)
