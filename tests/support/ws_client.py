"""WebSocket by hand: the client's side of RFC 6455 on a raw connection, able to break every rule."""

from __future__ import annotations

import json
import struct
from typing import Any

from tests.support.client import DEADLINE, Bytes, Connection, Headers, Response

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
# What section 1.3 of RFC 6455 computes for that key.
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK = b"\x12\x34\x56\x78"

UPGRADE_HEADERS = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
)


def masked(payload: bytes) -> bytes:
    repeated = MASK * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[: len(payload)], "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Build one masked frame."""
    head = bytes([fin << 7 | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack("!BH", 0x80 | 126, len(payload))
    else:
        head += struct.pack("!BQ", 0x80 | 127, len(payload))
    return head + MASK + masked(payload)


def ask(
    port: int,
    query: str = "EIO=4&transport=websocket",
    *,
    path: str = "/socket.io/",
    headers: Headers = UPGRADE_HEADERS,
    deadline: float = DEADLINE,
) -> tuple[Connection, Response]:
    """Ask for a WebSocket; return the connection and the answer, whatever it is."""
    connection = Connection(port, deadline=deadline)
    connection.begin("GET", f"{path}?{query}", headers=headers)
    return connection, connection.finish()


class WebSocket:
    """An open WebSocket. Messages are ``str`` or ``bytes``; every wait has a deadline."""

    def __init__(
        self,
        port: int,
        query: str = "EIO=4&transport=websocket",
        *,
        path: str = "/socket.io/",
        headers: Headers = (),
        deadline: float = DEADLINE,
    ) -> None:
        headers = [*UPGRADE_HEADERS, *headers]
        connection, answer = ask(port, query, path=path, headers=headers, deadline=deadline)
        assert answer.status == 101, answer
        assert answer.header("sec-websocket-accept") == ACCEPT
        self.answer = answer
        self.bytes: Bytes = connection
        self.opened: dict[str, Any] = {}

    def send(self, *messages: str | bytes) -> None:
        """Send messages in one system call."""
        self.bytes.send(
            b"".join(
                frame(TEXT, message.encode()) if isinstance(message, str) else frame(BINARY, message)
                for message in messages
            )
        )

    def frame(self) -> tuple[int, bytes]:
        """Wait for a frame; return its opcode and payload."""
        head, length = self.bytes.exactly(2)
        assert head & 0xF0 == 0x80, "the server's frames are final and have no reserved bits"
        assert length < 0x80, "the server's frames aren't masked"
        if length == 126:
            (length,) = struct.unpack("!H", self.bytes.exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.bytes.exactly(8))
        return head & 0x0F, self.bytes.exactly(length)

    def receive(self) -> str | bytes:
        """Wait for a message."""
        opcode, payload = self.frame()
        assert opcode in (TEXT, BINARY), (opcode, payload)
        return payload.decode() if opcode == TEXT else payload

    def text(self) -> str:
        """Wait for a text message."""
        message = self.receive()
        assert isinstance(message, str), message
        return message

    def closed(self) -> int | None:
        """Wait for the close frame, which must come next; return its code, None for none."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        if not payload:
            return None
        payload[2:].decode()
        (code,) = struct.unpack("!H", payload[:2])
        assert isinstance(code, int)
        return code

    def close(self) -> None:
        """Drop the connection without a word."""
        self.bytes.close()

    # -- Engine.IO and Socket.IO -----------------------------------------------------------------

    @property
    def sid(self) -> str:
        sid = self.opened["sid"]
        assert isinstance(sid, str)
        return sid

    def open(self) -> WebSocket:
        """Take the OPEN packet of a session that begins on this WebSocket."""
        packet = self.text()
        assert packet[:1] == "0", packet
        self.opened = json.loads(packet[1:])
        return self

    def join(self, namespace: str = "/") -> str:
        """Join a namespace; return the socket's id."""
        head = "40" if namespace == "/" else f"40{namespace},"
        self.send(head)
        reply = self.text()
        assert reply.startswith(head), reply
        sid = json.loads(reply.removeprefix(head))["sid"]
        assert isinstance(sid, str)
        return sid

    def is_quiet(self, namespace: str = "/") -> bool:
        """Tell whether nothing is on its way to us: the answer to an echo is the next message.

        The server must have joined us to ``namespace`` and answer ``echo`` with its arguments.
        """
        prefix = "" if namespace == "/" else f"{namespace},"
        self.send(f'42{prefix}987["echo","quiet"]')
        return self.receive() == f'43{prefix}987["quiet"]'
