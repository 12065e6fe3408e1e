"""A namespace: the sockets in it, their handlers, and who may come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import Adapter, AdapterFactory, Outgoing, Selection
from socketio_sync.engine.views import View
from socketio_sync.options import ServerOptions
from socketio_sync.protocol.engineio.packet import Batch
from socketio_sync.protocol.socketio.codec import Codec
from socketio_sync.server.broadcast import Broadcaster, BroadcastOperator
from socketio_sync.server.handlers import Handler, Handlers
from socketio_sync.server.outgoing import Broadcast
from socketio_sync.server.socket import Socket

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

# The events of a socket's life, and how many arguments a namespace's handlers get.
LIFECYCLE = {"connection": 1, "disconnect": 3, "disconnecting": 3, "error": 2}


class Endpoint(Broadcaster):
    """What a server and its namespaces have in common: handlers, middlewares, and everyone to emit to."""

    __slots__ = ()

    def _namespace(self) -> Namespace:
        raise NotImplementedError

    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self._namespace(), Selection())

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of every socket; a call or a decorator. The socket is the first argument.

        ``"connection"`` is called when a socket has joined, ``"disconnecting"`` and ``"disconnect"`` with the
        reason (and a description, if the handler takes one) when it leaves: exactly once for each connection.
        The return value of a handler is the acknowledgement, if the client asked for one.

        Raises:
            ValueError: The name is reserved.
        """
        return self._namespace().handlers.add(event, handler)

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle only the next event of this name."""
        return self._namespace().handlers.add(event, handler, once=True)

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event."""
        self._namespace().handlers.remove(event, handler)

    def on_error(self, handler: Handler) -> Handler:
        """Learn of what handlers raise: ``handler(socket, event, error)``. It is logged anyway."""
        self._namespace().error_handlers.append(handler)
        return handler

    def use(self, middleware: Callable[[Socket], Any]) -> Callable[[Socket], Any]:
        """Ask ``middleware(socket)`` before a socket may join; in order, each may block.

        It refuses by raising :class:`~socketio_sync.exceptions.ConnectionRefused`.
        """
        self._namespace().middlewares.append(middleware)
        return middleware

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to everyone; see :meth:`BroadcastOperator.emit`."""
        self._operator().emit(event, *arguments)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event to everyone."""
        self._operator().emit("message", *arguments)

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The connected sockets by id; see :class:`~socketio_sync.engine.views.View`."""
        return View(self._namespace().connected)

    def rooms(self) -> frozenset[str]:
        """Return the rooms that exist, the sockets' own among them."""
        return self._namespace().adapter.rooms()


class Namespace(Endpoint):
    """One namespace of a server. Made by ``io.of(name)``.

    Attributes:
        name: Begins with a slash.
        options: The server's.
        codec: The server's.
        adapter: Who is in which room.
    """

    __slots__ = (
        "_ack_ids",
        "_engine",
        "_everyone",
        "adapter",
        "codec",
        "connected",
        "error_handlers",
        "handlers",
        "middlewares",
        "name",
        "options",
    )

    def __init__(
        self,
        name: str,
        *,
        engine: EngineServer,
        options: ServerOptions,
        codec: Codec,
        adapter: AdapterFactory,
    ) -> None:
        """Make a namespace of the server whose parts these are."""
        self.name = name
        self.options = options
        self.codec = codec
        self.connected: dict[str, Socket] = {}
        self._everyone: tuple[Socket, ...] | None = None
        self.handlers = Handlers(LIFECYCLE)
        self.middlewares: list[Callable[[Socket], Any]] = []
        self.error_handlers: list[Handler] = []
        self._engine = engine
        self._ack_ids = count()
        self.adapter: Adapter = adapter(self)

    def _namespace(self) -> Namespace:
        return self

    def __repr__(self) -> str:
        """Name the namespace."""
        return f"<Namespace {self.name}>"

    def next_ack_id(self) -> int:
        """Return the next id for an acknowledgement; one counter for all sockets, from 0."""
        return next(self._ack_ids)

    def on_hub(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call ``function`` now on the hub's own thread, from another one in order as soon as it can."""
        if not self._engine.is_bound:
            # Nobody has ever connected, so there is nobody to reach.
            return
        runtime = self._engine.runtime
        if runtime.is_current():
            function(*arguments)
        else:
            runtime.from_thread(function, *arguments)

    # -- the sockets, for connections and the adapter; on the hub's thread --------------------------

    def add(self, socket: Socket) -> None:
        """Enter a socket, and put it into the room of its own id."""
        self.connected[socket.id] = socket
        self._everyone = None
        self.adapter.join(socket, (socket.id,))

    def remove(self, socket: Socket) -> None:
        """Forget a socket; its rooms it leaves by itself."""
        self.connected.pop(socket.id, None)
        self._everyone = None

    def all_sockets(self) -> Sequence[Socket]:
        """Return the connected sockets, in the same tuple until one comes or goes."""
        if self._everyone is None:
            self._everyone = tuple(self.connected.values())
        return self._everyone

    def send_many(self, sockets: Sequence[Socket], outgoing: Outgoing, selection: Selection) -> None:
        """Send one packet to many sockets, in this turn of the loop; see :class:`LocalSockets`."""
        assert isinstance(outgoing, Broadcast)
        outbox = self._engine.runtime.outbox
        if selection.volatile:
            # What was meant for them before counts.
            outbox.settle()
            sockets = [socket for socket in sockets if socket.connection.session.transport.writable]
        outbox.deliver(sockets, outgoing.batch(), _fan_out)


def _fan_out(sockets: Sequence[Socket], batch: Batch) -> None:
    for socket in sockets:
        if socket.connected:
            socket.connection.session.transport.send_shared(batch)
