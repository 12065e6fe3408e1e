"""Light clients over both transports, each in a greenlet, that live until they end in some way."""

from __future__ import annotations

import struct
import time
from collections import Counter
from contextlib import suppress
from random import Random
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET

import gevent

from tests.support.client import SEPARATOR, Bytes, Poller
from tests.support.ws_client import CLOSE, TEXT, WebSocket, frame

# How long a client waits for whatever it needs to get in.
PATIENCE = 60.0


def reset(connection: Bytes) -> None:
    """Close with a reset."""
    with suppress(OSError):
        connection.sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Member:
    """One client: it takes all that comes, answers heartbeats and questions, and may ask.

    Attributes:
        silence: How long, in seconds, one that goes silent keeps its connections: until it has been missed.
        heard: What has come, by kind; shared by all.
        asked: When each question without an answer was asked.
        over: Whether it has ended, or is about to.
    """

    transport = ""
    ends: tuple[str, ...] = ()

    def __init__(self, port: int, random: Random, silence: float, heard: Counter[str]) -> None:
        self.port = port
        self.random = random
        self.silence = silence
        self.heard = heard
        self.asked: dict[int, float] = {}
        self.over = False
        self._number = 0

    def begin(self) -> None:
        """Connect and join."""
        raise NotImplementedError

    def say(self, *packets: str) -> None:
        """Send packets."""
        raise NotImplementedError

    def read(self) -> list[str]:
        """Wait for packets."""
        raise NotImplementedError

    def live(self) -> None:
        """Take what comes until the end, whoever ends it."""
        with suppress(OSError, EOFError):
            while True:
                for packet in self.read():
                    self._take(packet)

    def _take(self, packet: str) -> None:
        if packet == "2":
            self._say_later("3")
            self.heard["pings"] += 1
        elif packet[:2] == "43":
            self.heard["answers"] += 1
            del self.asked[int(packet[2 : packet.index("[")])]
        elif packet[:2] == "42":
            question = packet[2 : packet.index("[")]
            if question:
                self.heard["questions"] += 1
                self._say_later(f"43{question}[]")
            else:
                self.heard["news"] += 1
        elif packet[:1] == "1":
            raise EOFError("close packet")

    def _say_later(self, packet: str) -> None:
        self.say(packet)

    def ask(self, event: str, arguments: str) -> None:
        """Emit an event that must be acknowledged."""
        self._number += 1
        self.asked[self._number] = time.monotonic()
        self.say(f'42{self._number}["{event}"{arguments}]')

    def end(self) -> None:
        """End in one of the ways."""
        self.over = True
        way = self.random.choice(self.ends)
        self.heard[f"{self.transport}: {way}"] += 1
        with suppress(OSError, EOFError):
            getattr(self, way)()

    def goodbye(self) -> None:
        """Close as clients do."""
        raise NotImplementedError

    def left(self) -> None:
        """Leave the namespace first."""
        self.say("41")
        self.goodbye()

    def nonsense(self) -> None:
        self.say("4nonsense")


class OverWebSocket(Member):
    """A member on a WebSocket."""

    transport = "websocket"
    ends = ("goodbye", "left", "nonsense", "cut", "torn", "half_closed")

    def begin(self) -> None:
        self.ws = WebSocket(self.port, deadline=PATIENCE).open()
        self.ws.join()
        self.ws.bytes.sock.settimeout(None)

    def say(self, *packets: str) -> None:
        self.ws.send(*packets)

    def read(self) -> list[str]:
        opcode, payload = self.ws.frame()
        if opcode == CLOSE:
            with suppress(OSError):
                self.ws.bytes.send(frame(CLOSE, payload[:2]))
            raise EOFError("close frame")
        assert opcode == TEXT
        return [payload.decode()]

    def live(self) -> None:
        super().live()
        self.ws.close()

    def goodbye(self) -> None:
        # The packet that closes a session is for polling; here it would be ignored.
        self.ws.bytes.send(frame(CLOSE, struct.pack("!H", 1000)))

    def cut(self) -> None:
        reset(self.ws.bytes)

    def torn(self) -> None:
        self.ws.bytes.send(frame(TEXT, b"42" + b"x" * 500)[:300])
        reset(self.ws.bytes)

    def half_closed(self) -> None:
        self.ws.bytes.sock.shutdown(SHUT_WR)


class OverPolling(Member):
    """A member that polls; it posts on a second connection, one request after the other."""

    transport = "polling"
    ends = ("goodbye", "left", "nonsense", "cut", "silent", "upgraded", "torn")

    def begin(self) -> None:
        self.poller = Poller(self.port)
        for each in (self.poller.gets, self.poller.posts):
            each.sock.settimeout(PATIENCE)
        self._queue: list[str] = []
        self._posting = False
        self._mute = False
        self.poller.open()
        self.say("40")
        answer, *rest = self.poller.poll()
        assert answer.startswith("40"), answer
        for packet in rest:
            self._take(packet)
        self.poller.gets.sock.settimeout(None)

    def say(self, *packets: str) -> None:
        self._queue += packets
        if self._posting:
            return
        self._posting = True
        try:
            while self._queue:
                texts, self._queue = self._queue, []
                self.poller.post(SEPARATOR.join(texts).encode())
        finally:
            self._posting = False

    def _say_later(self, packet: str) -> None:
        # The next poll goes out meanwhile.
        gevent.spawn(self._try_to_say, packet)

    def _try_to_say(self, packet: str) -> None:
        with suppress(OSError, EOFError):
            self.say(packet)

    def read(self) -> list[str]:
        answer = self.poller.get()
        if answer.status != 200 or self._mute:
            raise EOFError
        return answer.packets

    def live(self) -> None:
        super().live()
        if not self._mute:
            self.poller.close()

    def cut(self) -> None:
        reset(self.poller.gets)
        reset(self.poller.posts)

    def goodbye(self) -> None:
        self.say("1")

    def silent(self) -> None:
        """Poll no more, and let the connections be: only the heartbeat can tell."""
        self._mute = True
        gevent.sleep(self.silence)
        self.poller.close()

    def upgraded(self) -> None:
        """Upgrade, and cut the new connection at once."""
        ws = WebSocket(self.port, f"EIO=4&transport=websocket&sid={self.poller.sid}", deadline=PATIENCE)
        ws.send("2probe")
        assert ws.receive() == "3probe"
        ws.send("5")
        reset(ws.bytes)

    def torn(self) -> None:
        self.poller.posts.begin("POST", self.poller.target, headers=[("Content-Length", "100")])
        self.cut()
