"""One client: its Engine.IO session, and its sockets in the namespaces that it has joined.

Specification: socket.io-protocol, "Connection to a namespace"; wire.md 2.3, 2.8, 2.11.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from socketio_sync.engine.faults import blame
from socketio_sync.engine.server import new_id
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.exceptions import ConnectionRefused
from socketio_sync.logs import contain, shown
from socketio_sync.protocol.engineio.handshake import parse_query
from socketio_sync.protocol.engineio.packet import Message
from socketio_sync.protocol.socketio.codec import Encoded
from socketio_sync.protocol.socketio.packet import CONNECT, CONNECT_ERROR, Packet
from socketio_sync.server.dispatch import run_middlewares
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.inbox import Inbox
from socketio_sync.server.journal import Lost
from socketio_sync.server.outgoing import messages_of
from socketio_sync.server.recovery import Missed
from socketio_sync.server.socket import Socket
from socketio_sync.transports.timers import Timer

if TYPE_CHECKING:
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.server import Server

logger = logging.getLogger(__name__)

# How an event begins; in MessagePack behind the byte that says how many entries there are.
_JSON_EVENTS = (b"2", b"5")
_MSGPACK_EVENT = b"\xa4type\x02"


class Connection(Inbox):
    """The handler of one Engine.IO session. For the hub's thread only."""

    __slots__ = ("_connect_timer", "_pending", "_refusals", "outbox")

    def __init__(self, server: Server, session: EngineSocket) -> None:
        """Serve ``session``."""
        super().__init__(server, session)
        self.outbox = self.runtime.outbox
        self._pending: set[str] = set()
        self._refusals = 0
        timeout = server.options.connect_timeout
        # None once the client has joined a namespace: the engine counts those who have.
        self._connect_timer: Timer | None = self.runtime.timers.after(timeout, self._on_connect_timeout)

    # -- joining and leaving ------------------------------------------------------------------------

    def on_open(self) -> None:
        """Let a client of revision 3 join the main namespace, which it doesn't ask for."""
        if self.session.protocol == 3:
            # In the next turn: the handshake itself has to come first.
            self.runtime.soon(self._connect, "/", {})

    def _on_connect_timeout(self) -> None:
        if not self.sockets:
            why = "no namespace was joined in time"
            if self.session.is_open:
                blame(self.session, "forced close", why)
            self.session.shut("forced close", why, code=1008)

    def _connect(self, name: str, auth: dict[str, Any]) -> None:
        if not self.session.is_open:
            return
        extra_query = None
        if self.session.protocol == 3:
            name, mark, query = name.partition("?")
            if mark:
                extra_query = parse_query(query)
                auth = dict(extra_query)
        if name in self.sockets or name in self._pending:
            self._close_for_offence(f"a second CONNECT to {shown(name)}")
            return
        namespace = self._server.namespaces.get(name)
        if namespace is None and not self._server.has_parents:
            self._refuse(name, ConnectionRefused("Invalid namespace"), unknown=True)
            return
        options = self._server.options
        if len(self.sockets) + len(self._pending) >= options.max_namespaces:
            self._close_for_offence(f"more than {options.max_namespaces} namespaces")
            return
        handshake = Handshake(
            self.session.environ,
            auth,
            trusted_proxies=options.trusted_proxies,
            forwarded_header=options.forwarded_header,
            extra_query=extra_query,
        )
        if namespace is None or namespace.hooks.middlewares:
            self._pending.add(name)
            self.workers.run(self._admit, name, handshake)
        else:
            self._join(*self._new_socket(namespace, handshake))

    def _admit(self, name: str, handshake: Handshake) -> None:
        """Have the namespace made if need be, and ask its middlewares; in a worker."""
        try:
            namespace = self._server.namespaces.get(name) or self._server.adopt(name, handshake.auth)
            if namespace is None:
                self._refuse(name, ConnectionRefused("Invalid namespace"), unknown=True)
            else:
                self._ask(namespace, handshake)
        finally:
            self._pending.discard(name)

    def _ask(self, namespace: Namespace, handshake: Handshake) -> None:
        # It must not be forgotten meanwhile.
        namespace.joining += 1
        socket: Socket | None = None
        try:
            socket, missed = self._new_socket(namespace, handshake)
            skip = missed is not None and missed.skip_middlewares
            refusal = None if skip else run_middlewares(socket, namespace.hooks.middlewares)
            if refusal is None:
                self._join(socket, missed)
            else:
                if missed is not None:
                    missed.forget()
                if self.session.is_open:
                    self._refuse(namespace.name, refusal)
        finally:
            if socket is not None:
                socket.abandon()
            namespace.joining -= 1
            namespace.check_empty()

    def _new_id(self, name: str) -> str:
        if self.session.protocol == 4:
            return new_id()
        return self.session.id if name == "/" else f"{name}#{self.session.id}"

    def _new_socket(self, namespace: Namespace, handshake: Handshake) -> tuple[Socket, Missed | None]:
        """Make a socket, with what is kept of the client's earlier one if it has come back."""
        recovery = namespace.recovery
        if recovery is None or self.session.protocol == 3:
            return Socket(self._new_id(namespace.name), namespace, self, handshake), None
        missed, failure = recovery.returned(handshake.auth, namespace.now())
        # What an earlier process has left isn't kept for ever, either.
        namespace.sweep_later()
        if missed is not None:
            return missed.restore(Socket(missed.session.sid, namespace, self, handshake)), missed
        socket = Socket(self._new_id(namespace.name), namespace, self, handshake)
        socket.journal = recovery.journal()
        socket.recovery_failure = failure
        return socket, None

    def _join(self, socket: Socket, missed: Missed | None = None) -> None:
        """Let a socket in, if its client still waits: the reply, what it has missed, then the handlers."""
        if not self.session.is_open:
            return
        namespace, recovery, journal = socket.namespace, socket.namespace.recovery, socket.journal
        packets: Sequence[Encoded] = ()
        if recovery is not None and journal is not None:
            try:
                packets = recovery.enter(socket, journal, missed, namespace.now())
            except Lost as lost:
                self.session.shut("forced close", str(lost))
                return
        if self._connect_timer is not None:
            self._connect_timer.cancel()
            self._connect_timer = None
            self._server.engine.joined += 1
        self.sockets[namespace.name] = socket
        socket.connected = True
        # Read once, as another thread may register one meanwhile: a client is welcomed here or behind them.
        gated = bool(namespace.hooks.gates)
        try:
            if not gated:
                self._welcome(socket, packets)
            namespace.add(socket)
            if missed is not None:
                namespace.adapter.join(socket, missed.session.rooms)
        except BaseException:
            # The application hasn't heard of it, and never will.
            self.sockets.pop(namespace.name, None)
            socket.on_refused()
            # The client may believe that it is in.
            self.session.shut("transport error", "it can't be let in", code=1011)
            raise
        if gated:
            socket.lane.submit(0, self._pass_gates, (socket, packets))
        else:
            socket.on_connected()

    def _welcome(self, socket: Socket, packets: Sequence[Encoded]) -> None:
        """Tell a client that it is in."""
        namespace, journal = socket.namespace, socket.journal
        pid = {} if journal is None else {"pid": journal.pid}
        reply = {"sid": socket.id, **pid} if self.session.protocol == 4 else None
        self._send_packet(Packet(CONNECT, namespace.name, reply))
        if packets:
            # Behind it: clients keep what comes before, and get it again when they come back without it.
            namespace.send_missed(socket, packets)

    def _pass_gates(self, joining: tuple[Socket, Sequence[Encoded]]) -> None:
        """Ask those who see a socket that has joined; in a worker, before the socket's events."""
        socket, packets = joining
        namespace = socket.namespace
        # Whatever comes out of one that isn't an answer.
        refusal: ConnectionRefused | None = ConnectionRefused("internal error")
        try:
            refusal = run_middlewares(socket, namespace.hooks.gates)
        finally:
            if refusal is not None:
                self._turn_out(socket, refusal)
        if refusal is None:
            if socket.connected:
                self._welcome(socket, packets)
            # Also if it has left meanwhile: its disconnect comes behind this.
            socket.on_admitted()

    def _turn_out(self, socket: Socket, refusal: ConnectionRefused) -> None:
        was_here = socket.connected
        if was_here:
            self.sockets.pop(socket.namespace.name, None)
        socket.on_refused()
        if was_here and self.session.is_open:
            self._refuse(socket.namespace.name, refusal)

    def _refuse(self, name: str, refusal: ConnectionRefused, *, unknown: bool = False) -> None:
        legacy = self.session.protocol == 3 and not unknown
        plain: Any = refusal.message if legacy else {"message": refusal.message}
        payload = plain
        if refusal.data is not None:
            payload = refusal.data if legacy else {"message": refusal.message, "data": refusal.data}
        logger.debug("session %s: CONNECT to %s refused: %s", self.session.id, shown(name), refusal.message)
        try:
            self._send_packet(Packet(CONNECT_ERROR, name, payload))
        except (TypeError, ValueError):
            # The client must hear that it was refused, whatever is wrong with the data.
            logger.exception("the data of a refusal to %s can't be sent", shown(name))
            self._send_packet(Packet(CONNECT_ERROR, name, plain))
        self._refusals += 1
        if self._refusals >= self._server.options.max_refused_connects:
            self._close_for_offence(f"{self._refusals} refused CONNECTs")

    def disconnect_socket(self, socket: Socket, close: bool) -> None:
        """Disconnect one socket, or with ``close`` all of them and the session; unless it isn't here."""
        if close and socket.connected:
            for other in tuple(self.sockets.values()):
                self.disconnect_socket(other, False)
            self.session.shut("forced close")
        elif socket.connected:
            self._send_packet(socket.disconnect_packet())
            self.sockets.pop(socket.namespace.name, None)
            # What it had said before we sent it away is void, and holds nobody up.
            socket.lane.clear()
            socket.on_close("server namespace disconnect")

    def may_drop(self, message: Message) -> bool:
        """Tell whether a message is an event: all other packets hold the protocol together.

        What a codec of the application's own makes isn't recognised, and never dropped.
        """
        return (
            message.data.startswith(_MSGPACK_EVENT, 1) if message.binary else message.data[:1] in _JSON_EVENTS
        )

    def is_busy(self) -> bool:
        """Tell whether a handler of the application runs for one of the client's sockets."""
        return any([socket.lane.running for socket in self.sockets.values()])

    def on_close(self, reason: str, description: str) -> None:
        """Learn that the session is over: every socket leaves with the reason."""
        if self._connect_timer is not None:
            contain(logger, self._connect_timer.cancel)
        else:
            self._server.engine.joined -= 1
        if self._attachment_timer is not None:
            contain(logger, self._attachment_timer.cancel)
        sockets = tuple(self.sockets.values())
        self.sockets.clear()
        for socket in sockets:
            contain(logger, socket.on_close, reason, description)

    # -- outbound ---------------------------------------------------------------------------------

    def send_now(self, encoded: Encoded) -> None:
        """Queue an encoded packet."""
        text, attachments = encoded
        if text is None:
            self.session.send_messages(messages_of(encoded))
        elif self.session.is_open:
            if self.outbox.recipients is not None:
                self.outbox.settle()
            transport = self.session.transport
            if attachments:
                transport.send_parts(text, attachments)
            else:
                transport.send_text(text)

    def _send_packet(self, packet: Packet) -> None:
        self.send_now(self._server.codec.encode(packet))
