"""One HTTP request of an Engine.IO client: which it is, whether it may, and what it does.

Specification: engine.io-protocol, "Transports"; wire.md 2.1, 2.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from socketio_sync.engine.body import BodyLost, UnsupportedEncoding, read_body
from socketio_sync.engine.host import problems, run_on_hub
from socketio_sync.engine.http import (
    Answer,
    accepted_answer,
    cookie_header,
    empty_answer,
    javascript_answer,
    refusal_answer,
    text_answer,
    write_answer,
)
from socketio_sync.engine.origins import is_legal
from socketio_sync.engine.rates import REASON
from socketio_sync.engine.socket import EngineSocket
from socketio_sync.engine.upgrades import Upgrades, unavailable
from socketio_sync.exceptions import HandshakeRefused, PacketError, PayloadTooLarge
from socketio_sync.logs import shown
from socketio_sync.protocol.engineio.handshake import (
    Refusal,
    Request,
    check_handshake,
    check_revision,
    check_session,
    open_data,
    read_request,
)
from socketio_sync.protocol.engineio.packet import OPEN
from socketio_sync.protocol.engineio.payload import control, jsonp_body, jsonp_response
from socketio_sync.protocol.websocket.handshake import is_upgrade
from socketio_sync.transports.bounded import BoundedPolling
from socketio_sync.transports.polling import PollingTransport
from socketio_sync.transports.takeover import abandon_body, disable_nagle, host_socket
from socketio_sync.types import Environ, StartResponse

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

logger = logging.getLogger(__name__)

_BINARY = "application/octet-stream"

# Reads the body of the request that the environ is of; raises what ``read_body`` raises.
_Read: TypeAlias = Callable[[Environ], bytes]


class Requests:
    """Serves the requests of one engine.

    Attributes:
        upgrades: Serves those for a WebSocket.
    """

    __slots__ = ("_engine", "_kind", "_limit", "_transports", "upgrades")

    def __init__(self, engine: EngineServer) -> None:
        """Serve ``engine``."""
        self._engine = engine
        self._kind = PollingTransport if engine.options.outbound_policy == "close" else BoundedPolling
        self._limit = engine.options.max_http_buffer_size
        self._transports = frozenset(engine.options.transports)
        self.upgrades = Upgrades(engine)

    def serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request on a host with greenlets, in the greenlet of the request."""
        if is_upgrade(environ):
            # However long this turn of the loop has been: the 101 and the first packet go out together.
            self._engine.runtime.outbox.began = time()
            try:
                request = self._checked(environ)
                self._check_new(environ, request, upgrade=True)
                return self.upgrades.serve(environ, start_response, request)
            except HandshakeRefused as refusal:
                return self.refuse(environ, start_response, refusal)
        disable_nagle(environ)
        answer, initial = self._answer(environ, self._read)
        return self._write(answer, environ, start_response, initial)

    def serve_threaded(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request on a host with threads: polling only, the session's part on the hub."""
        if is_upgrade(environ):
            return self._write(unavailable(environ), environ, start_response, False)
        read = self._read_ahead(environ)
        answer, initial = run_on_hub(self._engine.runtime, self._answer, environ, read)
        return self._write(answer, environ, start_response, initial)

    def refuse(
        self, environ: Environ, start_response: StartResponse, refusal: HandshakeRefused
    ) -> Iterable[bytes]:
        """Refuse a request, and tell those who want to know."""
        self._report(environ, refusal)
        if is_upgrade(environ):
            return self.upgrades.refuse(environ, start_response, refusal)
        return self._write(refusal_answer(refusal), environ, start_response, False)

    def _read(self, environ: Environ) -> bytes:
        return read_body(environ, self._limit)

    def _read_ahead(self, environ: Environ) -> _Read:
        """Read a body in the request's own thread: on the hub it would hold everybody up."""
        if environ["REQUEST_METHOD"] != "POST":
            return self._read
        try:
            body = self._read(environ)
        except (PacketError, BodyLost) as error:
            failure = error

            def fail(environ: Environ) -> bytes:
                raise failure

            return fail
        return lambda environ: body

    def _write(
        self, answer: Answer, environ: Environ, start_response: StartResponse, initial: bool
    ) -> Iterable[bytes]:
        if answer.status >= 400 and abandon_body(environ) and ("Connection", "close") not in answer.headers:
            answer.headers.append(("Connection", "close"))
        extra = self._engine.extra_headers(environ, initial=initial)
        return write_answer(answer, environ, start_response, self._engine.options, extra)

    # -- which request it is ------------------------------------------------------------------------

    def _answer(self, environ: Environ, read: _Read) -> tuple[Answer, bool]:
        """Serve a polling request; tell whether it opened a session."""
        engine = self._engine
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS" and engine.origins.configured:
            return empty_answer(204, engine.origins.preflight_headers(environ)), False
        try:
            request = self._checked(environ)
            if request.sid is None:
                revision = self._check_new(environ, request, upgrade=False)
                return self._handshake(environ, request, revision), True
            session = self._session(environ, request)
            if method == "GET":
                return self._poll(environ, session), False
            if method == "POST":
                return self._receive(environ, session, read), False
            return empty_answer(405, [("Allow", "GET, POST")]), False
        except HandshakeRefused as refusal:
            self._report(environ, refusal)
            return refusal_answer(refusal), False

    def _checked(self, environ: Environ) -> Request:
        """Check what holds for every request: the transport, the origin, and whether JSONP is on."""
        engine = self._engine
        request = read_request(environ.get("QUERY_STRING", ""), self._transports)
        if "HTTP_ORIGIN" in environ:
            self._check_origin(environ, environ["HTTP_ORIGIN"])
        if request.jsonp is not None and not engine.options.jsonp:
            raise Refusal(3, context={"name": "JSONP_DISABLED"})
        return request

    def _check_origin(self, environ: Environ, origin: str) -> None:
        if not is_legal(origin):
            raise Refusal(3, context={"name": "INVALID_ORIGIN", "origin": origin})
        if not self._engine.origins.allows(environ):
            problems.warning(
                "SIO501",
                "SIO501 origin %s refused: the request was sent to %s; allow it with "
                "cors_allowed_origins=[%s]",
                shown(origin),
                shown(environ.get("HTTP_HOST")),
                shown(origin),
            )
            raise Refusal(4, context={"name": "FOREIGN_ORIGIN", "origin": origin})

    def _check_new(self, environ: Environ, request: Request, *, upgrade: bool) -> int:
        """Check what holds for a new session, in Node's order; return its revision."""
        engine = self._engine
        if request.sid is not None:
            return 0
        if request.transport == "websocket" and not upgrade:
            problems.warning(
                "SIO402",
                "SIO402 a WebSocket request came without 'Upgrade: websocket' (Via: %s): a proxy that strips "
                "it must pass the Upgrade and Connection headers on, over HTTP/1.1",
                shown(environ.get("HTTP_VIA")),
            )
        check_handshake(request, method=environ["REQUEST_METHOD"], is_upgrade=upgrade)
        if engine.closed:
            raise Refusal(4, message="the server is shutting down", context={"name": "CLOSED"}, for_now=True)
        if engine.rates is not None:
            engine.rates.check_handshake(environ)
        if engine.opened >= engine.crowded_at:
            engine.check_room()
        if engine.options.allow_request is not None:
            self._ask_application(environ, engine.options.allow_request)
            # It may have taken its time.
            engine.check_room()
        return check_revision(request, allow_eio3=engine.options.allow_eio3)

    @staticmethod
    def _ask_application(environ: Environ, allow: Callable[[Environ], Any]) -> None:
        """Refuse a session unless the application allows it; one that fails hasn't allowed anything."""
        allowed: Any = False
        try:
            allowed = allow(environ)
        except HandshakeRefused:
            raise
        except Exception:
            logger.exception("allow_request failed")
        if allowed is False:
            raise Refusal(4, context={"message": "Forbidden"})

    def _session(self, environ: Environ, request: Request) -> EngineSocket:
        session = self._engine.find(request.sid)
        if session is None and environ.get("wsgi.multiprocess"):
            problems.warning(
                "SIO101",
                "SIO101 session %s isn't known in this process, and the host runs several: requests of one "
                "session must reach the same process; run one worker, or make the load balancer sticky",
                shown(request.sid),
            )
        check_session(
            request,
            exists=session is not None,
            transport=session.transport.name if session is not None else "",
            revision=session.protocol if session is not None else 0,
            upgrading=False,
        )
        assert session is not None
        return session

    def _report(self, environ: Environ, refusal: HandshakeRefused) -> None:
        context = refusal.context if isinstance(refusal, Refusal) else {"message": refusal.message}
        logger.debug("refused: %d %s %s", refusal.code, refusal.message, shown(context))
        for listener in self._engine.listeners("connection_error"):
            listener(environ, refusal.code, refusal.message, context)

    # -- polling --------------------------------------------------------------------------------------

    def _handshake(self, environ: Environ, request: Request, revision: int) -> Answer:
        engine = self._engine
        options = engine.options
        if request.transport != "polling":
            raise Refusal(3, context={"name": "TRANSPORT_HANDSHAKE_ERROR"})
        # A host without a socket can't upgrade, so no client is invited to.
        upgradable = options.allow_upgrades and "websocket" in options.transports and host_socket(environ)
        session = engine.open_session(engine.generate_id(environ), environ, revision)
        transport = self._kind(
            engine.runtime, session, options, revision=revision, base64=request.b64, jsonp=request.jsonp
        )
        data = open_data(
            session.id,
            upgrades=["websocket"] if upgradable else [],
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
            max_payload=options.max_http_buffer_size,
        )
        initial = engine.initial_message
        if initial is None:
            answer = self._payload_answer(transport, session, control(OPEN, data, revision), binary=False)
        else:
            payload = transport.opening(data, initial)
            answer = self._payload_answer(transport, session, payload.body, binary=payload.binary)
        engine.admit(session, transport)
        if options.cookie is not None:
            answer.headers.append(cookie_header(options.cookie, session.id))
        return answer

    def _payload_answer(
        self,
        transport: PollingTransport,
        session: EngineSocket,
        body: bytes,
        *,
        binary: bool,
        compress: bool = True,
    ) -> Answer:
        runtime = self._engine.runtime

        def on_failed() -> None:
            description = "the answer to a poll couldn't be written"
            runtime.from_thread(session.on_close, "transport error", description)

        if transport.jsonp is not None:
            return javascript_answer(jsonp_response(transport.jsonp, body), on_failed)
        return text_answer(body, binary=binary, on_failed=on_failed, compress=compress)

    def _poll(self, environ: Environ, session: EngineSocket) -> Answer:
        transport = session.transport
        assert isinstance(transport, PollingTransport)
        if transport.answering:
            session.on_fault("transport error", "overlap from client")
            raise Refusal(3, context={"name": "OVERLAP"})
        payload = transport.poll(environ)
        if not session.is_open and not transport.undelivered:
            self._engine.forget(session)
        if payload is None:
            return empty_answer(400)
        return self._payload_answer(
            transport, session, payload.body, binary=payload.binary, compress=payload.compress
        )

    def _receive(self, environ: Environ, session: EngineSocket, read: _Read) -> Answer:
        transport = session.transport
        assert isinstance(transport, PollingTransport)
        if not session.is_open:
            raise Refusal(1, context={"sid": session.id})
        if transport.posting:
            session.on_fault("transport error", "data request overlap from client")
            raise Refusal(3, context={"name": "OVERLAP"})
        kind = environ.get("CONTENT_TYPE", "")
        # Looked for first: it's nearly never there, and cutting it out takes five times as long.
        binary = _BINARY in kind and kind.partition(";")[0].strip() == _BINARY
        if binary and session.protocol == 4:
            session.on_fault("transport error", "invalid content")
            return empty_answer(400)
        transport.posting = True
        try:
            body = read(environ)
            if not session.is_open:
                # Closed while the body came, by an overlapping request for example.
                raise Refusal(1, context={"sid": session.id})
            if transport.jsonp is not None:
                body = jsonp_body(body)
                if not body:
                    # A form without a payload: there is no packet to refuse.
                    return accepted_answer()
            transport.receive(body, binary=binary)
        except PayloadTooLarge as error:
            return self._too_large(session, error)
        except UnsupportedEncoding as error:
            session.on_fault("transport error", str(error))
            return empty_answer(415, [("Connection", "close")])
        except BodyLost as error:
            session.on_close("transport error", f"data request connection closed prematurely: {error}")
            return empty_answer(400, [("Connection", "close")])
        except PacketError as error:
            session.on_fault("parse error", str(error))
            raise Refusal(3, context={"name": "PARSE_ERROR"}) from error
        finally:
            transport.posting = False
        if session.refused:
            # Nothing is answered 2xx unless every packet was accepted.
            raise Refusal(3, context={"name": "RATE_LIMIT" if session.reason == REASON else "PARSE_ERROR"})
        return accepted_answer()

    def _too_large(self, session: EngineSocket, error: PayloadTooLarge) -> Answer:
        problems.warning(
            "SIO811",
            "SIO811 session %s: %s; raise max_http_buffer_size, or send in pieces",
            session.id,
            error,
        )
        session.on_close("transport close", str(error))
        return empty_answer(413, [("Connection", "close")])
