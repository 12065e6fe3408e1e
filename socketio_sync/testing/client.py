"""The test client: a session with the server under test, and the namespaces it has joined."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from socketio_sync.protocol.socketio.codec import Codec
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import Packet
from socketio_sync.server.server import Server
from socketio_sync.testing.channel import Channel
from socketio_sync.testing.link import Link
from socketio_sync.testing.wire import Host
from socketio_sync.types import WSGICallable


class _Everywhere:
    """The namespaces of which packets are taken: what the server sends is its own affair."""

    def __contains__(self, name: object) -> bool:
        return True


def _server_in(app: Any) -> Server | None:
    server = app if isinstance(app, Server) else getattr(app, "server", None)
    return server if isinstance(server, Server) else None


def _codec_for(parser: Any) -> Codec:
    if parser == "json":
        # The limits are the server's, for what clients send.
        return JSONCodec(max_attachments=10**6, max_binary_bytes=2**62)
    codec: Codec = MsgpackCodec() if parser == "msgpack" else parser
    return codec


class TestClient(Channel):
    """A client that speaks the real protocol to the server under test, over socket pairs.

        with TestClient(app) as client:
            assert client.call("chat message", "hello") == "delivered"
            client.expect("chat message")

    The runner's own HTTP handler serves the connections: nothing is patched, and no port is opened. The
    client is itself the channel of the namespace that it was made with. All methods are for the thread
    in which it was made, where the server's hub must run too; those that block run the hub.

    Attributes:
        answer_pings: Whether heartbeats are answered; may be changed at any time.
    """

    # pytest would take it for a class of tests.
    __test__ = False

    def __init__(
        self,
        app: WSGICallable,
        *,
        transport: str = "websocket",
        namespace: str = "/",
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: str | None = None,
        parser: Any = None,
        answer_pings: bool = True,
    ) -> None:
        """Connect to a server and join a namespace; blocks until it has answered.

        Args:
            app: A ``Server``, a ``WSGIApp``, or any WSGI application that contains a server.
            transport: ``"websocket"`` or ``"polling"``, on which the client stays until ``upgrade``.
            namespace: The one to join.
            auth: What the client says about itself there; None says nothing.
            headers: Of every request; ``Host`` is ``localhost`` unless it is among them.
            cookies: Sent with every request, together with those that the server sets.
            query: Further parameters of the query.
            path: The server's path; None is that of the server in ``app``, else ``"/socket.io"``.
            parser: As the server's option; None is that of the server in ``app``, else ``"json"``.
            answer_pings: Whether heartbeats are answered.

        Raises:
            HandshakeRefused: The server refused the session.
            ConnectionRefused: It refused the namespace.
            RuntimeError: The server's hub runs in another thread.
            ValueError: There is no such transport.
        """
        if transport not in ("websocket", "polling"):
            raise ValueError(f'transport must be "websocket" or "polling", not {transport!r}')
        super().__init__(self, namespace)
        server = self._server = _server_in(app)
        if server is not None and server.engine.is_bound and not server.engine.runtime.is_current():
            raise RuntimeError(
                "the server is served by the hub of another thread; make the TestClient in that thread, or "
                "test with a server that this thread has made"
            )
        options = server.options if server is not None else None
        path = path or (options.path if options is not None else "/socket.io")
        self._codec = _codec_for(parser or (options.parser if options is not None else "json"))
        self._feed = self._codec.decoder(_Everywhere()).feed
        self._channels: dict[str, Channel] = {namespace: self}
        prefix = path.rstrip("/") + "/"
        all_headers = {"Host": "localhost", **(headers or {})}
        self._link = Link(
            Host(app, lambda environ: environ.get("PATH_INFO", "").startswith(prefix)),
            f"{prefix}?{urlencode({**(query or {}), 'EIO': '4'})}",
            all_headers.items(),
            dict(cookies or {}),
            answer_pings=answer_pings,
        )
        try:
            self._link.open(transport, self._take, self._on_closed)
            self.join(auth)
        except BaseException:
            self.kill()
            raise

    # -- the session ----------------------------------------------------------------------------------

    @property
    def sid(self) -> str:
        """The session's id; the socket's is ``id``."""
        return self._link.sid

    @property
    def transport(self) -> str:
        """The transport at the moment."""
        return self._link.transport

    @property
    def is_open(self) -> bool:
        """Whether the connection hasn't ended, whatever was left and joined on it."""
        return not self._link.closed.is_set()

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame; None where there was none."""
        return self._link.close_code

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, with those that the server has set."""
        return self._link.cookies

    @property
    def answer_pings(self) -> bool:
        """Whether heartbeats are answered; may be set."""
        return self._link.answer_pings

    @answer_pings.setter
    def answer_pings(self, value: bool) -> None:
        self._link.answer_pings = value

    def of(self, namespace: str) -> Channel:
        """Return another namespace of the same connection, to be joined with ``connect`` or ``join``."""
        return self._channels.setdefault(namespace, Channel(self, namespace))

    def connect(self, namespace: str = "/", auth: Any = None) -> Channel:
        """Join a namespace and return it; raises as :meth:`Channel.join`."""
        channel = self.of(namespace)
        channel.join(auth)
        return channel

    def upgrade(self) -> None:
        """Move from polling to a WebSocket."""
        self._link.upgrade()

    def disconnect(self) -> None:
        """Close the connection as clients do; idempotent."""
        if not self._link.closed.is_set():
            self._link.leave()

    def kill(self) -> None:
        """Close the connections without a word, as a client that is cut off; idempotent."""
        self._link.kill()

    def pause_reading(self) -> None:
        """Read nothing, so that what the server sends piles up there."""
        self._link.pause()

    def resume_reading(self) -> None:
        """Read again."""
        self._link.resume()

    def settle(self) -> None:
        """Run the hub until nothing is left to do now: nothing is runnable and no bytes are under way."""
        self._link.settle()

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the server without waiting for it; blocks until all is at rest.

        Its deadlines come one after the other, and clients answer in between: heartbeats, timeouts, what
        recovery keeps. Whoever sleeps, or waits in ``call``, waits for the real time.

        Raises:
            RuntimeError: ``app`` is neither a ``Server`` nor a ``WSGIApp``, so that its clock isn't known.
        """
        if self._server is None:
            raise RuntimeError("pass_time needs a TestClient that was made with a Server or a WSGIApp")
        timers = self._server.engine.runtime.timers
        self.settle()
        while seconds > 0:
            seconds -= timers.skip(seconds)
            self.settle()

    def wait_closed(self, timeout: float = 1.0) -> str:
        """Block until the connection has ended; return the reason.

        Raises:
            AssertionError: It hasn't within ``timeout`` seconds.
        """
        assert self._link.closed.wait(timeout), f"still connected after {timeout:g} s"
        assert self._link.reason is not None
        return self._link.reason

    def __enter__(self) -> TestClient:
        """Disconnect at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, and let the server see it."""
        self.disconnect()
        self.settle()

    # -- for the channels -----------------------------------------------------------------------------

    def transmit(self, packet: Packet) -> None:
        """Send a packet."""
        self._link.send(*self._codec.encode(packet))

    def _take(self, message: str | bytes) -> None:
        packet = self._feed(message)
        if packet is not None:
            self.of(packet.namespace).take(packet)

    def _on_closed(self, reason: str) -> None:
        for channel in self._channels.values():
            channel.end(reason)
