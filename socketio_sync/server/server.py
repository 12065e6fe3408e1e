"""The Socket.IO server, without the WSGI side of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import gevent

from socketio_sync.adapters.base import AdapterFactory
from socketio_sync.adapters.memory import MemoryAdapter
from socketio_sync.engine.server import EngineServer
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.logs import contain
from socketio_sync.options import TRANSPORTS, ServerOptions, options_of
from socketio_sync.protocol.socketio.codec import Codec
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.server.asyncapi import Place, document
from socketio_sync.server.connection import Connection
from socketio_sync.server.dispatch import run_server_event
from socketio_sync.server.dynamic import Matcher, ParentNamespace
from socketio_sync.server.endpoint import Endpoint
from socketio_sync.server.handlers import Handlers
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.methods import NamespaceHandlers
from socketio_sync.server.namespace import Namespace
from socketio_sync.server.socket import Socket
from socketio_sync.server.stalls import watch
from socketio_sync.transports.watchdog import Watchdog

logger = logging.getLogger(__name__)

# The events of the server itself, which no client can emit.
LIFECYCLE = {"new_namespace": 1}


def _codec_for(options: ServerOptions) -> Codec:
    if options.parser == "msgpack":
        return MsgpackCodec(max_depth=options.json_max_depth)
    if options.parser == "json":
        max_binary = options.max_binary_bytes
        return JSONCodec(
            max_attachments=options.max_attachments,
            max_binary_bytes=options.max_http_buffer_size * 10 if max_binary is None else max_binary,
            max_depth=options.json_max_depth,
            max_integer_digits=options.json_max_digits,
        )
    codec: Codec = options.parser
    return codec


class Server(Endpoint):
    """A Socket.IO server, which is also its main namespace, ``"/"``.

    Every method may be called from any greenlet and any thread.

    Attributes:
        options: What it was made with.
        engine: The Engine.IO server below.
        codec: How packets are written.
        namespaces: The namespaces by name.
    """

    def __init__(self, *, adapter: AdapterFactory | None = None, **options: Any) -> None:
        """Make a server.

        Args:
            adapter: Makes the adapter of each namespace; None keeps everything in this process.
            options: See :class:`~socketio_sync.options.ServerOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option's value can't work.
        """
        self.options = options_of(ServerOptions, options)
        self.engine = EngineServer.with_acceptor(self.options.engine_options(), self._accept)
        self.engine.max_pending = self.options.max_pending
        self.engine.before_close = self._hand_over
        self.codec = _codec_for(self.options)
        self.namespaces: dict[str, Namespace] = {}
        self._parents: dict[Any, ParentNamespace] = {}
        self._adapter = adapter if adapter is not None else MemoryAdapter
        self._own = Handlers(LIFECYCLE)
        self._main = self._make("/")
        self._watchdog: Watchdog | None = None
        if self.options.watchdog:
            self.engine.run_on_hub_soon(self._watch)

    def _watch(self) -> None:
        self._watchdog = watch(self.engine, self.options)

    def _hand_over(self) -> None:
        for namespace in tuple(self.namespaces.values()):
            contain(logger, namespace.hand_over)

    def _accept(self, engine: EngineServer, session: EngineSocket) -> Connection:
        return Connection(self, session)

    # -- namespaces -------------------------------------------------------------------------------

    def _hooks(self) -> Sequence[Hooks]:
        return (self._main.hooks,)

    def _on_outgoing(self) -> None:
        self._main.watched = True

    def _tables(self, event: str | None = None) -> Sequence[Handlers]:
        if event is None:
            return (self._main.handlers, self._own)
        return (self._own if event in LIFECYCLE else self._main.handlers,)

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The sockets of the main namespace by id; see :class:`~socketio_sync.engine.views.View`."""
        return self._main.sockets

    def rooms(self) -> frozenset[str]:
        """Return the rooms of the main namespace on this server, the sockets' own among them."""
        return self._main.rooms()

    @overload
    def of(self, name: str) -> Namespace: ...

    @overload
    def of(self, name: Matcher) -> ParentNamespace: ...

    def of(self, name: str | Matcher) -> Namespace | ParentNamespace:
        """Return a namespace, which is made at the first call, or the parent of all whose name matches.

        Args:
            name: Its name, before which a missing slash is put; a compiled pattern that the whole name must
                match; or ``callable(name, auth) -> bool``, asked when a client wants to join a namespace that
                doesn't exist, with what the client said. Of several parents the first that matches makes the
                namespace, in the order of the first calls.

        Raises:
            TypeError: It is none of these.
        """
        if not isinstance(name, str):
            parent = self._parents.get(name)
            if parent is None:
                parent = self._parents.setdefault(name, ParentNamespace(name, self.engine, self.options))
            return parent
        if not name.startswith("/"):
            name = f"/{name}"
        return self.namespaces.get(name) or self._make(name)

    def _make(self, name: str, parent: ParentNamespace | None = None) -> Namespace:
        clean_up = parent is not None and self.options.cleanup_empty_child_namespaces
        made = Namespace(
            name,
            engine=self.engine,
            options=self.options,
            codec=self.codec,
            adapter=self._adapter,
            template=parent.hooks if parent is not None else None,
            on_empty=self._forget if clean_up else None,
        )
        # Clients may come and go while the application is told of it: it must not be forgotten meanwhile.
        made.joining += 1
        namespace = self.namespaces.setdefault(name, made)
        if namespace is not made:
            # Another thread was faster.
            made.adapter.close()
            return namespace
        if parent is not None:
            parent.children[name] = namespace
        run_server_event(self._own, "new_namespace", namespace)
        made.joining -= 1
        return namespace

    def _forget(self, namespace: Namespace) -> None:
        """Forget a child without clients; the first call counts, another one may have its name by now."""
        if self.namespaces.get(namespace.name) is not namespace:
            return
        del self.namespaces[namespace.name]
        for parent in self._parents.values():
            parent.children.pop(namespace.name, None)
        namespace.adapter.close()

    def register(self, handlers: NamespaceHandlers) -> NamespaceHandlers:
        """Have a namespace's events handled by an object's methods; see :class:`NamespaceHandlers`."""
        handlers.attach(self.of(handlers.namespace))
        return handlers

    def stats(self) -> dict[str, Any]:
        """Return counts of what is there now, as plain values that JSON can say.

        ``clients`` (connections), ``transports`` (of these, by name), ``buffered_bytes`` (queued for all of
        them) and ``namespaces`` (by name, their ``sockets`` and ``rooms``).
        """
        sessions = list(self.engine.sessions.values())
        transports = Counter(session.transport.name for session in sessions)
        return {
            "clients": len(sessions),
            "transports": {name: transports[name] for name in TRANSPORTS},
            "buffered_bytes": sum(session.transport.queued_bytes for session in sessions),
            "namespaces": {
                namespace.name: {"sockets": len(namespace.connected), "rooms": len(namespace.rooms())}
                for namespace in tuple(self.namespaces.values())
            },
        }

    def asyncapi(
        self, title: str = "Socket.IO API", version: str = "1.0.0", *, description: str = "", host: str = ""
    ) -> dict[str, Any]:
        """Return an AsyncAPI 3 document of the events of all namespaces, of plain values that JSON can say.

        There are the events that have a handler on the server or a namespace, with the types that it is
        annotated with and the first docstring, and those that were described with ``describe``.

        Args:
            title: Of the API.
            version: Of the API.
            description: Of the API, in Markdown; may be empty.
            host: Where the server is, such as ``"chat.example.com"``; may be empty.
        """
        info = {"title": title, "version": version}
        if description:
            info["description"] = description
        server = {"host": host, "pathname": self.options.path, "protocol": "wss"}
        children = {id(child) for parent in self._parents.values() for child in parent.members()}
        places = [
            Place(namespace.name, namespace.name, namespace.hooks)
            for namespace in tuple(self.namespaces.values())
            if id(namespace) not in children
        ]
        places += [Place(None, parent.title, parent.hooks) for parent in tuple(self._parents.values())]
        return document(
            info,
            {"main": server} if host else {},
            places,
            binary=self.options.parser == "msgpack",
            error_acks=self.options.error_acks,
        )

    # -- for connections and namespaces -------------------------------------------------------------

    def members(self) -> Sequence[Namespace]:
        """Return the main namespace."""
        return (self._main,)

    @property
    def has_parents(self) -> bool:
        """Whether clients may ask for namespaces that don't exist yet."""
        return bool(self._parents)

    def adopt(self, name: str, auth: Any) -> Namespace | None:
        """Return the namespace that a client asks for, made if a parent matches; None if it can't be had.

        In a worker: parents may block.
        """
        for parent in tuple(self._parents.values()):
            if parent.matches(name, auth):
                return self.namespaces.get(name) or self._make(name, parent)
        # Somebody else may have made it meanwhile.
        return self.namespaces.get(name)

    # -- life -------------------------------------------------------------------------------------

    def background(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run ``function`` in a greenlet of the hub that serves the clients; from any greenlet or thread.

        Before the first request that hub isn't known: the function then begins with it, in the process
        that serves it; under ``run()`` it begins at once.
        """
        self.engine.run_on_hub_soon(gevent.spawn, function, *arguments)

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Sleep, and let others run meanwhile."""
        gevent.sleep(seconds)

    def shutdown(self, timeout: float | None = None, spread: float | None = None) -> None:
        """Send every client away, to connect again elsewhere, then close; blocks.

        New sessions are refused with 503. A client's connection is closed ("server shutting down") when its
        handlers have come to their ends and what they sent is queued; no DISCONNECT packet is sent, so that
        the client connects again by itself. Idempotent; from any greenlet or thread, but not from a handler,
        for which it would wait: ``io.background(io.shutdown)``.

        Args:
            timeout: How long handlers may take, in seconds; then their clients are sent away all the same.
                None is the option ``shutdown_timeout``.
            spread: Over how many seconds clients are sent away, at most, so that they don't all come back at
                once; a thousand a second always are. None is the option ``shutdown_spread``.

        Raises:
            RuntimeError: A handler calls it.
        """
        self.engine.shutdown(timeout, spread)
        self.close()

    def close(self) -> None:
        """Disconnect everyone ("server shutting down") and refuse new sessions; idempotent."""
        self.engine.close()
        if self._watchdog is not None:
            self.engine.call_on_hub(self._watchdog.stop)
        for namespace in tuple(self.namespaces.values()):
            namespace.adapter.close()
