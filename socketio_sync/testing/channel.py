"""One namespace as a test sees it: what it sends, and what it has received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

import gevent
from gevent.event import AsyncResult, Event

from socketio_sync.exceptions import AckTimeout, ConnectionRefused, Disconnected, NotConnected
from socketio_sync.protocol.socketio.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet
from socketio_sync.server.acks import value_of
from socketio_sync.types import F

# A timeout that ends its block without raising, which its types don't know of.
_Silent: Any = gevent.Timeout


def wait_until(condition: Callable[[], Any], changed: Event, timeout: float) -> None:
    """Block until ``condition()`` is true, which ``changed`` tells, or ``timeout`` seconds are over."""
    with _Silent(timeout, False):
        while not condition():
            changed.clear()
            changed.wait()


class Transmitter(Protocol):
    """What a channel needs of the client that it belongs to."""

    def transmit(self, packet: Packet) -> None:
        """Send a packet."""

    def settle(self) -> None:
        """Run the hub until all is at rest."""


class Received:
    """An event from the server.

    Attributes:
        event: Its name.
        args: Its arguments, a tuple.
        wants_ack: Whether the server waits for an acknowledgement.
    """

    __slots__ = ("_answer", "args", "event", "wants_ack")

    def __init__(self, event: str, args: tuple[Any, ...], answer: Callable[..., None] | None) -> None:
        """Hold an event; ``answer`` sends its acknowledgement."""
        self.event = event
        self.args = args
        self.wants_ack = answer is not None
        self._answer = answer

    def ack(self, *values: Any) -> None:
        """Acknowledge it, once.

        Raises:
            AssertionError: The server hasn't asked for that, or it was done.
        """
        assert self._answer is not None, f"{self.event!r} wants no acknowledgement, or has it already"
        answer, self._answer = self._answer, None
        answer(*values)

    def __repr__(self) -> str:
        """Show the event as it was emitted."""
        return f"<{self.event}{self.args!r}>"


class Channel:
    """A client in one namespace. All methods are for the thread of the server's hub, in any greenlet.

    Attributes:
        name: The namespace.
        id: The socket's id there; None before it has joined.
        connected: Whether it has joined and not left.
        reason: Why it has left, in the terms of the JavaScript client; None before.
        pid: What a client that comes back says in its ``auth``, with ``offset``, to have its connection's
            state recovered; None where the server doesn't offer that.
        offset: Up to where it has received events; None before the first.
    """

    def __init__(self, owner: Transmitter, name: str) -> None:
        """Stand for the namespace ``name``, which hasn't been joined yet."""
        self._owner = owner
        self.name = name
        self.id: str | None = None
        self.connected = False
        self.reason: str | None = None
        self.pid: str | None = None
        self.offset: str | None = None
        self._events: list[Received] = []
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._acks: dict[int, Callable[[list[Any] | None, str], None]] = {}
        self._last_id = 0
        self._changed = Event()
        self._refusal: ConnectionRefused | None = None

    # -- sending --------------------------------------------------------------------------------------

    def join(self, auth: Any = None, timeout: float = 5.0) -> None:
        """Join the namespace; block until the server has answered.

        Raises:
            ConnectionRefused: The server refused, with message and data.
            AssertionError: It didn't answer in time.
        """
        self.reason = self._refusal = None
        self._owner.transmit(Packet(CONNECT, self.name, auth))
        self._wait(
            lambda: self.connected or self._refusal or self.reason, timeout, "no answer to the CONNECT"
        )
        if self._refusal is not None:
            raise self._refusal
        if not self.connected:
            raise ConnectionRefused(f"the connection ended: {self.reason}")

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Emit an event; ``ack`` is called with the values of its acknowledgement.

        Raises:
            NotConnected: The namespace hasn't been joined, or has been left.
        """
        if ack is None:
            self._send_event(event, args, None)
            return
        callback = ack
        self._send_event(event, args, lambda values, _: None if values is None else callback(*values))

    def call(self, event: str, *args: Any, timeout: float = 5.0) -> Any:
        """Emit an event and block until it is acknowledged: None, a value, or a tuple of several.

        Raises:
            AckTimeout: It wasn't within ``timeout`` seconds.
            Disconnected: The server ended the connection meanwhile.
            NotConnected: As ``emit``.
        """
        result: Any = AsyncResult()
        number = self._send_event(event, args, lambda values, reason: result.set((values, reason)))
        if not result.wait(timeout=timeout):
            self._acks.pop(number or 0, None)
            raise AckTimeout(f"no acknowledgement of {event!r} within {timeout:g} s")
        values, reason = result.get()
        if values is None:
            raise Disconnected(reason)
        return value_of(values)

    def _send_event(
        self, event: str, args: tuple[Any, ...], settle: Callable[[list[Any] | None, str], None] | None
    ) -> int | None:
        if not self.connected:
            raise NotConnected(f"not in {self.name}: {self.reason or 'never joined'}")
        number = None
        if settle is not None:
            number = self._last_id = self._last_id + 1
            self._acks[number] = settle
        self._owner.transmit(Packet(EVENT, self.name, [event, *args], number))
        return number

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, handler: F) -> F: ...

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Handle an event of the server's, as a call or a decorator; what it returns acknowledges.

        It isn't kept for ``expect`` then. The handler runs in the greenlet that reads.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._handlers[event] = handler
        return handler

    def leave(self) -> None:
        """Leave the namespace; the connection stays."""
        if self.connected:
            self._owner.transmit(Packet(DISCONNECT, self.name))
            self.end("io client disconnect")

    # -- what has come --------------------------------------------------------------------------------

    def expect(self, event: str, timeout: float = 1.0) -> Received:
        """Return the next event of this name, which may have come already; wait for it if need be.

        Raises:
            AssertionError: None came in time; the message lists what did.
        """

        def found() -> Received | None:
            return next((entry for entry in self._events if entry.event == event), None)

        self._wait(found, timeout, f"no {event!r}")
        entry = found()
        assert entry is not None
        self._events.remove(entry)
        return entry

    def receive(self, timeout: float = 1.0) -> Received:
        """Return the next event, whatever its name.

        Raises:
            AssertionError: None came in time.
        """
        self._wait(lambda: self._events, timeout, "no event")
        return self._events.pop(0)

    def receive_all(self) -> list[Received]:
        """Return every event that has come once all is at rest: nothing runnable, no bytes under way.

        A handler that waits for a time or another process isn't runnable; nor is a deadline ahead.
        """
        self._owner.settle()
        events, self._events = self._events, []
        return events

    def assert_silent(self, for_: float = 0.0) -> None:
        """See to it that no event has come or comes, until all is at rest, or for ``for_`` seconds more.

        Raises:
            AssertionError: One has.
        """
        self._owner.settle()
        if for_:
            wait_until(lambda: self._events, self._changed, for_)
        assert not self._events, f"expected silence in {self.name}; received {self._events}"

    def _wait(self, condition: Callable[[], Any], timeout: float, what: str) -> None:
        wait_until(lambda: condition() or self.reason is not None, self._changed, timeout)
        if not condition():
            ended = f"; disconnected: {self.reason}" if self.reason is not None else ""
            raise AssertionError(
                f"{what} in {self.name} within {timeout:g} s{ended}; received {self._events or 'nothing'}"
            )

    # -- for the client -------------------------------------------------------------------------------

    def take(self, packet: Packet) -> None:
        """Take a packet for this namespace."""
        type_, _, data, number = packet
        if type_ == CONNECT:
            self.id = data["sid"]
            self.pid = data.get("pid")
            self.connected = True
        elif type_ == CONNECT_ERROR:
            self._refusal = ConnectionRefused(data["message"], data.get("data"))
        elif type_ == DISCONNECT:
            self.end("io server disconnect")
        elif type_ == ACK:
            settle = self._acks.pop(number or 0, None)
            if settle is not None:
                settle(data, "")
        else:
            self._take_event(data, number)
        self._changed.set()

    def _take_event(self, data: list[Any], number: int | None) -> None:
        event, *args = data
        if self.pid is not None and number is None and args and isinstance(args[-1], str):
            # Behind the arguments; see wire.md 2.10.
            self.offset = args.pop()

        def answer(*values: Any) -> None:
            self._owner.transmit(Packet(ACK, self.name, list(values), number))

        handler = self._handlers.get(event)
        if handler is None:
            self._events.append(Received(event, tuple(args), None if number is None else answer))
            return
        value = handler(*args)
        if number is not None:
            answer(*(value if isinstance(value, tuple) else () if value is None else (value,)))

    def end(self, reason: str) -> None:
        """Learn that it is over here; idempotent."""
        if self.reason is not None:
            return
        self.connected = False
        self.reason = reason
        acks, self._acks = self._acks, {}
        for settle in acks.values():
            settle(None, reason)
        self._changed.set()
