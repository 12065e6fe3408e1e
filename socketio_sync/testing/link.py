"""The Engine.IO client: a session over either transport, and the upgrade.

Specification: engine.io-protocol, revision 4.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from http.cookies import SimpleCookie
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import RLock
from websockets.frames import Frame, Opcode

from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.protocol.engineio.packet import CLOSE, MESSAGE, PING, decode_text
from socketio_sync.protocol.engineio.payload import iter_payload, join_v4, message_v4
from socketio_sync.testing.wire import Headers, Host, Response, Wire, upgrade_headers

# Turns of the loop without anything to do, one after the other, before all is at rest: a timer that is due
# may come before a descriptor.
IDLE_TURNS = 3
# How long the answer to our close frame may take.
CLOSE_SECONDS = 1.0


def _masked(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


class Link:
    """One session.

    Attributes:
        transport: ``"polling"`` or ``"websocket"``.
        sid: The session's id.
        closed: Set once the session is over.
        reason: Why, in the terms of the JavaScript client; None before.
        close_code: The code of the server's close frame; None where there was none.
        answer_pings: Whether heartbeats are answered.
        cookies: What goes out as the Cookie header of each request, by name.
    """

    def __init__(
        self, host: Host, target: str, headers: Headers, cookies: dict[str, str], *, answer_pings: bool
    ) -> None:
        """Prepare a session at ``target``, a path with a query that names no transport yet."""
        self._host = host
        self._target = target
        self._headers = list(headers)
        self.cookies = cookies
        self.answer_pings = answer_pings
        self.transport = ""
        self.sid = ""
        self.closed = Event()
        self.reason: str | None = None
        self.close_code: int | None = None
        self._may_read = Event()
        self._may_read.set()
        self._posting = RLock()
        self._wires: list[Wire] = []
        self._reader: Any = None
        self._moving = False
        self._leaving = False
        self._on_message: Callable[[str | bytes], None]
        self._on_closed: Callable[[str], None]

    def open(
        self, transport: str, on_message: Callable[[str | bytes], None], on_closed: Callable[[str], None]
    ) -> None:
        """Do the handshake, then read in a greenlet of its own.

        Raises:
            HandshakeRefused: The server refused it.
        """
        self._on_message, self._on_closed = on_message, on_closed
        self.transport = transport
        wire = self._connect()
        if transport == "websocket":
            self._ask_upgrade(wire)
            packet = wire.frame()[1].decode()
        else:
            packet = self._request(wire, "GET").body.decode()
            self._connect()
        opened: dict[str, Any] = json.loads(packet[1:])
        self.sid = opened["sid"]
        self._target += f"&sid={self.sid}"
        self._read()

    # -- requests -----------------------------------------------------------------------------------

    def _connect(self) -> Wire:
        wire = Wire(self._host, self._may_read)
        self._wires.append(wire)
        return wire

    def _request(self, wire: Wire, method: str, body: bytes | None = None, extra: Headers = ()) -> Response:
        headers = [*self._headers, *extra]
        if self.cookies:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        transport = "websocket" if extra else "polling"
        response = wire.request(method, f"{self._target}&transport={transport}", headers, body)
        for name, value in response.headers:
            if name == "set-cookie":
                self.cookies.update({key: morsel.value for key, morsel in SimpleCookie(value).items()})
        if response.status not in (101, 200):
            raise _refusal(response)
        return response

    def _ask_upgrade(self, wire: Wire) -> None:
        response = self._request(wire, "GET", extra=upgrade_headers())
        if response.status != 101:
            raise _refusal(response)

    # -- what a client does -------------------------------------------------------------------------

    def send(self, text: bytes | None, attachments: Any = ()) -> None:
        """Send the messages of one packet, in order; over polling, return when they were accepted.

        Where they can't be sent the session is over, as for the JavaScript client.
        """
        try:
            if self.transport == "websocket":
                frames = [] if text is None else [_masked(Opcode.TEXT, b"4" + text)]
                frames += [_masked(Opcode.BINARY, data) for data in attachments]
                self._wires[-1].send(b"".join(frames))
            else:
                items = [] if text is None else [message_v4(text, False)]
                self._post(join_v4([*items, *[message_v4(data, True) for data in attachments]]))
        except (OSError, EOFError, HandshakeRefused):
            self._end("transport error")

    def _control(self, packet: bytes) -> None:
        if self.transport == "websocket":
            self._wires[-1].send(_masked(Opcode.TEXT, packet))
        else:
            self._post(packet)

    def _post(self, body: bytes) -> None:
        with self._posting:
            self._request(self._wires[1], "POST", body)

    def upgrade(self) -> None:
        """Move from polling to a WebSocket.

        Raises:
            HandshakeRefused: The server refused it.
        """
        assert self.transport == "polling", "the session is on a WebSocket already"
        wire = Wire(self._host, self._may_read)
        self._ask_upgrade(wire)
        wire.send(_masked(Opcode.TEXT, b"2probe"))
        assert wire.frame() == (Opcode.TEXT, b"3probe"), "the server didn't answer the probe"
        # The poll that is held ends now; what it brings is taken in before the WebSocket is read.
        self._moving = True
        self._reader.join()
        wire.send(_masked(Opcode.TEXT, b"5"))
        for old in self._wires:
            old.close()
        self._wires = [wire]
        self._moving = False
        self.transport = "websocket"
        self._read()

    def leave(self) -> None:
        """Close as clients do, and wait until the server has."""
        with suppress(OSError, EOFError, HandshakeRefused):
            if self.transport == "websocket":
                self._leaving = True
                self._wires[-1].send(_masked(Opcode.CLOSE, (1000).to_bytes(2, "big")))
                # The server's close frame: what is closed with something unread is reset.
                self.closed.wait(CLOSE_SECONDS)
            else:
                self._post(b"1")
        self._end("io client disconnect")

    def kill(self) -> None:
        """Close the connections without a word."""
        self._end("killed")

    def pause(self) -> None:
        """Read nothing."""
        self._may_read.clear()

    def resume(self) -> None:
        """Read again."""
        self._may_read.set()

    def settle(self) -> None:
        """Run the hub until nothing is left to do now: nothing is runnable and no bytes are under way."""
        hub = gevent.get_hub()
        quiet, seen = 0, self._received()
        while quiet < IDLE_TURNS:
            idle = hub.loop.idle()
            try:
                hub.wait(idle)
            finally:
                idle.close()
            now = self._received()
            quiet, seen = (quiet + 1, seen) if now == seen else (0, now)

    def _received(self) -> int:
        return sum(wire.received for wire in self._wires)

    # -- what the server sends ------------------------------------------------------------------------

    def _read(self) -> None:
        self._reader = gevent.spawn(self._read_frames if self.transport == "websocket" else self._poll)

    def _poll(self) -> None:
        reason = "transport close"
        try:
            while not self._moving:
                for packet in iter_payload(
                    self._request(self._wires[0], "GET").body, revision=4, binary=False, max_packets=1_000_000
                ):
                    if packet.type == CLOSE:
                        raise EOFError
                    self._take(packet.type, packet.data)
            return
        except HandshakeRefused:
            reason = "transport error"
        except (OSError, EOFError):
            pass
        self._end(reason)

    def _read_frames(self) -> None:
        wire = self._wires[-1]
        with suppress(OSError, EOFError):
            while True:
                opcode, payload = wire.frame()
                if opcode == Opcode.CLOSE:
                    self.close_code = int.from_bytes(payload[:2], "big") if payload else None
                    wire.send(_masked(Opcode.CLOSE, payload[:2]))
                    break
                if opcode == Opcode.BINARY:
                    self._on_message(payload)
                elif opcode == Opcode.TEXT:
                    self._take(*decode_text(payload.decode(), 4))
        self._end("transport close")

    def _take(self, type: int, data: str | bytes) -> None:
        if type == MESSAGE:
            self._on_message(data)
        elif type == PING and self.answer_pings:
            self._control(b"3")

    def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = "io client disconnect" if self._leaving else reason
        self.closed.set()
        if self._reader is not None and self._reader is not gevent.getcurrent():
            self._reader.kill()
        for wire in self._wires:
            wire.close()
        self._host.close()
        self._on_closed(self.reason)


def _refusal(response: Response) -> HandshakeRefused:
    try:
        body = json.loads(response.body)
        return HandshakeRefused(body["code"], body["message"])
    except (ValueError, TypeError, KeyError):
        return HandshakeRefused(3, f"{response.status}: {response.body[:200].decode('utf-8', 'replace')}")
