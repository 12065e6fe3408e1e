"""A namespace: the sockets in it, and what an adapter may do with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import (
    Adapter,
    AdapterFactory,
    Answers,
    Outgoing,
    Selection,
    SocketDetails,
)
from socketio_sync.adapters.rooms import native_lock
from socketio_sync.engine.views import View
from socketio_sync.exceptions import AckLimitError, RoomLimitError
from socketio_sync.options import ServerOptions
from socketio_sync.protocol.engineio.packet import Batch
from socketio_sync.protocol.socketio.codec import Codec, Encoded
from socketio_sync.server.acks import not_taken
from socketio_sync.server.answers import Share
from socketio_sync.server.dispatch import run_outgoing, run_plain, run_server_side
from socketio_sync.server.early import Early
from socketio_sync.server.endpoint import Endpoint
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.outgoing import Broadcast, messages_of, snapshot
from socketio_sync.server.recovery import Recovery
from socketio_sync.server.socket import Socket
from socketio_sync.transports.workers import Backlog, Lane

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

logger = logging.getLogger(__name__)


class Namespace(Endpoint):
    """One namespace of a server. Made by ``io.of(name)``.

    Attributes:
        name: Begins with a slash.
        options: The server's.
        adapter: Knows who is in which room.
    """

    __slots__ = (
        "_ack_ids",
        "_early",
        "_everyone",
        "_lock",
        "_on_empty",
        "_room_lane",
        "_sweep_timer",
        "adapter",
        "codec",
        "connected",
        "engine",
        "handlers",
        "hooks",
        "joining",
        "name",
        "options",
        "recovery",
        "watched",
    )

    def __init__(
        self,
        name: str,
        *,
        engine: EngineServer,
        options: ServerOptions,
        codec: Codec,
        adapter: AdapterFactory,
        template: Hooks | None = None,
        on_empty: Callable[[Namespace], None] | None = None,
    ) -> None:
        """Make a namespace of the server whose parts these are.

        Args:
            name: Begins with a slash.
            engine: The server's.
            options: The server's.
            codec: The server's.
            adapter: Makes the adapter.
            template: What is registered to begin with.
            on_empty: Called on the hub's thread when the last client has left or was refused, and can't come
                back any more.
        """
        self.name = name
        self.engine = engine
        self.options = options
        self.codec = codec
        self.connected: dict[str, Socket] = {}
        # How many clients are on their way in.
        self.joining = 0
        self._everyone: tuple[Socket, ...] | None = None
        self._lock = native_lock()
        self.hooks = Hooks(template)
        self.handlers = self.hooks.handlers
        # Whether anybody has ever wanted to hear of every event to clients.
        self.watched = bool(self.handlers.outgoing)
        recovery = options.recovery_options()
        max_delay = options.ping_interval + options.ping_timeout
        # What is kept for clients that may come back; None where that is off.
        self.recovery = Recovery.of(name, recovery, max_delay) if recovery is not None else None
        self._early: Early | None = None
        self._sweep_timer: Any = None
        self._on_empty = on_empty
        self._room_lane: Lane | None = None
        self._ack_ids = count()
        self.adapter: Adapter = adapter(self)
        if recovery is not None and recovery.directory is not None:
            self._early = Early(recovery, recovery.max_disconnection_duration + max_delay)
            engine.run_on_hub_soon(self._prepare)

    def _hooks(self) -> Sequence[Hooks]:
        return (self.hooks,)

    def _on_outgoing(self) -> None:
        self.watched = True

    def __repr__(self) -> str:
        """Name the namespace."""
        return f"<Namespace {self.name}>"

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The connected sockets by id; see :class:`~socketio_sync.engine.views.View`."""
        return View(self.connected)

    def rooms(self) -> frozenset[str]:
        """Return the rooms that exist on this server, the sockets' own among them."""
        return self.adapter.rooms()

    # -- for the parts of the server, mostly on the hub's thread --------------------------------------

    def members(self) -> Sequence[Namespace]:
        """Return the namespace alone."""
        return (self,)

    def next_ack_id(self) -> int:
        """Return the next id for an acknowledgement; one counter for all sockets, from 0."""
        return next(self._ack_ids)

    def add(self, socket: Socket) -> None:
        """Enter a socket, and put it into the room of its own id."""
        with self._lock:
            self.connected[socket.id] = socket
            self._everyone = None
        self.adapter.join(socket, (socket.id,))

    def remove(self, socket: Socket) -> None:
        """Forget a socket; its rooms it leaves by itself."""
        with self._lock:
            self.connected.pop(socket.id, None)
            self._everyone = None

    def check_empty(self) -> None:
        """Tell whoever wants to know that nobody is left, if that is so: nor anybody who may come back."""
        if self._on_empty is None or self.connected or self.joining:
            return
        if self.recovery is None or not self.recovery.waits:
            self._on_empty(self)

    # -- for the adapter; see LocalSockets ------------------------------------------------------------

    def all_sockets(self) -> Sequence[Socket]:
        """Return the connected sockets, in the same tuple until one comes or goes."""
        everyone = self._everyone
        if everyone is None:
            with self._lock:
                everyone = self._everyone = tuple(self.connected.values())
        return everyone

    def send_many(self, sockets: Sequence[Socket], outgoing: Outgoing, selection: Selection) -> None:
        """Send one packet to many sockets, in this turn of the loop."""
        assert isinstance(outgoing, Broadcast)
        if self.recovery is not None:
            if not self.engine.is_bound:
                self._keep_early(outgoing, selection)
                return
            if not self.engine.runtime.is_current():
                # It is encoded once more, on the hub, and mustn't change until then.
                outgoing = outgoing.of(snapshot(outgoing.packet.data))
        self.on_hub(self._send, sockets, outgoing, selection)

    def _keep_early(self, outgoing: Broadcast, selection: Selection) -> None:
        """Keep an event for those who are on their way here from an earlier process, if there may be any."""
        if self._early is not None and not selection.volatile and self._early.add(outgoing, selection):
            self.engine.run_on_hub_soon(self._send_early)

    def _prepare(self) -> None:
        """Begin in the process that serves, where clients of an earlier one may come."""
        if self.recovery is not None:
            self.recovery.prepare(self.now())
            self.sweep_later()

    def _send_early(self) -> None:
        if self._early is None or self.recovery is None:
            return
        # By the clock of the timers.
        behind = monotonic() - self.now()
        if self._early.forgotten is not None:
            offset, _ = self.recovery.timeline.next_offset()
            self.recovery.timeline.shared.forgotten = offset, self._early.forgotten - behind
            self._early.forgotten = None
        for then, outgoing, selection in self._early.take():
            self._keep(self.recovery, outgoing, selection, then - behind)

    def _keep(self, recovery: Recovery, outgoing: Broadcast, selection: Selection, now: float) -> Broadcast:
        """Keep an event for those who are away; return it with its offset."""
        offset, text = recovery.timeline.next_offset()
        marked = outgoing.of((*outgoing.packet.data, text))
        recovery.record(None, offset, marked.encoded(), now, selection.rooms, selection.except_)
        self.sweep_later()
        return marked

    def _send(self, sockets: Sequence[Socket], outgoing: Broadcast, selection: Selection) -> None:
        outbox = self.engine.runtime.outbox
        if selection.volatile:
            # What was meant for them before counts.
            outbox.settle()
            sockets = [socket for socket in sockets if socket.connection.session.transport.writable]
        if self.watched:
            self.engine.runtime.workers.run(_watch, sockets, outgoing.packet.data)
        if self.recovery is not None and outgoing.packet.id is None:
            self._send_kept(self.recovery, sockets, outgoing, selection)
        else:
            outbox.deliver(sockets, outgoing.batch(), _fan_out)

    def _send_kept(
        self, recovery: Recovery, sockets: Sequence[Socket], outgoing: Broadcast, selection: Selection
    ) -> None:
        """Send a packet with its offset to those who can be recovered, and keep it for those who are away."""
        outbox = self.engine.runtime.outbox
        if self._early:
            self._send_early()
        plain = [socket for socket in sockets if socket.journal is None]
        if selection.volatile:
            marked = outgoing.of(recovery.timeline.marked(outgoing.packet.data))
        else:
            marked = self._keep(recovery, outgoing, selection, self.now())
        if plain:
            outbox.deliver(plain, outgoing.batch(), _fan_out)
            sockets = [socket for socket in sockets if socket.journal is not None]
        outbox.deliver(sockets, marked.batch(), _fan_out)

    def send_missed(self, socket: Socket, packets: Sequence[Encoded]) -> None:
        """Send what a client that has come back has missed; as to many, so that it never waits."""
        batch = Batch(*[messages_of(encoded) for encoded in packets])
        self.engine.runtime.outbox.deliver((socket,), batch, _fan_out)

    def now(self) -> float:
        """Return the time of the runtime's timers, in seconds."""
        return self.engine.runtime.timers.now()

    def hand_over(self) -> None:
        """Leave what is kept for clients that may come back to the next process, if it can find it."""
        if self.recovery is not None:
            self.recovery.hand_over(self.now())

    def sweep_later(self) -> None:
        """See to it that nothing is kept longer than recovery may need it."""
        if self._sweep_timer is None and self.recovery is not None:
            interval = self.recovery.options.max_disconnection_duration / 2
            self._sweep_timer = self.engine.runtime.timers.after(interval, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        if self.recovery is not None and self.recovery.sweep(self.now()):
            self.sweep_later()
        self.check_empty()

    def send_many_with_ack(
        self, sockets: Sequence[Socket], outgoing: Outgoing, selection: Selection, answers: Answers
    ) -> None:
        """Send one packet to many sockets, and collect their acknowledgements."""
        self.on_hub(self._send_with_ack, sockets, outgoing, selection, answers)

    def _send_with_ack(
        self, sockets: Sequence[Socket], outgoing: Broadcast, selection: Selection, answers: Answers
    ) -> None:
        ack_id = outgoing.packet.id
        assert ack_id is not None
        sockets = [socket for socket in sockets if socket.connected]
        answers.expect([socket.id for socket in sockets])
        waiting: list[Socket] = []
        change = 1 if answers.awaited else 0
        for socket in sockets:
            if selection.volatile and not socket.connection.session.writable:
                answers.miss(socket.id, not_taken())
            elif socket.expect(ack_id, Share(answers, socket.id)):
                waiting.append(socket)
                socket.connection.on_call(change)
            else:
                answers.miss(socket.id, AckLimitError(f"socket {socket.id} owes too many acknowledgements"))

        def clean_up() -> None:
            for socket in waiting:
                socket.forget_ack(ack_id)
                socket.connection.on_call(-change)

        answers.on_over(clean_up)
        self._send(waiting, outgoing, selection)

    def details(self, sockets: Sequence[Socket]) -> list[SocketDetails]:
        """Describe those of some sockets that are connected: rooms have the others until they are told."""
        return [
            SocketDetails(each.id, each.handshake, each.rooms, each.data)
            for each in sockets
            if each.connected
        ]

    def join(self, sockets: Sequence[Socket], rooms: Sequence[str]) -> None:
        """Have each of some sockets join rooms."""
        failure: RoomLimitError | None = None
        for socket in sockets:
            try:
                socket.join(*rooms)
            except RoomLimitError as error:
                failure = error
        if failure is not None:
            raise failure

    def leave(self, sockets: Sequence[Socket], rooms: Sequence[str]) -> None:
        """Have each of some sockets leave rooms."""
        for socket in sockets:
            socket.leave(*rooms)

    def disconnect(self, sockets: Sequence[Socket], close: bool) -> None:
        """Disconnect some sockets."""
        for socket in sockets:
            socket.disconnect(close)

    @property
    def watches_rooms(self) -> bool:
        """Whether the application wants to hear of rooms."""
        return bool(self.hooks.rooms.events)

    def room_changed(self, event: str, room: str, socket: Socket | None) -> None:
        """Tell the application, in order, what became of a room."""
        arguments = (room,) if socket is None else (room, socket.id)
        self.on_hub(self._tell_of_room, event, arguments)

    def _tell_of_room(self, event: str, arguments: tuple[str, ...]) -> None:
        if self._room_lane is None:
            self._room_lane = Lane(self.engine.runtime.workers, Backlog())
        self._room_lane.submit(0, self._run_room, (event, arguments))

    def _run_room(self, call: tuple[str, tuple[str, ...]]) -> None:
        event, arguments = call
        for handler in self.hooks.rooms.functions(event):
            run_plain(event, handler, *arguments)

    def answer_server(self, event: str, arguments: Sequence[Any]) -> Any:
        """Run the application's handlers of what another server has emitted; return their answer."""
        return run_server_side(self, event, arguments)


def _fan_out(sockets: Sequence[Socket], batch: Batch) -> None:
    failed = 0
    for socket in sockets:
        if socket.connected:
            session = socket.connection.session
            try:
                session.transport.send_shared(batch)
            except Exception:
                # A defect, which costs nobody else the message; nor may this one miss it and not know.
                failed += 1
                if failed == 1:
                    logger.exception("a defect: socket %s can't be sent to, and is disconnected", socket.id)
                runtime = socket.connection.runtime
                runtime.soon(partial(session.shut, "transport error", "it can't be sent to", code=1011))


def _watch(sockets: Sequence[Socket], event: Sequence[Any]) -> None:
    for socket in sockets:
        run_outgoing(socket, event)
