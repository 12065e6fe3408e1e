"""The client's side of a WebSocket connection: bytes in, messages out.

Specification: RFC 6455, sections 5 to 8.
"""

from __future__ import annotations

from functools import cache

from socketio_sync.protocol.websocket.core import Core
from socketio_sync.protocol.websocket.deflate import Inflater, most_compressed
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
# In the first byte of a compressed message (RFC 7692, section 6), and all three reserved bits.
_RSV1 = 0x40
_RSV = 0x70


@cache
def _sizes(most: int) -> dict[bytes, tuple[int, bool]]:
    """Return the sizes of whole frames with at most ``most`` bytes, by their first two bytes.

    The second value tells whether it is text.
    """
    return {
        bytes((head, 0x80 + length)): (6 + length, head == _TEXT)
        for head in _PLAIN
        for length in range(min(most, 125) + 1)
    }


_SIZES = _sizes(125)
_NOT_SHORT = (0, False)
# Inside a fragmented message a plain frame isn't allowed.
_NO_SIZES: dict[bytes, tuple[int, bool]] = {}

_ENDED = -1
# Never changed: what is held is always another one.
_NOTHING = bytearray()


class FrameReader:
    """Turns what one client sends into events, whatever the pieces it comes in.

    It belongs to one reader; it answers nothing, pings and close frames included.
    """

    __slots__ = ("_core", "_held", "_inflater", "_max_fragments", "_max_message", "_need", "_sizes")

    def __init__(self, *, max_message: int, max_fragments: int, inflater: Inflater | None = None) -> None:
        """Begin behind the handshake.

        Args:
            max_message: Longest message accepted, in bytes; a longer one fails with 1009 as soon as a
                header announces it.
            max_fragments: Most frames accepted in one message; one more fails with 1008.
            inflater: What expands compressed messages; None where that wasn't agreed on.
        """
        self._inflater = inflater
        self._max_message = max_message
        self._max_fragments = max_fragments
        self._core: Core | None = None
        # The start of an unfinished frame, and how many bytes it takes to get further with it.
        self._held = _NOTHING
        self._need = 0
        # Which frames are taken without a closer look.
        self._sizes = self._all_sizes()

    def _all_sizes(self) -> dict[bytes, tuple[int, bool]]:
        return _SIZES if self._max_message >= 125 else _sizes(self._max_message)

    @property
    def buffered(self) -> int:
        """Bytes held: an unfinished frame and the fragments of an unfinished message."""
        return len(self._held) + (self._core.size if self._core is not None else 0)

    def feed(self, data: bytes) -> list[Event]:
        """Take what was received and return what it completes, in order.

        Never raises on account of what the client sent. ``Closed`` and ``Failed`` come at most once and last;
        afterwards everything is ignored.
        """
        if self._need:
            data = self._resume(data)
        events: list[Event] = []
        position = 0
        end = len(data)
        try:
            while position < end:
                mask = position + 2
                size, is_text = self._sizes.get(data[position:mask], _NOT_SHORT)
                start = position + 6
                stop = position + size
                if not size or stop > end:
                    position = self._next(data, position, end, events)
                    continue
                payload = apply_mask(data[start:stop], data[mask:start])
                events.append(payload.decode() if is_text else payload)
                position = stop
        except Violation as violation:
            self._end(events, Failed(violation.code, violation.reason))
        except UnicodeDecodeError:
            self._end(events, Failed(1007, "invalid UTF-8"))
        return events

    def _resume(self, data: bytes) -> bytes:
        """Add to what is held; return it once it is enough to go on with, else nothing."""
        if self._need == _ENDED:
            return b""
        held = self._held
        held += data
        if len(held) < self._need:
            return b""
        self._held = _NOTHING
        self._need = 0
        return bytes(held)

    def _next(self, data: bytes, position: int, end: int, events: list[Event]) -> int:
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
        compressed = self._inflater is not None and head & _RSV == _RSV1 and head & 0x0F in (1, 2)
        if compressed:
            head ^= _RSV1
        core = None if self._sizes is not _NO_SIZES and head in _PLAIN else self._needed_core()
        if core is not None:
            core.check_start(head, length)
            core.compressed = core.compressed or compressed
        size = 6
        if length > 125:
            size = 8 if length == 126 else 14
            if available < size - 4:
                return self._hold(data, position, size - 4)
            length = int.from_bytes(data[position + 2 : position + size - 4], "big")
        if core is not None:
            core.check_length(head, length)
        elif length > (most_compressed(self._max_message) if compressed else self._max_message):
            raise Violation(1009, "message too big")
        if available < size + length:
            return self._hold(data, position, size + length)
        start = position + size
        stop = start + length
        if core is None:
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            if compressed and self._inflater is not None:
                payload = self._inflater.inflate((payload,))
            events.append(payload.decode() if head == _TEXT else payload)
            return stop
        frame = data[position:stop]
        event = core.receive(bytes((head,)) + frame[1:] if compressed else frame)
        self._sizes = _NO_SIZES if core.fragmented else self._all_sizes()
        if isinstance(event, Closed):
            self._end(events, event)
            return end
        if event is not None:
            events.append(event)
        return stop

    def _needed_core(self) -> Core:
        if self._core is None:
            self._core = Core(
                max_message=self._max_message, max_fragments=self._max_fragments, inflater=self._inflater
            )
        return self._core

    def _hold(self, data: bytes, position: int, need: int) -> int:
        self._held = bytearray(data[position:])
        self._need = need
        return len(data)

    def _end(self, events: list[Event], last: Closed | Failed) -> None:
        events.append(last)
        self._held = _NOTHING
        self._core = None
        self._need = _ENDED
