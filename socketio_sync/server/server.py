"""The Socket.IO server, without the WSGI side of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from socketio_sync.adapters.base import AdapterFactory
from socketio_sync.adapters.memory import MemoryAdapter
from socketio_sync.engine.server import EngineServer
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.options import ServerOptions
from socketio_sync.protocol.socketio.codec import Codec
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.server.connection import Connection
from socketio_sync.server.namespace import Endpoint, Namespace


def _codec_for(options: ServerOptions) -> Codec:
    if options.parser == "msgpack":
        return MsgpackCodec()
    if options.parser == "json":
        max_binary = options.max_binary_bytes
        return JSONCodec(
            max_attachments=options.max_attachments,
            max_binary_bytes=options.max_http_buffer_size * 10 if max_binary is None else max_binary,
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
        self.options = ServerOptions(**options)
        self.engine = EngineServer.with_acceptor(self.options.engine_options(), self._accept)
        self.codec = _codec_for(self.options)
        self.namespaces: dict[str, Namespace] = {}
        self._adapter = adapter if adapter is not None else MemoryAdapter
        self._main = self.of("/")

    def _accept(self, engine: EngineServer, session: EngineSocket) -> Connection:
        return Connection(self, session)

    def _namespace(self) -> Namespace:
        return self._main

    def of(self, name: str) -> Namespace:
        """Return a namespace, which is made at the first call; a missing leading slash is put before it."""
        if not name.startswith("/"):
            name = f"/{name}"
        namespace = self.namespaces.get(name)
        if namespace is None:
            namespace = Namespace(
                name, engine=self.engine, options=self.options, codec=self.codec, adapter=self._adapter
            )
            self.namespaces[name] = namespace
        return namespace

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

    def close(self) -> None:
        """Disconnect everyone ("server shutting down") and refuse new sessions; idempotent."""
        self.engine.close()
        for namespace in self.namespaces.values():
            namespace.adapter.close()
