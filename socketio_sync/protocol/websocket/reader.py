"""The client's side of a WebSocket connection: bytes in, messages out.

Specification: RFC 6455, sections 5 to 8.
"""

from __future__ import annotations

from socketio_sync.protocol.websocket.core import Core
from socketio_sync.protocol.websocket.events import Closed, Event, Failed, Ping, Pong, Violation

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without a compiled wheel
    from websockets.utils import apply_mask

__all__ = ["Closed", "Event", "Failed", "FrameReader", "Ping", "Pong"]

# The first byte of a final frame without reserved bits.
_TEXT = 0x81
_BINARY = 0x82
_PLAIN = (_TEXT, _BINARY)

_ENDED = -1


class FrameReader:
    """Turns what one client sends into events, whatever the pieces it comes in.

    It belongs to one reader; it answers nothing, pings and close frames included.
    """

    __slots__ = ("_core", "_held", "_max_fragments", "_max_message", "_need", "_small")

    def __init__(self, *, max_message: int, max_fragments: int) -> None:
        """Begin behind the handshake.

        Args:
            max_message: Longest message accepted, in bytes; a longer one fails with 1009 as soon as a
                header announces it.
            max_fragments: Most frames accepted in one message; one more fails with 1008.
        """
        self._max_message = max_message
        self._max_fragments = max_fragments
        self._core: Core | None = None
        # The start of an unfinished frame, and how many bytes it takes to get further with it.
        self._held: bytes | bytearray = b""
        self._need = 0
        # Longest payload that the inline path may take; -1 inside a fragmented message, where a
        # plain frame isn't allowed.
        self._small = min(max_message, 125)

    @property
    def buffered(self) -> int:
        """Bytes held: an unfinished frame and the fragments of an unfinished message."""
        return len(self._held) + (self._core.size if self._core is not None else 0)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take what was received and return what it completes, in order.

        Never raises on account of what the client sent. ``Closed`` and ``Failed`` come at most once and last;
        afterwards everything is ignored. ``data`` is copied where it is kept.
        """
        if self._need:
            data = self._resume(data)
        elif type(data) is not bytes:
            # One copy, after which slices are cheap, and independent of the caller's buffer.
            data = bytes(data)
        events: list[Event] = []
        position = 0
        end = len(data)
        try:
            while position < end:
                start = position + 6
                if start <= end:
                    stop = start + data[position + 1] - 128
                    if start <= stop <= end and stop - start <= self._small:
                        head = data[position]
                        if head == _TEXT:
                            events.append(apply_mask(data[start:stop], data[position + 2 : start]).decode())
                            position = stop
                            continue
                        if head == _BINARY:
                            events.append(apply_mask(data[start:stop], data[position + 2 : start]))
                            position = stop
                            continue
                position = self._next(data, position, end, events)
        except Violation as violation:
            self._end(events, Failed(violation.code, violation.reason))
        except UnicodeDecodeError:
            self._end(events, Failed(1007, "invalid UTF-8"))
        return events

    def _resume(self, data: bytes | bytearray | memoryview) -> bytes | bytearray:
        """Add to what is held; return it once it is enough to go on with, else nothing."""
        if self._need == _ENDED:
            return b""
        held = self._held
        assert isinstance(held, bytearray)
        held += data
        if len(held) < self._need:
            return b""
        self._held = b""
        self._need = 0
        return held

    def _next(self, data: bytes | bytearray, position: int, end: int, events: list[Event]) -> int:
        """Handle any kind of frame, or hold what there is of it; return where to go on.

        Each field of the header is judged as soon as it is here: a bad frame is never waited for.
        """
        available = end - position
        if available < 2:
            return self._hold(data, position, 2)
        head = data[position]
        length = data[position + 1] - 128
        if length < 0:
            raise Violation(1002, "frame not masked")
        core = None if self._small >= 0 and head in _PLAIN else self._needed_core()
        if core is not None:
            core.check_start(head, length)
        size = 6
        if length > 125:
            size = 8 if length == 126 else 14
            if available < size - 4:
                return self._hold(data, position, size - 4)
            length = int.from_bytes(data[position + 2 : position + size - 4], "big")
        if core is not None:
            core.check_length(head, length)
        elif length > self._max_message:
            raise Violation(1009, "message too big")
        if available < size + length:
            return self._hold(data, position, size + length)
        start = position + size
        stop = start + length
        if core is None:
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            events.append(payload.decode() if head == _TEXT else payload)
            return stop
        event = core.receive(data[position:stop])
        self._small = -1 if core.fragmented else min(self._max_message, 125)
        if isinstance(event, Closed):
            self._end(events, event)
            return end
        if event is not None:
            events.append(event)
        return stop

    def _needed_core(self) -> Core:
        if self._core is None:
            self._core = Core(max_message=self._max_message, max_fragments=self._max_fragments)
        return self._core

    def _hold(self, data: bytes | bytearray, position: int, need: int) -> int:
        self._held = bytearray(data[position:])
        self._need = need
        return len(data)

    def _end(self, events: list[Event], last: Closed | Failed) -> None:
        events.append(last)
        self._held = b""
        self._core = None
        self._need = _ENDED
