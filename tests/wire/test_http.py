"""wire.md 2.1, HTTP: what each request is answered with, by status, headers and body."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from socketio_sync import HandshakeRefused, Server, WSGIApp
from tests.support.client import Connection, Headers, Poller
from tests.support.server import Running, Servers
from tests.support.ws_client import UPGRADE_HEADERS

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


# -- the handshake ------------------------------------------------------------------------------------


def test_2_1_handshake_answer_has_these_headers_and_exactly_these_fields_in_this_order(
    serve: Servers,
) -> None:
    answer = Connection(serve().port).get(HANDSHAKE)
    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; charset=UTF-8"
    assert answer.header("content-length") == str(len(answer.content))
    assert answer.header("cache-control") == "no-store"
    assert re.fullmatch(
        r'0\{"sid":"[A-Za-z0-9_-]{20}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":20000,'
        r'"maxPayload":1000000\}',
        answer.text,
    )


@pytest.mark.parametrize(
    "options",
    [{"allow_upgrades": False}, {"transports": ("polling",)}],
    ids=["upgrades not allowed", "polling only"],
)
def test_2_1_handshake_offers_no_upgrades_where_there_are_none(serve: Servers, options: Any) -> None:
    assert serve(**options).poller().opened["upgrades"] == []


def test_2_1_handshake_over_websocket_offers_no_upgrades(serve: Servers) -> None:
    assert serve().websocket().opened["upgrades"] == []


@pytest.mark.parametrize(
    ("agent", "value"),
    [("Mozilla/4.0 (compatible;MSIE 8.0)", "0"), ("x Trident/7.0; rv:11.0", "0"), ("Mozilla/5.0", None)],
)
def test_2_1_handshake_and_polls_tell_internet_explorer_not_to_filter(
    serve: Servers, agent: str, value: str | None
) -> None:
    poller = serve().poller()
    poller.say("40")
    for target in (HANDSHAKE, poller.target):
        answer = poller.gets.get(target, headers=[("User-Agent", agent)])
        assert answer.header("x-xss-protection") == value


# -- refusals: codes, order, form -------------------------------------------------------------------


def refusals(running: Running) -> list[tuple[int, str, dict[str, Any]]]:
    """Collect code, message and context of what the engine refuses."""
    refused: list[tuple[int, str, dict[str, Any]]] = []

    def connection_error(environ: Any, code: int, message: str, context: dict[str, Any]) -> None:
        refused.append((code, message, context))

    running.io.engine.on("connection_error", connection_error)
    return refused


UNKNOWN_TRANSPORT = (0, "Transport unknown")
UNKNOWN_SID = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
UNSUPPORTED = (5, "Unsupported protocol version")


@pytest.mark.parametrize(
    ("method", "query", "refusal", "context"),
    [
        ("GET", "EIO=4", UNKNOWN_TRANSPORT, {"transport": None}),
        ("GET", "EIO=4&transport=tcp", UNKNOWN_TRANSPORT, {"transport": "tcp"}),
        ("GET", "EIO=4&transport=webtransport", UNKNOWN_TRANSPORT, {"transport": "webtransport"}),
        ("GET", "EIO=4&transport=polling&sid=nobody", UNKNOWN_SID, {"sid": "nobody"}),
        ("GET", "EIO=4&transport=polling&sid=__proto__", UNKNOWN_SID, {"sid": "__proto__"}),
        ("POST", "EIO=4&transport=polling&sid=nobody", UNKNOWN_SID, {"sid": "nobody"}),
        ("POST", "EIO=4&transport=polling", BAD_METHOD, {"method": "POST"}),
        ("PUT", "EIO=4&transport=polling", BAD_METHOD, {"method": "PUT"}),
        ("OPTIONS", "EIO=4&transport=polling", BAD_METHOD, {"method": "OPTIONS"}),
        ("GET", "EIO=4&transport=websocket", BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
        ("GET", "EIO=3&transport=polling", UNSUPPORTED, {"protocol": 3}),
        ("GET", "EIO=5&transport=polling", UNSUPPORTED, {"protocol": None}),
        ("GET", "transport=polling", UNSUPPORTED, {"protocol": None}),
    ],
)
@pytest.mark.feature(102)
def test_2_1_codes_0_to_5_with_their_messages_and_contexts(
    serve: Servers, method: str, query: str, refusal: tuple[int, str], context: dict[str, Any]
) -> None:
    running = serve(allow_eio3=False)
    refused = refusals(running)
    answer = Connection(running.port).request(
        method, f"/socket.io/?{query}", body=b"" if method == "POST" else None
    )
    assert answer.error == (400, *refusal)
    assert refused == [(*refusal, context)]


@pytest.mark.feature(4)
def test_2_1_code_0_for_a_disabled_transport(serve: Servers) -> None:
    assert Connection(serve(transports=["websocket"]).port).get(HANDSHAKE).error == (400, *UNKNOWN_TRANSPORT)


def test_2_1_code_0_for_an_unknown_file_below_the_path(serve: Servers) -> None:
    answer = Connection(serve().port).get("/socket.io/socket.io.unknown.js")
    assert answer.error == (400, *UNKNOWN_TRANSPORT)


def test_2_1_code_3_for_a_session_with_another_transport(serve: Servers) -> None:
    running = serve()
    refused = refusals(running)
    target = HANDSHAKE + f"&sid={running.websocket().sid}"
    assert Connection(running.port).get(target).error == (400, *BAD_REQUEST)
    context = {"name": "TRANSPORT_MISMATCH", "transport": "polling", "previousTransport": "websocket"}
    assert refused == [(*BAD_REQUEST, context)]


@pytest.mark.feature(27)
def test_2_1_code_3_for_a_session_with_another_revision(serve: Servers) -> None:
    running = serve()
    refused = refusals(running)
    target = f"/socket.io/?EIO=3&transport=polling&sid={running.poller().sid}"
    assert Connection(running.port).get(target).error == (400, *BAD_REQUEST)
    context = {"name": "PROTOCOL_MISMATCH", "protocol": 3, "previousProtocol": 4}
    assert refused == [(*BAD_REQUEST, context)]


@pytest.mark.parametrize("origin", ["http://exa mple.com", "http://ex\xe4mple.com", "http://a\x7f.com"])
def test_2_1_code_3_for_illegal_characters_in_origin(serve: Servers, origin: str) -> None:
    running = serve(cors_allowed_origins="*")
    refused = refusals(running)
    answer = Connection(running.port).get(HANDSHAKE, headers=[("Origin", origin)])
    assert answer.error == (400, *BAD_REQUEST)
    assert refused == [(*BAD_REQUEST, {"name": "INVALID_ORIGIN", "origin": origin})]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_2_1_code_3_when_the_id_generator_fails(
    serve: Servers, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(environ: Any) -> str:
        raise RuntimeError("no ids today")

    running = serve(generate_id=fail)
    refused = refusals(running)
    headers: Headers = UPGRADE_HEADERS if transport == "websocket" else ()
    answer = Connection(running.port).get(f"/socket.io/?EIO=4&transport={transport}", headers=headers)
    assert answer.error == (400, *BAD_REQUEST)
    assert refused == [(*BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})]
    assert "no ids today" in caplog.text
    # It is the application's fault, so the log has its traceback; nothing else is in it.
    caplog.clear()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_2_1_code_4_for_a_foreign_origin_before_any_session(
    serve: Servers, transport: str, origin: str
) -> None:
    running = serve()
    headers: Headers = [*UPGRADE_HEADERS] if transport == "websocket" else []
    target = f"/socket.io/?EIO=4&transport={transport}"
    answer = Connection(running.port).get(target, headers=[*headers, ("Origin", origin)])
    assert answer.error == (403, 4, "Forbidden")
    assert running.io.engine.clients_count == 0


@pytest.mark.parametrize("message", ["Forbidden", "not today"])
def test_2_1_code_4_when_allow_request_refuses(serve: Servers, message: str) -> None:
    def allow(environ: Any) -> bool:
        if message != "Forbidden":
            raise HandshakeRefused(4, message)
        return False

    running = serve(allow_request=allow)
    refused = refusals(running)
    assert Connection(running.port).get(HANDSHAKE).error == (403, 4, message)
    assert refused == [(4, message, {"message": message})]


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("POST", "EIO=5&transport=tcp&sid=nobody", 0),
        ("POST", "EIO=5&transport=polling&sid=nobody", 1),
        ("GET", "EIO=5&transport=websocket&sid=nobody", 1),
        ("POST", "EIO=5&transport=websocket", 2),
        ("GET", "EIO=5&transport=websocket", 3),
        ("GET", "EIO=5&transport=polling", 4),
    ],
)
def test_2_1_checks_are_made_in_this_order(serve: Servers, method: str, query: str, code: int) -> None:
    running = serve(allow_request=lambda environ: False)
    answer = Connection(running.port).request(
        method, f"/socket.io/?{query}", body=b"" if method == "POST" else None
    )
    assert answer.error[1] == code


def test_2_1_origin_is_checked_after_the_transport_and_before_the_session(serve: Servers) -> None:
    port = serve().port
    headers = [("Origin", "http://a b")]
    target = "/socket.io/?EIO=4&sid=nobody&transport="
    assert Connection(port).get(target + "tcp", headers=headers).error[1] == 0
    assert Connection(port).get(target + "polling", headers=headers).error[1] == 3


def test_2_1_refusals_are_json_that_nobody_stores_or_sniffs(serve: Servers) -> None:
    answer = Connection(serve().port).get("/socket.io/?EIO=4&transport=polling&sid=<script>")
    assert answer.content == b'{"code":1,"message":"Session ID unknown"}'
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-content-type-options") == "nosniff"


def test_2_1_refusal_of_head_has_no_body(serve: Servers) -> None:
    connection = Connection(serve().port)
    assert connection.request("HEAD", HANDSHAKE).status == 400
    # The next answer begins right behind the head of this one.
    assert connection.get(HANDSHAKE).status == 200


@pytest.mark.parametrize("target", [HANDSHAKE, "/socket.io/", HANDSHAKE + "&sid=nobody"])
def test_2_1_cors_headers_are_on_refusals_too(serve: Servers, target: str) -> None:
    origin = "https://app.example"
    answer = Connection(serve(cors_allowed_origins=origin).port).get(target, headers=[("Origin", origin)])
    assert answer.header("access-control-allow-origin") == origin
    assert answer.header("vary") == "Origin"
    assert answer.header("access-control-allow-credentials") == "true"


def test_2_1_no_cors_headers_unless_configured(serve: Servers) -> None:
    answer = Connection(serve().port).get(HANDSHAKE)
    assert not [name for name, _ in answer.headers if name.startswith("access-control")]


# -- paths and queries ------------------------------------------------------------------------------


def in_front_of_an_application(server: Server) -> WSGIApp:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"app"]

    return WSGIApp(server, application)


@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io/foo/", "/socket.io//"])
@pytest.mark.feature(10)
def test_2_1_path_is_a_prefix(serve: Servers, path: str) -> None:
    running = serve.start(in_front_of_an_application)
    assert Poller(running.port, path=path).open().join()


@pytest.mark.parametrize("path", ["/socket.io", "/socket.iox/", "/socket", "/x/socket.io/", "/"])
def test_2_1_other_paths_go_to_the_application(serve: Servers, path: str) -> None:
    running = serve.start(in_front_of_an_application)
    assert Connection(running.port).get(f"{path}?EIO=4&transport=polling").content == b"app"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("EIO=3&EIO=4&transport=websocket&transport=polling", 200),
        ("EIO=4&transport=polling&transport=websocket", 400),
        ("EIO=4&EIO=7&transport=polling", 400),
    ],
)
def test_2_1_of_duplicate_parameters_the_last_wins(serve: Servers, query: str, status: int) -> None:
    answer = Connection(serve(allow_eio3=False).port).get(f"/socket.io/?{query}")
    assert answer.status == status


# -- payloads ---------------------------------------------------------------------------------------


def test_2_1_payload_separator_is_0x1e_both_ways_and_binary_is_base64(serve: Servers) -> None:
    running = serve()
    running.collect("a", "b")
    poller = running.poller()
    poller.say("40", '42["a",1]', '451-["b",{"_placeholder":true,"num":0}]', "bAQID")
    assert running.events() == [("a", 1), ("b", b"\x01\x02\x03")]
    (socket,) = running.sockets
    socket.emit("c", b"\xff\x00")
    answer = poller.get()
    assert answer.content.split(b"\x1e")[1:] == [b'451-["c",{"_placeholder":true,"num":0}]', b"b/wA="]
    assert answer.header("content-type") == "text/plain; charset=UTF-8"


def test_2_1_accepted_post_is_answered_with_ok(serve: Servers) -> None:
    answer = serve().poller().post(b"40")
    assert (answer.status, answer.content) == (200, b"ok")
    assert answer.header("content-type") == "text/html"
    assert answer.header("content-length") == "2"
    assert answer.header("cache-control") == "no-store"


@pytest.mark.feature(1)
def test_2_1_poll_is_answered_like_the_handshake(serve: Servers) -> None:
    poller = serve().poller()
    poller.say("40")
    answer = poller.get()
    assert json.loads(answer.text.removeprefix("40"))
    assert answer.header("content-type") == "text/plain; charset=UTF-8"
    assert answer.header("cache-control") == "no-store"
