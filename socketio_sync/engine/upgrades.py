"""WebSocket requests: a session that begins on one, or a polling session that wants to move."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from socketio_sync.engine.host import problems
from socketio_sync.engine.http import Answer, empty_answer, refusal_answer, unavailable_answer, write_answer
from socketio_sync.engine.probe import Probe
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.protocol.engineio.handshake import (
    Refusal,
    Request,
    check_revision,
    check_session,
    open_data,
)
from socketio_sync.protocol.engineio.packet import OPEN
from socketio_sync.protocol.websocket.deflate import Agreement, negotiate
from socketio_sync.protocol.websocket.handshake import UpgradeRefused, parse_upgrade, upgrade_response
from socketio_sync.transports.base import TransportHandler
from socketio_sync.transports.bounded import BoundedWebSocket
from socketio_sync.transports.deflated import DeflatedTransport
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.takeover import Takeover, refuse_upgraded, take_over
from socketio_sync.transports.websocket import WebSocketTransport
from socketio_sync.types import Environ, Headers, StartResponse

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer


def unavailable(environ: Environ) -> Answer:
    """Make the answer to a WebSocket request where the host gives no socket, and tell the operator."""
    reason = (
        f"SIO401 WebSocket is off: {environ.get('SERVER_SOFTWARE', 'this server')} gives no access to the "
        "socket; start with gunicorn -k gevent (pip install 'socketio_sync[gunicorn]'), or io.run(app)."
    )
    problems.warning("SIO401", "%s", reason)
    return unavailable_answer(reason)


class Upgrades:
    """Serves the WebSocket requests of one engine, in the greenlet of the request.

    Attributes:
        take_over: Takes the connection under a request.
    """

    __slots__ = ("_deflate", "_engine", "_kind", "_kind_deflated", "take_over")

    def __init__(self, engine: EngineServer) -> None:
        """Serve ``engine``."""
        self._engine = engine
        self._deflate = engine.options.deflate_options()
        bounded = engine.options.outbound_policy != "close"
        self._kind = BoundedWebSocket if bounded else WebSocketTransport
        self._kind_deflated = BoundedWebSocket if bounded else DeflatedTransport
        self.take_over: Callable[[Environ, StartResponse], Takeover | None] = take_over

    def serve(self, environ: Environ, start_response: StartResponse, request: Request) -> Iterable[bytes]:
        """Answer 101 and take the connection over.

        Raises:
            HandshakeRefused: The request isn't one that may be upgraded.
        """
        if request.transport != "websocket":
            raise Refusal(3, context={"name": "TRANSPORT_MISMATCH", "transport": request.transport})
        moving = self._moving(request)
        if moving is None:
            revision = check_revision(request, allow_eio3=self._engine.options.allow_eio3)
            sid = self._engine.generate_id(environ)
        response = b""
        agreed = None
        if environ.get("wsgi.websocket") is None:
            try:
                headers = self._engine.extra_headers(environ, initial=moving is None)
                agreed = self._agree(environ, headers)
                response = upgrade_response(parse_upgrade(environ), headers)
            except UpgradeRefused as refusal:
                answer = empty_answer(refusal.status, [*refusal.headers, ("Connection", "close")])
                return self._write(answer._replace(body=refusal.message.encode()), environ, start_response)
        taken = self.take_over(environ, start_response)
        if taken is None:
            return self._write(unavailable(environ), environ, start_response)
        try:
            if moving is None:
                transport = self._open(environ, request, (sid, revision), taken, response, agreed)
            else:
                transport = self._probe(moving, taken, response, agreed)
            if taken.detached:
                transport.start(taken.buffered)
            else:
                transport.run(taken.buffered)
        except BaseException:
            # The host has let go of it: nobody else would close it.
            taken.stream.close()
            raise
        return taken.release()

    def _moving(self, request: Request) -> EngineSocket | None:
        """Return the session that wants to move, None for a new one."""
        if request.sid is None:
            return None
        session = self._engine.find(request.sid)
        check_session(
            request,
            exists=session is not None and session.is_open,
            transport=session.transport.name if session is not None else "",
            revision=session.protocol if session is not None else 0,
            upgrading=True,
        )
        assert session is not None
        if session.upgrading or not isinstance(session.transport, PollingTransport):
            raise Refusal(3, context={"name": "UPGRADE_OVERLAP"})
        return session

    def _agree(self, environ: Environ, headers: Headers) -> Agreement | None:
        """Agree on compression, if both sides want it: in ``headers``, and as what is returned."""
        deflate = self._deflate
        if deflate is None:
            return None
        agreed = negotiate(
            environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""),
            keeps_context=not deflate.client_no_context_takeover,
            client_bits=deflate.client_max_window_bits,
            server_bits=deflate.server_max_window_bits,
        )
        if agreed is None:
            return None
        headers.append(("Sec-WebSocket-Extensions", agreed[0]))
        return agreed[1]

    def _transport(
        self,
        taken: Takeover,
        handler: TransportHandler,
        client: tuple[int, bool],
        response: bytes,
        agreed: Agreement | None,
    ) -> WebSocketTransport:
        engine = self._engine
        revision, base64 = client
        kind = self._kind if agreed is None else self._kind_deflated
        transport = kind(
            engine.runtime, taken.stream, handler, engine.options, revision=revision, base64=base64
        )
        if agreed is not None and self._deflate is not None:
            transport.compress(agreed, self._deflate)
        if response:
            transport.send_raw(response)
        return transport

    def _open(
        self,
        environ: Environ,
        request: Request,
        new: tuple[str, int],
        taken: Takeover,
        response: bytes,
        agreed: Agreement | None,
    ) -> WebSocketTransport:
        engine = self._engine
        options = engine.options
        sid, revision = new
        session = engine.open_session(sid, environ, revision)
        transport = self._transport(taken, session, (revision, request.b64), response, agreed)
        data = open_data(
            session.id,
            upgrades=[],
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_payload=options.max_http_buffer_size,
        )
        transport.send_control(OPEN, data)
        if engine.initial_message is not None:
            transport.send((engine.initial_message,))
        engine.admit(session, transport)
        return transport

    def _probe(
        self, session: EngineSocket, taken: Takeover, response: bytes, agreed: Agreement | None
    ) -> WebSocketTransport:
        polling = session.transport
        assert isinstance(polling, PollingTransport)
        probe = Probe(session, self._engine.runtime, self._engine.options)
        client = (session.protocol, polling.base64)
        probe.transport = self._transport(taken, probe, client, response, agreed)
        return probe.transport

    def refuse(
        self, environ: Environ, start_response: StartResponse, refusal: HandshakeRefused
    ) -> Iterable[bytes]:
        """Refuse before the 101; where the host has sent it already, with a close frame."""
        answer = refusal_answer(refusal)
        upgraded: Any = environ.get("wsgi.websocket")
        if upgraded is not None:
            refuse_upgraded(upgraded, 1013 if answer.status in (429, 503) else 1008, refusal.message)
            return []
        answer.headers.append(("Connection", "close"))
        return self._write(answer, environ, start_response)

    def _write(self, answer: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = self._engine.extra_headers(environ, initial=False)
        return write_answer(answer, environ, start_response, self._engine.options, headers)
