"""The page of the library's own API."""

from __future__ import annotations

import socketio_sync
from docs.pages.rendering import Chapter, Reference
from socketio_sync import engine, exceptions, testing
from socketio_sync.adapters import base
from socketio_sync.engine.events import Events
from socketio_sync.protocol.socketio import codec, packet
from socketio_sync.server.broadcast import Broadcaster
from socketio_sync.server.chain import Chain, Flags
from socketio_sync.server.endpoint import Endpoint
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.listening import Listening

_ERRORS = [
    each for each in vars(exceptions).values() if getattr(each, "__module__", "") == exceptions.__name__
]

# The classes that applications make objects of; others they get.
_MADE = (
    socketio_sync.Server,
    socketio_sync.WSGIApp,
    socketio_sync.NamespaceHandlers,
    engine.EngineServer,
    testing.TestClient,
    testing.ClientFactory,
    testing.ServerFactory,
)

CHAPTERS = [
    Chapter(
        "Server and namespaces",
        "`from socketio_sync import Server`. A server is also its main namespace, `/`.",
        [
            socketio_sync.Server,
            socketio_sync.WSGIApp,
            socketio_sync.Namespace,
            socketio_sync.ParentNamespace,
            socketio_sync.NamespaceHandlers,
            socketio_sync.handles,
        ],
    ),
    Chapter(
        "Sockets",
        "Clients; handlers get them.",
        [socketio_sync.Socket, Handshake, socketio_sync.SocketOperator, socketio_sync.RemoteSocket],
    ),
    Chapter(
        "What they have in common",
        "The methods of servers, namespaces, sockets, and of what `to`, `volatile` and the like return; "
        "applications make none of these themselves.",
        [Endpoint, Listening, Broadcaster, Chain, Flags, socketio_sync.BroadcastOperator],
    ),
    Chapter(
        "The Engine.IO server",
        "`from socketio_sync.engine import EngineServer`: the layer below, `io.engine` of a `Server`; and "
        "its sessions, `socket.conn` of a socket.",
        [engine.EngineServer, engine.EngineSocket, Events],
    ),
    Chapter("Errors", "`from socketio_sync import AckTimeout`, and so on: one tree.", _ERRORS),
    Chapter(
        "Tests of applications",
        "`from socketio_sync.testing import TestClient`; and the pytest fixtures `socketio_client`, which is "
        "a `ClientFactory`, and `socketio_server`, a `ServerFactory`. See [Test an application]"
        "(../howto/test-an-application.md).",
        [
            testing.TestClient,
            testing.Channel,
            testing.Received,
            testing.ClientFactory,
            testing.ServerFactory,
        ],
    ),
    Chapter(
        "Parsers",
        "What packets look like, `Server(parser=...)`; see [Use a parser of your own]"
        "(../howto/custom-parser.md). `from socketio_sync.protocol.socketio.codec import Codec, Encoded`, "
        "`from socketio_sync.protocol.socketio.packet import Packet, checked`.",
        [codec.Codec, codec.Decoder, codec.Encoded, packet.Packet, packet.checked],
    ),
    Chapter(
        "Adapters",
        "What knows who is in which room: the contract for those who write one, `Server(adapter=...)`. "
        "`from socketio_sync.adapters.base import Adapter`.",
        [base.Adapter, base.LocalSockets, base.Selection, base.SocketDetails, base.Outgoing, base.Answers],
    ),
]

REFERENCE = Reference(
    "API reference", CHAPTERS, [*_MADE, *(each for each in _ERRORS if "__init__" in vars(each))]
)
DOCUMENTED = REFERENCE.documented
# All but the contracts for those who write a parser or an adapter.
_CONTRACTS = (base.__name__, codec.__name__, packet.__name__)
APPLICATIONS = [each for each in DOCUMENTED if getattr(each, "__module__", "") not in _CONTRACTS]
