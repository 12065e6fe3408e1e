"""Transports without the layers above: a handler that remembers, and real connections with small buffers."""

from __future__ import annotations

import _socket
import random
import socket as stdlib_socket
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gevent
from gevent import socket

from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.transports.bounded import BoundedWebSocket
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.stream import plain_stream
from socketio_sync.transports.websocket import WebSocketTransport
from tests.support.server import eventually

DEADLINE = 10.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

# Small enough that a few messages fill the way from one end to the other.
TINY = 4096


class Handler:
    """What stands above a transport: it remembers everything.

    Attributes:
        packets: Type and data of every packet.
        closes: Reason and description of every call of ``on_close``.
        drains: How often everything had left.
        dropped: How many messages were lost.
        kept: The beginning of messages that mustn't be lost.
        hook: Called with the data of every packet, after it was noted.
    """

    def __init__(self) -> None:
        self.packets: list[tuple[int, str | bytes]] = []
        self.closes: list[tuple[str, str]] = []
        self.drains = 0
        self.dropped = 0
        self.kept = b"kept"
        self.hook: Callable[[Any], object] = lambda data: None

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.closes]

    def on_message(self, data: str | bytes) -> None:
        self.on_packet(4, data)

    def on_packet(self, type: int, data: str | bytes) -> None:
        self.packets.append((type, data))
        self.hook(data)

    def on_close(self, reason: str, description: str = "") -> None:
        self.closes.append((reason, description))

    def on_fault(self, reason: str, description: str) -> None:
        self.on_close(reason, description)

    def on_drain(self) -> None:
        self.drains += 1

    def may_drop(self, message: Message) -> bool:
        return not message.data.startswith(self.kept)

    def on_dropped(self, count: int) -> None:
        self.dropped += count


def turns(count: int = 3) -> None:
    """Let the loop turn a few times: what was to happen soon has happened then."""
    for _ in range(count):
        gevent.sleep(0)


def begin_turn(runtime: Runtime) -> None:
    """Do as a reader does before it hands over what it has received; busy machines are allowed for."""
    runtime.outbox.began = time.time() + 1


def seeded() -> random.Random:
    """Return a source of randomness whose seed a failing test shows."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    return random.Random(seed)


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Take a server's bytes apart into opcodes and payloads; what isn't whole frames is an error."""
    position = 0
    while position < len(data):
        head, length = data[position : position + 2]
        assert head & 0xF0 == 0x80, f"no frame begins at {position}: {data[position : position + 20]!r}"
        start = position + 2
        if length > 125:
            start += 2 if length == 126 else 8
            length = int.from_bytes(data[position + 2 : start], "big")
        position = start + length
        assert position <= len(data), "cut within a frame"
        yield head & 0x0F, data[start:position]


class Peer:
    """The other end of a connection; every wait has a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(DEADLINE)
        self.sock = sock
        self.buffered = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def exactly(self, count: int) -> bytes:
        while len(self.buffered) < count:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError(f"closed after {self.buffered[:100]!r}")
            self.buffered += piece
        taken, self.buffered = self.buffered[:count], self.buffered[count:]
        return taken

    def frame(self) -> tuple[int, bytes]:
        """Wait for a frame."""
        head = self.exactly(2)
        extra = self.exactly({126: 2, 127: 8}.get(head[1], 0))
        length = int.from_bytes(extra, "big") if extra else head[1]
        return next(frames(head + extra + self.exactly(length)))

    def rest(self) -> bytes:
        """Read until the end of the stream."""
        pieces = [self.buffered]
        self.buffered = b""
        try:
            while piece := self.sock.recv(65536):
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)

    def close(self) -> None:
        self.sock.close()


def unix_pair(size: int | None = None, kind: int = stdlib_socket.SOCK_STREAM) -> tuple[int, Peer]:
    """Connect two ends in the kernel: our descriptor, and the peer."""
    ours, theirs = stdlib_socket.socketpair(stdlib_socket.AF_UNIX, kind)
    if size is not None:
        for end in (ours, theirs):
            end.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, size)
    return ours.detach(), Peer(socket.socket(theirs.family, kind, fileno=theirs.detach()))


def tcp_pair(size: int | None = None) -> tuple[int, Peer]:
    """Connect two ends over loopback."""
    with stdlib_socket.socket() as listener:
        theirs = stdlib_socket.socket()
        if size is not None:
            # Before connecting: the window is agreed on then.
            for end in (listener, theirs):
                end.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, size)
                end.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, size)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
    return ours.detach(), Peer(socket.socket(theirs.family, theirs.type, fileno=theirs.detach()))


class Wire(NamedTuple):
    """A WebSocket transport on a real connection."""

    transport: WebSocketTransport
    peer: Peer
    handler: Handler


class Wires:
    """Makes connections, and lets go of all of them at the end of the test."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._peers: list[Peer] = []
        self._streams: list[_socket.socket] = []
        self._transports: list[tuple[WebSocketTransport, Handler]] = []

    def stream(self, pair: tuple[int, Peer]) -> tuple[_socket.socket, Peer]:
        """Make a stream of our end."""
        descriptor, peer = pair
        self._peers.append(peer)
        stream = plain_stream(descriptor)
        self._streams.append(stream)
        return stream, peer

    def __call__(
        self, *, pair: tuple[int, Peer] | None = None, revision: int = 4, start: bool = True, **options: Any
    ) -> Wire:
        """Put a transport on our end of a pair; ``options`` are the engine's, ``start`` begins reading."""
        stream, peer = self.stream(pair or unix_pair())
        handler = Handler()
        settings = EngineOptions(**options)
        kind = WebSocketTransport if settings.outbound_policy == "close" else BoundedWebSocket
        transport = kind(self.runtime, stream, handler, settings, revision=revision)
        if start:
            self._transports.append((transport, handler))
            transport.start()
        return Wire(transport, peer, handler)

    def close(self) -> None:
        """End everything."""
        for peer in self._peers:
            peer.close()
        for transport, handler in self._transports:
            transport.abort()
            eventually(lambda handler=handler: handler.closes)
        for stream in self._streams:
            stream.close()
