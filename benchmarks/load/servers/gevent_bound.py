"""What gevent could do: a greenlet per connection that reads, answers and knows nothing else.

It answers the load generator over WebSocket only: fixed sids, its one key, no heartbeat, no checks.
"""

from __future__ import annotations

import sys
from typing import Any

from gevent.server import StreamServer
from gevent.socket import IPPROTO_TCP, TCP_NODELAY

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
OPEN = b'0{"sid":"bound","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
ATTACHMENT = b'[{"_placeholder":true,"num":0}]'
TEXT, BINARY = b"\x81", b"\x82"

joined: set[Any] = set()


def frame(opcode: bytes, data: bytes) -> bytes:
    n = len(data)
    return opcode + (bytes((n,)) if n < 126 else b"\x7e" + n.to_bytes(2, "big")) + data


def unmasked(data: bytes, key: bytes) -> bytes:
    n = len(data)
    mask = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(n, "big")


def answer(sock: Any, opcode: int, message: bytes) -> bytes:
    if opcode == BINARY[0]:
        return frame(BINARY, message)
    if message.startswith(b"40"):
        joined.add(sock)
        return frame(TEXT, b'40{"sid":"bound"}')
    if message.startswith(b"451-"):
        return frame(TEXT, b"461-" + message[4 : message.index(b"[")] + ATTACHMENT)
    if message.startswith(b'42["bcast",'):
        data = frame(TEXT, b'42["msg",' + message[11:])
        for each in joined:
            each.sendall(data)
    elif message.startswith(b"42"):
        identifier, _, data = message[2:].partition(b'["echo",')
        return frame(TEXT, b"43" + identifier + b"[" + data)
    return b""


def serve(sock: Any, address: Any) -> None:
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    if b"Sec-WebSocket-Key" not in sock.recv(4096):
        sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    sock.sendall(ACCEPTED + frame(TEXT, OPEN))
    kept = b""
    while data := sock.recv(65536):
        kept += data
        position, answers = 0, []
        while len(kept) - position >= 6:
            n, head = kept[position + 1] & 127, 6
            if n == 126:
                n, head = int.from_bytes(kept[position + 2 : position + 4], "big"), 8
            start = position + head
            if len(kept) < start + n:
                break
            message = unmasked(kept[start : start + n], kept[start - 4 : start])
            answers.append(answer(sock, kept[position], message))
            position = start + n
        kept = kept[position:]
        sock.sendall(b"".join(answers))
    joined.discard(sock)


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), serve, backlog=1024).serve_forever()
