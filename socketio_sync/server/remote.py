"""One of the sockets that ``fetch_sockets`` returns, of this server or another one of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socketio_sync.adapters.base import SocketDetails
from socketio_sync.exceptions import NotConnected

if TYPE_CHECKING:
    from socketio_sync.server.broadcast import BroadcastOperator
    from socketio_sync.server.namespace import Namespace


class RemoteSocket:
    """A client, wherever it is connected: what it was like when it was asked for, and what can be done to it.

    Every method may be called from any greenlet and any thread; only ``call`` blocks.

    Attributes:
        id: The socket's id.
        handshake: How its client came.
        rooms: The rooms that it was in.
        data: The application's own; of a socket of this server the very object, of another one's a copy.
    """

    __slots__ = ("_operator", "data", "handshake", "id", "rooms")

    def __init__(self, namespace: Namespace, details: SocketDetails) -> None:
        """Describe a socket of ``namespace``."""
        self.id, self.handshake, self.rooms, self.data = details
        self._operator: BroadcastOperator = namespace.to(self.id)

    def __repr__(self) -> str:
        """Name the socket."""
        return f"<RemoteSocket {self.id}>"

    def timeout(self, seconds: float) -> RemoteSocket:
        """Return the same socket with a time that acknowledgements may take."""
        other = object.__new__(RemoteSocket)
        other.id, other.handshake, other.rooms, other.data = self.id, self.handshake, self.rooms, self.data
        other._operator = self._operator.timeout(seconds)
        return other

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client; see :meth:`Broadcaster.emit`."""
        self._operator.emit(event, *arguments)

    def send(self, *arguments: Any) -> None:
        """Send a ``message`` event to this client."""
        self._operator.send(*arguments)

    def call(self, event: str, *arguments: Any) -> Any:
        """Send an event to this client, and block until it is acknowledged.

        Returns:
            None where the acknowledgement has no values, the value where it has one, else a tuple.

        Raises:
            AckTimeout: None came in time: that of ``timeout``, else of the option ``ack_timeout``, else 30 s.
            Disconnected: The client left meanwhile.
            NotConnected: It had left before.
        """
        answers = self._operator.call_each(event, *arguments)
        if not answers:
            raise NotConnected(f"socket {self.id} is not connected")
        # Others may have joined the room of its id, and an adapter may not know who has answered.
        answer = answers.get(self.id, next(iter(answers.values())))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def join(self, *rooms: str | int) -> None:
        """Join rooms; ``rooms`` of this object stays what it was."""
        self._operator.sockets_join(*rooms)

    def leave(self, *rooms: str | int) -> None:
        """Leave rooms."""
        self._operator.sockets_leave(*rooms)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client from the namespace, with ``close`` from its server altogether."""
        self._operator.disconnect_sockets(close)
