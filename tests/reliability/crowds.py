"""Clients of one kind, a program of its own: those that flood, those that only read, or polite ones.

Usage: python -m tests.reliability.crowds KIND PORT COUNT. It says ``ready`` when all are there, waits for a
line, begins and says ``begun``; with the next line it ends, and says, as JSON, how many answers there were.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from socket import SO_SNDBUF, SOL_SOCKET

import gevent

from tests.reliability.members import reset
from tests.support.sio_client import SioClient
from tests.support.ws_client import TEXT, WebSocket, frame

# A message that is long enough for what the kernel holds to be few of them.
MESSAGE = f'42["tell","subscribers","{"x" * 200}"]'
PIECE = 20


class Reader:
    """Subscribes, and reads all that comes."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        self.ws = WebSocket(port, deadline=60.0).open()
        self.ws.join()
        self.ws.send('420["subscribe"]')
        while not self.ws.text().startswith("430"):
            pass
        self.ws.bytes.sock.settimeout(None)

    def begin(self) -> None:
        gevent.spawn(self._read)

    def _read(self) -> None:
        with suppress(OSError):
            while self.ws.bytes.sock.recv(65_536):
                pass

    def end(self) -> None:
        reset(self.ws.bytes)


class Flooder(Reader):
    """Sends to all that subscribe, itself excepted, as fast as the server takes it."""

    def begin(self) -> None:
        super().begin()
        self.ws.bytes.sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 8_192)
        gevent.spawn(self._flood)

    def _flood(self) -> None:
        piece = frame(TEXT, MESSAGE.encode()) * PIECE
        with suppress(OSError):
            while True:
                self.ws.bytes.send(piece)


class Polite:
    """Asks, and asks again when it is answered."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        self.client = SioClient(port)
        self.client.join()

    def begin(self) -> None:
        gevent.spawn(self._ask)

    def _ask(self) -> None:
        with suppress(EOFError):
            while True:
                asked = time.monotonic()
                self.client.call("nothing", timeout=60)
                self.waits.append(time.monotonic() - asked)

    def end(self) -> None:
        self.client.kill()


Kind = Callable[[int], Reader | Polite]
KINDS: dict[str, Kind] = {"flooders": Flooder, "readers": Reader, "polite": Polite}

if __name__ == "__main__":
    everyone = [KINDS[sys.argv[1]](int(sys.argv[2])) for _ in range(int(sys.argv[3]))]
    print("ready", flush=True)
    wait = gevent.get_hub().threadpool.apply
    # The native pipe is read in a thread: the hub must go on meanwhile.
    wait(sys.stdin.readline)
    for each in everyone:
        each.begin()
    print("begun", flush=True)
    wait(sys.stdin.readline)
    print(json.dumps([tuple(each.waits) for each in everyone]), flush=True)
    for each in everyone:
        each.end()
