"""The frames off the fast path: fragments, control frames, and what the rules don't allow.

Specification: RFC 6455, sections 5.2, 5.4, 5.5 and 8.1.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from socketio_sync.protocol.websocket.deflate import Inflater, most_compressed
from socketio_sync.protocol.websocket.events import Closed, Event, Ping, Pong, Violation

_OPCODES = frozenset(Opcode)
_utf8_decoder = getincrementaldecoder("utf-8")


class Core:
    """The sans-I/O protocol of ``websockets``, with the limits it doesn't know.

    It is given whole frames only, so that it holds no bytes between two calls. What it would send is
    dropped.

    Attributes:
        fragmented: Whether a message is under way, of which more fragments must come.
        size: Bytes of its fragments so far, as they came.
        compressed: Whether the message that is under way, or begins, is compressed.
    """

    __slots__ = (
        "_count",
        "_decoder",
        "_inflater",
        "_max_fragments",
        "_max_message",
        "_parts",
        "_protocol",
        "_texts",
        "compressed",
        "fragmented",
        "size",
    )

    def __init__(self, *, max_message: int, max_fragments: int, inflater: Inflater | None = None) -> None:
        """Begin between two messages.

        Args:
            max_message: Longest message accepted, in bytes.
            max_fragments: Most fragments accepted in one message.
            inflater: What expands compressed messages; None where that wasn't agreed on.
        """
        self._max_message = max_message
        self._inflater = inflater
        self.compressed = False
        self._max_fragments = max_fragments
        # Its own limit would count a ping between two fragments as part of the message.
        self._protocol = Protocol(SERVER, max_size=None)
        self._protocol.debug = False
        self.fragmented = False
        self.size = 0
        self._count = 0
        self._decoder = _utf8_decoder()
        self._parts: list[bytes] = []
        self._texts: list[str] | None = None

    def check_start(self, head: int, length: int) -> None:
        """Judge a frame by its first two bytes, so that a bad one's payload is never waited for.

        Args:
            head: The first byte.
            length: The lower seven bits of the second.

        Raises:
            Violation: They break a rule.
        """
        opcode = head & 0x0F
        if head & 0x70:
            raise Violation(1002, "reserved bits must be 0")
        if opcode not in _OPCODES:
            raise Violation(1002, "invalid opcode")
        if opcode & 0x08:
            if head < 0x80 or length > 125:
                raise Violation(1002, "control frame too long or fragmented")
        elif (opcode == 0) is not self.fragmented:
            raise Violation(1002, "continuation frame expected" if self.fragmented else "nothing to continue")

    def check_length(self, head: int, length: int) -> None:
        """Judge the length that a header announces.

        Raises:
            Violation: The message would be longer, or in more fragments, than a limit allows.
        """
        if head & 0x08:
            return
        most = most_compressed(self._max_message) if self.compressed else self._max_message
        if self.size + length > most:
            raise Violation(1009, "message too big")
        if self._count >= self._max_fragments:
            raise Violation(1008, "too many fragments")

    def receive(self, frame_data: bytes | bytearray) -> Event | None:
        """Take one frame that passed the checks; None where its message isn't whole yet.

        Raises:
            Violation: The frame breaks a rule.
            UnicodeDecodeError: So does its text.
        """
        protocol = self._protocol
        protocol.receive_data(frame_data)
        protocol.data_to_send()
        frames = protocol.events_received()
        # Before its exception: a close frame may stand between two fragments (section 5.4),
        # which the protocol object takes for a failure.
        if protocol.close_rcvd is not None:
            return Closed(int(protocol.close_rcvd.code), protocol.close_rcvd.reason)
        error = protocol.parser_exc
        if isinstance(error, ProtocolError):
            raise Violation(1002, str(error))
        if error is not None:
            raise error
        (frame,) = frames
        assert isinstance(frame, Frame)
        if frame.opcode is Opcode.PING:
            return Ping(bytes(frame.data))
        if frame.opcode is Opcode.PONG:
            return Pong(bytes(frame.data))
        return self._join(frame)

    def _join(self, frame: Frame) -> str | bytes | None:
        payload = bytes(frame.data)
        if frame.opcode is Opcode.TEXT:
            self._texts = []
        if self._texts is None or self.compressed:
            self._parts.append(payload)
        else:
            # Piece by piece, so that bad text ends the connection before all of it is here.
            self._texts.append(self._decoder.decode(payload, frame.fin))
        if not frame.fin:
            self.fragmented = True
            self.size += len(payload)
            self._count += 1
            return None
        parts, texts = self._parts, self._texts
        self._parts = []
        self._texts = None
        self.fragmented = False
        self.size = self._count = 0
        if self._inflater is not None and self.compressed:
            self.compressed = False
            message = self._inflater.inflate(parts)
            return message if texts is None else message.decode()
        return b"".join(parts) if texts is None else "".join(texts)
