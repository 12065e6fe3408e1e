"""Clients that do anything, in any order, over both transports and both revisions, right and wrong."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz import corpus
from tests.fuzz.mutations import mutated, pieces
from tests.support.client import Bytes, Connection
from tests.support.ws_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, UPGRADE_HEADERS, frame

# What a server may be slow to answer is left behind.
PATIENCE = 0.2
STEPS = 12

EVENTS = (
    '42["echo",1]',
    '427["echo",{"a":[1]}]',
    '42["nothing"]',
    '42["relay","x"]',
    '42["rooms",5]',
    '42["ask"]',
)
RARE = ("41", "40", "40/nowhere,", "430[]", '42["big",1000,3]', '451-1["echo",{"_placeholder":true,"num":0}]')


class Visitor:
    """One session, or what comes of it, of a client that follows a random course.

    Attributes:
        steps: What it has done, for a report.
    """

    def __init__(self, port: int, random: Random) -> None:
        self._port = port
        self._random = random
        self._revision = random.choice((3, 4, 4))
        self._sid = ""
        self._ws: Bytes | None = None
        self._gets: list[Connection] = []
        self.steps: list[str] = []

    def run(self) -> None:
        """Open a session, mostly join, do something, leave somehow."""
        random = self._random
        try:
            random.choice((self.open_polling, self.open_websocket))()
            if random.random() < 0.9:
                self.say("40")
            for _ in range(random.randint(0, STEPS)):
                self.do(random.choice(self.ACTIONS))
            self.do(random.choice(self.ENDS))
        except (OSError, EOFError):
            # The server has had enough of it.
            return

    def do(self, action: Callable[[Visitor], None]) -> None:
        self.steps.append(action.__name__)
        action(self)

    # -- opening ----------------------------------------------------------------------------------

    def connection(self) -> Connection:
        return Connection(self._port, deadline=PATIENCE)

    def target(self, transport: str) -> str:
        sid = f"&sid={self._sid}" if self._sid else ""
        return f"/socket.io/?EIO={self._revision}&transport={transport}{sid}"

    def open_polling(self) -> None:
        connection = self.connection()
        answer = connection.get(self.target("polling"))
        self._sid = answer.text.split('"sid":"')[1][:20]

    def open_websocket(self) -> None:
        self._ws = self.upgraded()
        self._ws.exactly(2)

    def upgraded(self) -> Bytes:
        connection = self.connection()
        connection.begin("GET", self.target("websocket"), headers=UPGRADE_HEADERS)
        connection.until(b"\r\n\r\n")
        return connection

    # -- what it may do ---------------------------------------------------------------------------

    def raw(self, data: bytes) -> None:
        """Send bytes on the WebSocket, cut somewhere."""
        if self._ws is not None:
            for piece in pieces(data, self._random):
                self._ws.send(piece)

    def post(self, body: bytes) -> None:
        self.connection().begin("POST", self.target("polling"), body=body)

    def say(self, *packets: str) -> None:
        if self._ws is not None:
            self._ws.send(b"".join(frame(TEXT, packet.encode()) for packet in packets))
        elif self._revision == 4:
            self.post("\x1e".join(packets).encode())
        else:
            self.post("".join(f"{len(packet)}:{packet}" for packet in packets).encode())

    def event(self) -> None:
        self.say(*self._random.choices(EVENTS, k=self._random.choice((1, 1, 5, 100))))

    def rare(self) -> None:
        self.say(self._random.choice(RARE))
        if self._ws is not None and self._random.random() < 0.5:
            self._ws.send(frame(BINARY, b"\x04attachment"))

    def heartbeat(self) -> None:
        self.say(self._random.choice("236"))

    def wrong_packet(self) -> None:
        packet = b"4" + mutated(corpus.SOCKETIO, self._random)
        if self._ws is not None:
            self.raw(frame(TEXT, packet))
        else:
            self.post(packet)

    def wrong_payload(self) -> None:
        self.post(mutated(corpus.PAYLOAD, self._random))

    def wrong_frame(self) -> None:
        self.raw(mutated(corpus.FRAMES, self._random))

    def wrong_request(self) -> None:
        self.connection().send(mutated(corpus.HEAD, self._random))

    def wrong_chunks(self) -> None:
        connection = self.connection()
        connection.begin("POST", self.target("polling"), headers=[("Transfer-Encoding", "chunked")])
        connection.send(mutated(corpus.CHUNKS, self._random))

    def control_frame(self) -> None:
        self.raw(frame(self._random.choice((PING, PONG, CONT)), b"x"))

    def poll(self) -> None:
        connection = self.connection()
        connection.begin("GET", self.target("polling"))
        self._gets.append(connection)

    def wait(self) -> None:
        """Read what there is."""
        for each in (*self._gets[-1:], *([self._ws] if self._ws is not None else [])):
            try:
                each.exactly(1)
            except TimeoutError:
                return

    def upgrade(self) -> None:
        """Upgrade as one should."""
        if self._ws is None and self._sid:
            ws = self.upgraded()
            ws.send(frame(TEXT, b"2probe"))
            ws.exactly(8)
            ws.send(frame(TEXT, b"5"))
            self._ws = ws

    def wrong_upgrade(self) -> None:
        """Begin an upgrade and go astray."""
        if self._sid:
            ws = self.upgraded()
            ws.send(self._random.choice((b"", frame(TEXT, b"2probe"))))
            ws.send(frame(TEXT, self._random.choice((b"5", b"2probe", b"", b"4x", b"1", b"probe"))))

    def odd_method(self) -> None:
        self.connection().begin(
            self._random.choice(("PUT", "DELETE", "HEAD", "OPTIONS")), self.target("polling")
        )

    ACTIONS: Sequence[Callable[[Visitor], None]] = (
        *((event,) * 6),
        *((poll,) * 3),
        *(rare, rare, heartbeat, wait, upgrade, upgrade, wrong_upgrade, control_frame, odd_method),
        *(wrong_packet, wrong_payload, wrong_frame, wrong_request, wrong_chunks),
    )

    # -- how it may leave ---------------------------------------------------------------------------

    def say_goodbye(self) -> None:
        self.say(self._random.choice(("1", "41")))

    def close_frame(self) -> None:
        self.raw(frame(CLOSE, self._random.choice((b"", b"\x03\xe8", b"\x03\xe9gone"))))

    def vanish(self) -> None:
        """Reset every connection."""
        for each in (*self._gets, *([self._ws] if self._ws is not None else [])):
            each.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()

    def half_close(self) -> None:
        if self._ws is not None:
            self._ws.sock.shutdown(socket.SHUT_WR)

    def stop_within(self) -> None:
        """Leave in the middle of a frame, or of a body."""
        if self._ws is not None:
            self._ws.send(frame(TEXT, b"4" + b"x" * 500)[: self._random.randint(1, 500)])
            self._ws.close()
        else:
            connection = self.connection()
            connection.begin("POST", self.target("polling"), headers=[("Content-Length", "100")])
            connection.close()

    def stay(self) -> None:
        """Do nothing; who ends the round closes the connections."""

    ENDS: Sequence[Callable[[Visitor], None]] = (
        say_goodbye,
        close_frame,
        vanish,
        half_close,
        stop_within,
        stay,
    )
