"""From a query string to an accepted request, or to a refusal; and the answer to a handshake.

The checks are to be made in the order in which they stand here.
Specification: engine.io-protocol, "Handshake"; the error codes are those of the Node server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from socketio_sync.exceptions import HandshakeRefused

UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_HANDSHAKE_METHOD, BAD_REQUEST, FORBIDDEN, UNSUPPORTED_REVISION = range(6)

_MESSAGES = {
    UNKNOWN_TRANSPORT: "Transport unknown",
    UNKNOWN_SID: "Session ID unknown",
    BAD_HANDSHAKE_METHOD: "Bad handshake method",
    BAD_REQUEST: "Bad request",
    FORBIDDEN: "Forbidden",
    UNSUPPORTED_REVISION: "Unsupported protocol version",
}
_REVISIONS = {"3": 3, "4": 4}
_DIGITS = frozenset("0123456789")

# The requests of a session as the official clients write them, read in a fifth of the time.
_USUAL = re.compile(r"EIO=([34])&transport=polling(?:&t=[\w.~-]*)?&sid=([\w-]+)(?:&t=[\w.~-]*)?", re.ASCII)

# Half the time of calling the class of a named tuple, on the path of every request.
_new_tuple = tuple.__new__

_to_json = json.JSONEncoder(separators=(",", ":")).encode


class Request(NamedTuple):
    """What the query of a request to the engine says.

    Attributes:
        transport: One of the transports served.
        sid: The session it belongs to; None in a handshake.
        revision: 3 or 4; None where ``EIO`` is missing or anything else.
        b64: Whether binary has to be sent as base64: asked for, or needed by JSONP.
        jsonp: The number of the JSONP callback, ASCII digits; None in ordinary requests.
    """

    transport: str
    sid: str | None
    revision: int | None
    b64: bool
    jsonp: str | None


class Refusal(HandshakeRefused):
    """A request that the engine refuses, with the answer it gets.

    Attributes:
        code: The Engine.IO error code, 0 to 5.
        message: The text that goes with it.
        status: The HTTP status: 429 where the client has come too often, 503 where it may come back later,
            else 403 for code 4 and 400 for the others.
        retry_after: In how many seconds a client that has come too often may try again; None for others.
        context: What a ``connection_error`` listener is told about the cause.
    """

    def __init__(
        self,
        code: int,
        *,
        message: str | None = None,
        context: Mapping[str, Any] | None = None,
        for_now: bool = False,
        retry_after: int | None = None,
    ) -> None:
        """Refuse with ``code``, perhaps only for now; without a ``message`` with the code's own text.

        ``retry_after`` is for clients that have come too often: the seconds until they may again.
        """
        super().__init__(code, _MESSAGES.get(code, "Bad request") if message is None else message)
        self.retry_after = retry_after
        if retry_after is not None:
            self.status = 429
        else:
            self.status = 503 if for_now else 403 if code == FORBIDDEN else 400
        self.context: dict[str, Any] = dict(context or {})

    @property
    def body(self) -> bytes:
        """The body of the answer, JSON: ``{"code":N,"message":"..."}``."""
        return _to_json({"code": self.code, "message": self.message}).encode("ascii")


def read_request(query_string: str, transports: Collection[str]) -> Request:
    """Read what a query string asks for; the arguments are those of `parse_query` and `parse_request`.

    Raises:
        Refusal: As ``parse_request``.
    """
    usual = _USUAL.fullmatch(query_string)
    if usual is not None and "polling" in transports:
        revision, sid = usual.groups()
        return _new_tuple(Request, ("polling", sid, _REVISIONS[revision], False, None))
    return parse_request(parse_query(query_string), transports=transports)


def parse_query(query_string: str) -> dict[str, str]:
    """Read a query string; of a name that occurs more than once the last value wins.

    Never raises: what isn't UTF-8 comes out with replacement characters.
    """
    query: dict[str, str] = {}
    for pair in query_string.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            query[_unquoted(name)] = _unquoted(value)
    return query


def parse_request(query: Mapping[str, str], *, transports: Collection[str]) -> Request:
    """Read what a query asks for.

    Args:
        query: As :func:`parse_query` returns it.
        transports: The names of the transports served.

    Raises:
        Refusal: Code 0, the transport is missing or not served.
    """
    transport = query.get("transport")
    if transport is None or transport not in transports:
        raise Refusal(UNKNOWN_TRANSPORT, context={"transport": transport})
    jsonp = None
    if transport == "polling" and "j" in query:
        jsonp = "".join(character for character in query["j"] if character in _DIGITS) or None
    base64 = jsonp is not None or bool(query.get("b64"))
    revision = _REVISIONS.get(query.get("EIO", ""))
    return _new_tuple(Request, (transport, query.get("sid") or None, revision, base64, jsonp))


def check_session(request: Request, *, exists: bool, transport: str, revision: int, upgrading: bool) -> None:
    """Check a request that names a session.

    Args:
        request: The request.
        exists: Whether the session is alive; the arguments that follow don't matter otherwise.
        transport: The session's transport.
        revision: The session's revision.
        upgrading: Whether this is a request for a WebSocket.

    Raises:
        Refusal: Code 1, there is no such session. Code 3: it has another transport or revision, a
            WebSocket is asked for by an ordinary request or the other way round, or the session
            has its WebSocket already.
    """
    if not exists:
        raise Refusal(UNKNOWN_SID, context={"sid": request.sid})
    if request.transport != transport if not upgrading else transport == "websocket":
        raise Refusal(
            BAD_REQUEST,
            context={
                "name": "TRANSPORT_MISMATCH",
                "transport": request.transport,
                "previousTransport": transport,
            },
        )
    _check_upgrade(request, upgrading)
    if request.revision != revision:
        raise Refusal(
            BAD_REQUEST,
            context={
                "name": "PROTOCOL_MISMATCH",
                "protocol": request.revision,
                "previousProtocol": revision,
            },
        )


def check_handshake(request: Request, *, method: str, is_upgrade: bool) -> None:
    """Check a request that names no session.

    Args:
        request: The request.
        method: The HTTP method.
        is_upgrade: Whether this is a request for a WebSocket.

    Raises:
        Refusal: Code 2, the method isn't GET. Code 3, a WebSocket is asked for by an ordinary
            request, or polling by one for a WebSocket.
    """
    if method != "GET":
        raise Refusal(BAD_HANDSHAKE_METHOD, context={"method": method})
    _check_upgrade(request, is_upgrade)


def check_revision(request: Request, *, allow_eio3: bool) -> int:
    """Return the revision of the session to be made.

    Raises:
        Refusal: Code 5, the revision is 3 and not allowed, or missing, or neither 3 nor 4.
    """
    revision = request.revision
    if revision is None or (revision == 3 and not allow_eio3):
        raise Refusal(UNSUPPORTED_REVISION, context={"protocol": revision})
    return revision


def open_data(
    sid: str, *, upgrades: Sequence[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> str:
    """Return the JSON of an OPEN packet. Times are taken in seconds and written in milliseconds."""
    return _to_json(
        {
            "sid": sid,
            "upgrades": list(upgrades),
            "pingInterval": round(ping_interval * 1000),
            "pingTimeout": round(ping_timeout * 1000),
            "maxPayload": max_payload,
        }
    )


def _check_upgrade(request: Request, is_upgrade: bool) -> None:
    if is_upgrade != (request.transport == "websocket"):
        raise Refusal(BAD_REQUEST, context={"name": "TRANSPORT_HANDSHAKE_ERROR"})


def _unquoted(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text) if "%" in text else text
