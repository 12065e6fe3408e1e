"""A small Socket.IO client over WebSocket or polling, with a codec of its own; every wait has a deadline."""

from __future__ import annotations

import json
import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.event import AsyncResult, Event

from tests.support.client import DEADLINE, SEPARATOR, Bytes, Connection, Headers, Poller
from tests.support.ws_client import BINARY, CLOSE, PING, PONG, TEXT, WebSocket, frame

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
_PACKET = re.compile(r"([0-6])(?:(\d+)-)?(?:(/[^,]*),)?(\d+)?(.*)\Z", re.DOTALL)


class Incoming(NamedTuple):
    """A packet from the server whose attachments are in their places."""

    type: int
    namespace: str
    id: int | None
    data: Any


def _take_out(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, list | tuple):
        return [_take_out(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: _take_out(item, attachments) for key, item in value.items()}
    return value


def _put_back(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_put_back(item, attachments) for item in value]
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            return attachments[value["num"]]
        return {key: _put_back(item, attachments) for key, item in value.items()}
    return value


def encode(type: int, namespace: str, data: Any = None, id: int | None = None) -> list[str | bytes]:
    """Write a packet as Engine.IO messages, the text one with its type."""
    attachments: list[bytes] = []
    plain = _take_out(data, attachments)
    head = f"4{type + 3}{len(attachments)}-" if attachments else f"4{type}"
    place = "" if namespace == "/" else f"{namespace},"
    number = "" if id is None else str(id)
    return [f"{head}{place}{number}{'' if data is None else json.dumps(plain)}", *attachments]


class _OverWebSocket:
    """Messages over a WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.code: int | None = None
        socket.bytes.sock.settimeout(None)

    @property
    def connections(self) -> list[Bytes]:
        return [self.socket.bytes]

    def send(self, *messages: str | bytes) -> None:
        self.socket.send(*messages)

    def receive(self) -> list[str | bytes]:
        opcode, payload = self.socket.frame()
        if opcode == CLOSE:
            self.code = struct.unpack("!H", payload[:2])[0] if payload else None
            with suppress(OSError):
                self.socket.bytes.send(frame(CLOSE, payload[:2]))
            raise EOFError("close frame")
        if opcode == PING:
            self.socket.bytes.send(frame(PONG, payload))
            return []
        assert opcode in (TEXT, BINARY), opcode
        return [payload.decode() if opcode == TEXT else payload]

    def leave(self) -> None:
        self.socket.bytes.send(frame(CLOSE, struct.pack("!H", 1000)))


class _OverPolling:
    """Messages over polling; what is sent while a POST is on its way goes with the next one."""

    code = None

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self._queue: list[str] = []
        self._poster: Any = None
        # Some hosts close after every answer, that to the handshake too.
        poller.gets = self._another(poller.gets)
        poller.posts.sock.settimeout(None)

    @property
    def connections(self) -> list[Bytes]:
        return [self.poller.gets, self.poller.posts]

    def _another(self, connection: Connection) -> Connection:
        connection.close()
        another = Connection(self.poller.port)
        another.sock.settimeout(None)
        return another

    def send(self, *messages: str | bytes) -> None:
        self._queue += [m if isinstance(m, str) else f"b{b64encode(m).decode()}" for m in messages]
        if not self._poster:
            self._poster = gevent.spawn(self._post)

    def _post(self) -> None:
        with suppress(EOFError, OSError):
            while self._queue:
                texts, self._queue = self._queue, []
                answer = self.poller.post(SEPARATOR.join(texts).encode())
                if answer.header("connection") == "close":
                    self.poller.posts = self._another(self.poller.posts)

    def receive(self) -> list[str | bytes]:
        answer = self.poller.get()
        if answer.status != 200:
            raise EOFError(f"{answer.status} {answer.text}")
        if answer.header("connection") == "close":
            self.poller.gets = self._another(self.poller.gets)
        return [b64decode(packet[1:]) if packet[0] == "b" else packet for packet in answer.packets]

    def leave(self) -> None:
        self.send("1")


class SioClient:
    """A client of one server, in any number of namespaces.

    Attributes:
        answers: For each event of the server's the function that makes the acknowledgement, a list.
        pongs: Whether heartbeats are answered.
        events: Namespace, name and arguments of what the server emitted and ``expect`` hasn't taken.
        joined: The socket's id in each namespace.
        pids: And its secret, with which it may come back; None where there is no recovery.
        refused: What the server said about each namespace that it refused.
        left: The namespaces that the server disconnected us from, in order.
        closed: Set when the connection is over.
    """

    def __init__(self, port: int, transport: str = "websocket", *, query: str = "", headers: Headers = ()):
        self.answers: dict[str, Callable[..., list[Any] | None]] = {}
        self.pongs = True
        self.events: list[tuple[str, str, tuple[Any, ...]]] = []
        self.joined: dict[str, str] = {}
        self.pids: dict[str, str | None] = {}
        self.refused: dict[str, Any] = {}
        self.left: list[str] = []
        self.closed = Event()
        self._acks: dict[int, AsyncResult] = {}
        self._ids = count(1)
        self._due: tuple[Incoming, int, list[bytes]] | None = None
        self._changed = Event()
        self._wire: _OverWebSocket | _OverPolling
        if transport == "websocket":
            socket = WebSocket(port, f"EIO=4&transport=websocket{query}", headers=headers).open()
            self.sid = socket.sid
            self._wire = _OverWebSocket(socket)
        else:
            poller = Poller(port, query=query, headers=headers).open()
            self.sid = poller.sid
            self._wire = _OverPolling(poller)
        self._reader = gevent.spawn(self._read)

    @property
    def code(self) -> int | None:
        """The code of the server's close frame."""
        return self._wire.code

    # -- what a client does ------------------------------------------------------------------------

    def send(self, *messages: str | bytes) -> None:
        """Send Engine.IO packets as they are."""
        self._wire.send(*messages)

    def join(self, namespace: str = "/", auth: Any = None) -> str:
        """Join a namespace; return the socket's id.

        Raises:
            AssertionError: The server refused, or closed the connection.
        """
        self.ask_to_join(namespace, auth)
        self.wait(lambda: namespace in self.joined or namespace in self.refused)
        assert namespace in self.joined, self.refused
        return self.joined[namespace]

    def ask_to_join(self, namespace: str = "/", auth: Any = None) -> None:
        """Send a CONNECT; wait for nothing."""
        self.joined.pop(namespace, None)
        self.refused.pop(namespace, None)
        self.send(*encode(CONNECT, namespace, auth))

    def refusal(self, namespace: str = "/", auth: Any = None) -> Any:
        """Ask to join a namespace that refuses; return its payload."""
        self.ask_to_join(namespace, auth)
        self.wait(lambda: namespace in self.refused)
        return self.refused[namespace]

    def emit(self, event: str, *arguments: Any, namespace: str = "/") -> None:
        self.send(*encode(EVENT, namespace, [event, *arguments]))

    def ask(self, event: str, *arguments: Any, namespace: str = "/") -> AsyncResult:
        """Emit an event with an acknowledgement, which the result gets as a list."""
        number = next(self._ids)
        result = self._acks[number] = AsyncResult()
        self.send(*encode(EVENT, namespace, [event, *arguments], number))
        return result

    def call(self, event: str, *arguments: Any, namespace: str = "/", timeout: float = DEADLINE) -> list[Any]:
        """Emit an event and wait for its acknowledgement."""
        values = self.ask(event, *arguments, namespace=namespace).get(timeout=timeout)
        assert isinstance(values, list)
        return values

    def disconnect(self, namespace: str = "/") -> None:
        self.send(*encode(DISCONNECT, namespace))

    def close(self) -> None:
        """Close the connection as clients do."""
        self._wire.leave()

    def kill(self) -> None:
        """Cut the TCP connections, with a reset."""
        self._reader.kill()
        for connection in self._wire.connections:
            with suppress(OSError):
                connection.sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.closed.set()

    # -- what it waits for -------------------------------------------------------------------------

    def wait(self, condition: Callable[[], Any], timeout: float = DEADLINE) -> None:
        """Wait until something that the server sends makes ``condition`` true."""
        with gevent.Timeout(timeout, AssertionError(f"not within {timeout:g} s; {self!r}")):
            while not condition():
                assert not self.closed.is_set(), f"closed; {self!r}"
                self._changed.clear()
                self._changed.wait()

    def expect(self, event: str, *, namespace: str = "/", timeout: float = DEADLINE) -> tuple[Any, ...]:
        """Wait for an event, which may have come already; return its arguments."""
        found: list[tuple[str, str, tuple[Any, ...]]] = []

        def is_there() -> bool:
            found[:] = [entry for entry in self.events if entry[:2] == (namespace, event)][:1]
            return bool(found)

        self.wait(is_there, timeout)
        self.events.remove(found[0])
        return found[0][2]

    def __repr__(self) -> str:
        return f"<SioClient joined={self.joined} refused={self.refused} left={self.left} {self.events[:10]}>"

    # -- what the server sends ---------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while True:
                for packet in self._wire.receive():
                    self._on_packet(packet)
        except (EOFError, OSError):
            pass
        finally:
            self.closed.set()
            self._changed.set()
            for result in self._acks.values():
                result.set_exception(EOFError("the connection is over"))

    def _answer(self, *messages: str | bytes) -> None:
        with suppress(OSError):
            self.send(*messages)

    def _on_packet(self, packet: str | bytes) -> None:
        if isinstance(packet, bytes):
            assert self._due is not None, "an attachment that belongs to nothing"
            head, total, attachments = self._due
            attachments.append(packet)
            if len(attachments) == total:
                self._due = None
                self._on_incoming(head._replace(data=_put_back(head.data, attachments)))
        elif packet[0] == "4":
            assert self._due is None, "a text where an attachment is due"
            match = _PACKET.match(packet[1:])
            assert match is not None, packet
            type, total, namespace, number, text = match.groups()
            incoming = Incoming(
                int(type) - 3 if total else int(type),
                namespace or "/",
                int(number) if number else None,
                json.loads(text) if text else None,
            )
            if total:
                self._due = incoming, int(total), []
            else:
                self._on_incoming(incoming)
        elif packet[0] == "2" and self.pongs:
            gevent.spawn(self._answer, "3")
        elif packet[0] == "1":
            raise EOFError("close packet")

    def _on_incoming(self, packet: Incoming) -> None:
        namespace, data = packet.namespace, packet.data
        if packet.type == CONNECT:
            self.joined[namespace] = data["sid"]
            self.pids[namespace] = data.get("pid")
        elif packet.type == CONNECT_ERROR:
            self.refused[namespace] = data
        elif packet.type == DISCONNECT:
            self.left.append(namespace)
        elif packet.type == ACK:
            self._acks.pop(packet.id or 0).set(data)
        else:
            name, *arguments = data
            self.events.append((namespace, name, tuple(arguments)))
            answer = self.answers[name](*arguments) if name in self.answers else None
            if packet.id is not None and answer is not None:
                gevent.spawn(self._answer, *encode(ACK, namespace, answer, packet.id))
        self._changed.set()


Connect = Callable[..., SioClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect clients: ``connect(server, "polling")`` returns one that has joined the main namespace."""
    clients: list[SioClient] = []

    def connect_one(
        server: Any, transport: str = "websocket", *, join: bool = True, auth: Any = None, **options: Any
    ) -> SioClient:
        client = SioClient(server.port, transport, **options)
        clients.append(client)
        if join:
            client.join(auth=auth)
        return client

    yield connect_one
    for client in clients:
        client.kill()
