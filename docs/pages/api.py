"""The pages of the reference: every public class and function, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import socketio_sync
from docs.pages.docstrings import block
from socketio_sync import engine, exceptions, testing
from socketio_sync.adapters import base
from socketio_sync.engine.events import Events
from socketio_sync.protocol.socketio import codec, packet
from socketio_sync.server.broadcast import Broadcaster
from socketio_sync.server.chain import Chain, Flags
from socketio_sync.server.endpoint import Endpoint
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.listening import Listening

_NOTE = "This page is generated from the docstrings of the code (`make docs`).\n"
# The comments that divide a class: what is for its neighbours isn't for applications.
_DIVISION = re.compile(r"^    # -- (.*?) -+$")
_METHOD = re.compile(r"^    def (\w+)\(")
_QUOTED = re.compile(r"(: |-> )'([^']*)'")


class Chapter(NamedTuple):
    """Some classes and functions under one title."""

    title: str
    text: str
    documented: Sequence[Any]


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

DOCUMENTED = [each for chapter in CHAPTERS for each in chapter.documented]
# All but the contracts for those who write a parser or an adapter.
_CONTRACTS = (base.__name__, codec.__name__, packet.__name__)
APPLICATIONS = [each for each in DOCUMENTED if getattr(each, "__module__", "") not in _CONTRACTS]


def page() -> str:
    """Return the whole page."""
    lines = ["# API reference", "", _NOTE, *_contents()]
    for chapter in CHAPTERS:
        lines += ["", f"## {chapter.title}", "", chapter.text]
        for documented in chapter.documented:
            lines += _class(documented) if inspect.isclass(documented) else _function(documented, 3)
    return "\n".join(lines) + "\n"


def _contents() -> Iterator[str]:
    for chapter in CHAPTERS:
        links = ", ".join(f"[{each.__name__}](#{each.__name__.lower()})" for each in chapter.documented)
        yield f"- {chapter.title}: {links}"


def _class(documented: type[Any]) -> Iterator[str]:
    yield from ("", f"### {documented.__name__}", "")
    parents = [f"[{base.__name__}](#{base.__name__.lower()})" for base in _documented_parents(documented)]
    yield block(documented)
    if parents:
        yield from ("", f"Has what {', '.join(parents)} {'have' if len(parents) > 1 else 'has'}, too.")
    if _can_be_made(documented):
        yield from _function(documented.__init__, 4, name=documented.__name__)
    for name, member in public(documented):
        if isinstance(member, property):
            yield from ("", f"#### `{documented.__name__}.{name}`", "", block(member))
        else:
            yield from _function(member, 4, name=f"{documented.__name__}.{name}")


def _documented_parents(documented: type[Any]) -> list[type[Any]]:
    """Return the nearest documented classes above, each once."""
    above: list[type[Any]] = []
    for parent in documented.__mro__[1:]:
        if parent in DOCUMENTED and not any(issubclass(other, parent) for other in above):
            above.append(parent)
    return above


def _can_be_made(documented: type[Any]) -> bool:
    return documented in _MADE or (documented in _ERRORS and "__init__" in vars(documented))


def public(documented: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and member of what applications may use of a class, in the order of the source.

    What other documented classes have it inherits; what undocumented ones have it has itself.
    """
    above = [name for parent in _documented_parents(documented) for name, _ in everything_public(parent)]
    for name, member in everything_public(documented):
        if name not in above or name in vars(documented):
            yield name, member


def everything_public(documented: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the same with what it inherits."""
    seen = set()
    for each in documented.__mro__:
        if not each.__module__.startswith("socketio_sync"):
            continue
        for name in _methods_for_applications(each):
            if name not in seen:
                seen.add(name)
                yield name, inspect.getattr_static(documented, name)


def _methods_for_applications(documented: type[Any]) -> list[str]:
    names = []
    skipping = False
    for line in inspect.getsource(documented).splitlines():
        division = _DIVISION.match(line)
        if division is not None:
            skipping = division[1].startswith("for ") and division[1] != "for applications"
        method = _METHOD.match(line)
        if method is not None and not skipping and not method[1].startswith("_") and method[1] not in names:
            names.append(method[1])
    return names


def _function(documented: Any, level: int, name: str = "") -> Iterator[str]:
    name = name or documented.__name__
    function = inspect.unwrap(getattr(documented, "__func__", documented))
    yield from ("", f"{'#' * level} `{name}`", "", "```python", f"{name}{_signature(function)}", "```", "")
    yield block(documented)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.name != "self"]
    constructor = function.__name__ == "__init__"
    returned = inspect.Signature.empty if constructor else signature.return_annotation
    return _QUOTED.sub(r"\1\2", str(signature.replace(parameters=kept, return_annotation=returned)))
