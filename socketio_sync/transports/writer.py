"""The writing side of a connection: whole frames in, one system call a turn, nothing ever interleaved."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Any, Protocol

from socketio_sync.options import EngineOptions
from socketio_sync.transports.runtime import Runtime
from socketio_sync.transports.stream import Stream

# More than this isn't collected until the end of the turn, and not joined for one system call either:
# a control frame then waits for this much at most.
BATCH_BYTES = 64 * 1024


class WriterOwner(Protocol):
    """What a writer tells the connection that it writes for. Called on the hub's thread."""

    def abort(self, reason: str, description: str) -> None:
        """Learn that the peer takes nothing any more; nothing can be written then."""

    def on_written(self) -> None:
        """Learn that the kernel has taken some of what it had refused; ``idle`` tells whether all."""

    def on_backlog(self) -> None:
        """Learn that more than half of what may be queued is queued."""

    def on_full(self, description: str) -> None:
        """Learn that more is queued than may be."""


class Writer:
    """The frames queued for one connection. For the hub's thread only.

    There is one writer for each connection and no other way to its stream, so a frame that the kernel
    took in part is always continued before the next one begins.

    Attributes:
        queued_bytes: What was given to ``write`` and isn't with the kernel yet.
        undelivered: Whether there was some of it when the writer was stopped, or had to give up.
    """

    __slots__ = (
        "_dirty",
        "_finishing",
        "_frames",
        "_much",
        "_outbox",
        "_owner",
        "_partial",
        "_pong",
        "_progress",
        "_runtime",
        "_sealed",
        "_stall_timer",
        "_stopped",
        "_stream",
        "_urgent",
        "_watcher",
        "options",
        "queued_bytes",
        "undelivered",
    )

    def __init__(self, runtime: Runtime, stream: Stream, options: EngineOptions, owner: WriterOwner) -> None:
        """Write to ``stream``.

        Args:
            runtime: The hub's.
            stream: Where to.
            options: For ``max_outbound_bytes`` and ``write_stall_timeout``.
            owner: Who is told what becomes of it.
        """
        self._runtime = runtime
        self._outbox = runtime.outbox
        self._stream = stream
        self.options = options
        self._owner = owner
        # With more than this queued there is something to do at once.
        self._much = min(BATCH_BYTES, options.max_outbound_bytes // 2)
        self._frames: list[bytes] = []
        self._partial: memoryview | None = None
        self._dirty = False
        # Set once the last frame was queued.
        self._sealed = False
        self._stopped = False
        self._finishing = False
        self._watcher: Any = None
        self._stall_timer: Any = None
        self._progress = 0.0
        # Control frames, which go before the others, and which of them is the pong.
        self._urgent: list[bytes] = []
        self._pong = -1
        self.queued_bytes = 0
        self.undelivered = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the peer."""
        return self._partial is None and not self._stopped

    def write(self, frame: bytes) -> None:
        """Queue a frame; written at the end of the turn, or now if much is queued."""
        if self._sealed:
            return
        self._frames.append(frame)
        self.queued_bytes = queued = self.queued_bytes + len(frame)
        if not self._dirty:
            self._dirty = True
            self._outbox.add(self)
        if queued > self._much:
            self._on_much(len(frame))

    def write_all(self, frames: Sequence[bytes]) -> None:
        """Queue the frames of one message: for the bound they are one."""
        if self._sealed:
            return
        self._frames += frames
        size = sum(map(len, frames))
        self.queued_bytes += size
        self._mark()
        if self.queued_bytes > self._much:
            self._on_much(size)

    def _mark(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._outbox.add(self)

    def _on_much(self, size: int) -> None:
        if self._partial is None:
            self.flush()
        limit = self.options.max_outbound_bytes
        if self.queued_bytes > limit // 2:
            self._owner.on_backlog()
        # A single message may exceed an empty queue, however long it is.
        if self.queued_bytes > max(limit, size):
            self.on_overflow(size)

    def on_overflow(self, size: int) -> None:
        """Do something about a queue that is too long; the last message has ``size`` bytes."""
        self.give_up(f"{self.queued_bytes} bytes are queued and not read")

    def give_up(self, description: str) -> None:
        """Have the owner give up the peer."""
        self._owner.on_full(description)

    def write_first(self, frame: bytes) -> None:
        """Queue a control frame ahead of all others, but for those that were queued in this way."""
        if self._sealed:
            return
        self._urgent.append(frame)
        # Not held against the bound: the peer hasn't asked for heartbeats.
        self.queued_bytes += len(frame)
        self._mark()

    def write_pong(self, frame: bytes) -> None:
        """Queue a pong; while the peer reads nothing only the newest is kept (RFC 6455 5.5.3)."""
        if self._partial is not None and self._pong >= 0:
            self.queued_bytes += len(frame) - len(self._urgent[self._pong])
            self._urgent[self._pong] = frame
        elif not self._sealed:
            self._pong = len(self._urgent)
            self.write_first(frame)

    def write_last(self, frame: bytes) -> None:
        """Send what is queued, then ``frame``; whatever is written afterwards is dropped."""
        if self._sealed:
            return
        self._frames.append(frame)
        self.queued_bytes += len(frame)
        self._sealed = True
        self.flush()

    def replace(self, frame: bytes) -> None:
        """Forget what is queued and not begun; send ``frame`` as the last."""
        self.undelivered = True
        self._frames = []
        self._urgent = []
        self._pong = -1
        self.queued_bytes = len(self._partial) if self._partial is not None else 0
        self.write_last(frame)

    def flush(self) -> None:
        """Hand the kernel what it takes, without blocking."""
        self._dirty = False
        if self._partial is not None:
            return
        # Once stopped there is nothing queued.
        more = self._frames or self._urgent
        while more:
            single = len(self._frames) == 1 and not self._urgent
            data = self._frames.pop() if single else self._next_batch()
            try:
                sent = self._stream.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._fail("transport error", str(error))
                return
            self.queued_bytes -= sent
            if sent < len(data):
                self._partial = memoryview(data)[sent:]
                self._await_writable()
                return
            # A batch takes in all that is urgent.
            more = self._frames
        if self._finishing:
            self._shutdown()

    def _next_batch(self) -> bytes:
        frames = self._frames
        if self._urgent:
            frames[:0] = self._urgent
            self._urgent = []
            self._pong = -1
        if self.queued_bytes <= BATCH_BYTES:
            self._frames = []
            return b"".join(frames)
        size = count = 0
        for frame in frames:
            size += len(frame)
            count += 1
            if size >= BATCH_BYTES:
                break
        self._frames = frames[count:]
        return b"".join(frames[:count]) if count > 1 else frames[0]

    def _await_writable(self) -> None:
        self._progress = self._runtime.timers.now()
        self._runtime.backlogs.add(self)
        if self._watcher is None:
            self._watcher = self._runtime.loop.io(self._stream.fileno(), 2)
        self._watcher.start(self._on_writable)
        if self._stall_timer is None:
            timeout = self.options.write_stall_timeout
            self._stall_timer = self._runtime.timers.after(timeout, self._check_stall)

    def _on_writable(self) -> None:
        partial = self._partial
        if partial is None:
            return
        try:
            sent = self._stream.send(partial)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail("transport error", str(error))
            return
        self._progress = self._runtime.timers.now()
        self.queued_bytes -= sent
        if sent < len(partial):
            self._partial = partial[sent:]
        else:
            self._partial = None
            self._watcher.stop()
            self.flush()
        if not self._stopped:
            self._owner.on_written()

    def _check_stall(self) -> None:
        self._stall_timer = None
        if self._partial is None or self._stopped:
            return
        timers = self._runtime.timers
        due = self._progress + self.options.write_stall_timeout
        if timers.now() >= due:
            self._fail("slow consumer", f"nothing was read for {self.options.write_stall_timeout:g} s")
        else:
            self._stall_timer = timers.at(due, self._check_stall)

    def finish(self) -> None:
        """Send no more than what is queued, then tell the peer that nothing follows (TCP's FIN)."""
        self._finishing = True
        self.flush()

    def _shutdown(self) -> None:
        shutdown = getattr(self._stream, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(OSError):
                shutdown(socket.SHUT_WR)

    def _fail(self, reason: str, description: str) -> None:
        self.stop()
        self._owner.abort(reason, description)

    def stop(self) -> None:
        """Write nothing any more, and forget what is queued; idempotent."""
        if self._stopped:
            return
        self._stopped = self._sealed = True
        self.undelivered = self.undelivered or self.queued_bytes > 0
        self._frames = []
        self._urgent = []
        self._pong = -1
        self.queued_bytes = 0
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
