"""One HTTP request: who may come, what is answered, and that every packet of a POST counts."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from time import time
from typing import Any

import gevent
import pytest

from socketio_sync.transports.outbox import STALE
from tests.support.client import Connection, Response
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import eventually
from tests.support.ws_client import UPGRADE_HEADERS, ask

HANDSHAKE = f"{PATH}?EIO=4&transport=polling"
FOREIGN = "https://other.example.com"


# -- T3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 17, 100, 1000])
@pytest.mark.parametrize("eio", [3, 4])
def test_t3_every_packet_of_a_post_is_handled_in_order(mount: Mount, count: int, eio: int) -> None:
    site = mount()
    poller, _ = site.poller(eio=eio)
    poller.say(*[f"4{number}" for number in range(count)])
    eventually(lambda: len(site.messages) == count)
    assert site.messages == [str(number) for number in range(count)]


@pytest.mark.feature(135)
def test_the_number_of_packets_of_a_post_is_limited(mount: Mount) -> None:
    site = mount(max_packets_per_payload=20)
    poller, _ = site.poller()
    poller.say(*["4x"] * 20)
    assert poller.post("\x1e".join(["4x"] * 21).encode()).error == (400, 3, "Bad request")
    assert len(site.messages) == 20
    site.closed("parse error")


def test_a_long_post_does_not_hold_others_up(mount: Mount) -> None:
    site = mount()
    slow, _ = site.poller()
    ws, session = site.websocket()
    session.on("message", session.send)
    posting = gevent.spawn(slow.say, *["4x"] * 10_000)
    turns = 0
    while not posting.dead:
        ws.send("4echo")
        assert ws.receive() == "4echo"
        turns += 1
    assert turns > 1
    assert site.messages.count("x") == 10_000


# -- origins --------------------------------------------------------------------------------------


RULES: list[tuple[Any, str, bool]] = [
    (None, FOREIGN, False),
    (None, "null", False),
    (None, "http://127.0.0.1", True),
    (None, "http://127.0.0.1:1", False),
    ("*", FOREIGN, True),
    (FOREIGN, FOREIGN, True),
    (FOREIGN, "https://evil.example.com", False),
    (FOREIGN, "http://127.0.0.1", True),
    ("https://*.example.com", FOREIGN, True),
    ("https://*.example.com", "https://example.com.evil.org", False),
    (["https://a.org", FOREIGN], FOREIGN, True),
    (["https://a.org", re.compile(r"https://\w+\.example\.com")], FOREIGN, True),
    (["https://a.org"], FOREIGN, False),
    (re.compile(r"https://other"), FOREIGN, False),
    (lambda given, environ: given == FOREIGN and environ["PATH_INFO"] == PATH, FOREIGN, True),
    (lambda given, environ: False, FOREIGN, False),
]


@pytest.mark.parametrize(("rule", "given", "allowed"), RULES)
@pytest.mark.feature(125)
def test_a_foreign_origin_is_refused_on_every_route(
    mount: Mount, logged: Logged, rule: Any, given: str, allowed: bool
) -> None:
    site = mount(cors_allowed_origins=rule)
    headers = [("Origin", given)]
    # The raw client's Host header has no port.
    handshake = Connection(site.port).get(HANDSHAKE, headers=headers)
    poller, session = site.poller()
    session.send("a")
    poll = Connection(site.port).get(poller.target, headers=headers)
    direct = ask(site.port, path=PATH, headers=[*UPGRADE_HEADERS, *headers])[1]
    query = f"EIO=4&transport=websocket&sid={poller.sid}"
    upgrade = ask(site.port, query, path=PATH, headers=[*UPGRADE_HEADERS, *headers])[1]
    answers = [handshake, poll, direct, upgrade]
    if allowed:
        assert [answer.status for answer in answers] == [200, 200, 101, 101]
    else:
        assert [answer.error for answer in answers] == [(403, 4, "Forbidden")] * 4
        assert site.engine.clients_count == 1
        texts = [text for text in logged.warnings() if "SIO501" in text]
        assert all(f"cors_allowed_origins=[{given!r}]" in text for text in texts)


@pytest.mark.parametrize(
    ("options", "allow", "credentials", "vary"),
    [
        ({}, None, None, None),
        ({"cors_allowed_origins": "*"}, "*", None, None),
        ({"cors_allowed_origins": [FOREIGN]}, FOREIGN, "true", "Origin"),
        ({"cors_allowed_origins": [FOREIGN], "cors_credentials": False}, FOREIGN, None, "Origin"),
    ],
)
def test_cors_headers_are_on_every_answer_of_an_allowed_origin(
    mount: Mount, options: Any, allow: str | None, credentials: str | None, vary: str | None
) -> None:
    site = mount(**options)
    headers = [("Origin", FOREIGN if options else "http://127.0.0.1")]
    answers: list[Response] = [
        Connection(site.port).get(HANDSHAKE, headers=headers),
        Connection(site.port).get(f"{HANDSHAKE}&sid=nobody", headers=headers),
        ask(site.port, path=PATH, headers=[*UPGRADE_HEADERS, *headers])[1],
    ]
    for answer in answers:
        assert answer.header("access-control-allow-origin") == allow
        assert answer.header("access-control-allow-credentials") == credentials
        assert answer.header("vary") == vary


@pytest.mark.feature(126)
def test_a_preflight_is_answered_where_cors_is_configured(mount: Mount) -> None:
    site = mount(cors_allowed_origins=FOREIGN)
    headers = [
        ("Origin", FOREIGN),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "X-Custom, Content-Type"),
    ]
    answer = Connection(site.port).request("OPTIONS", HANDSHAKE, headers=headers)
    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == FOREIGN
    assert answer.header("access-control-allow-methods") == "GET,POST"
    assert answer.header("access-control-allow-headers") == "X-Custom, Content-Type"
    assert Connection(mount().port).request("OPTIONS", HANDSHAKE).error == (400, 2, "Bad handshake method")


# -- cookies, compression ------------------------------------------------------------------------------


@pytest.mark.feature(128)
def test_the_cookie_is_set_on_the_polling_handshake_only(mount: Mount) -> None:
    site = mount(cookie={"name": "route", "same_site": "strict", "secure": True})
    opened = Connection(site.port).get(HANDSHAKE)
    sid = json.loads(opened.text[1:])["sid"]
    assert opened.header("set-cookie") == f"route={sid}; Path=/; HttpOnly; Secure; SameSite=Strict"
    site.engine.sessions[sid].send("a")
    assert Connection(site.port).get(f"{HANDSHAKE}&sid={sid}").header("set-cookie") is None
    assert site.websocket()[0].answer.header("set-cookie") is None
    assert Connection(mount().port).get(HANDSHAKE).header("set-cookie") is None


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip;q=0.5, br", "gzip"),
        ("deflate", "deflate"),
        ("br", None),
        ("gzip;q=0", None),
    ],
)
def test_long_answers_are_compressed_as_the_client_accepts_it(
    mount: Mount, accepted: str, coding: str | None
) -> None:
    site = mount()
    poller, session = site.poller(headers=[("Accept-Encoding", accepted)])
    session.send("x" * 1023)
    answer = poller.gets.get(poller.target, headers=poller.headers)
    assert answer.header("content-encoding") == coding
    body = answer.content
    if coding is not None:
        assert len(body) < 100
        body = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)
    assert body == b"4" + b"x" * 1023
    session.send("x" * 1022)
    assert poller.gets.get(poller.target, headers=poller.headers).header("content-encoding") is None


def test_compression_can_be_switched_off(mount: Mount) -> None:
    poller, session = mount(http_compression=False).poller()
    session.send("x" * 5000)
    answer = poller.gets.get(poller.target, headers=[("Accept-Encoding", "gzip")])
    assert answer.content == b"4" + b"x" * 5000


# -- what an operator hears ------------------------------------------------------------------------------


def test_a_websocket_request_that_lost_its_upgrade_header_names_the_proxy(
    mount: Mount, logged: Logged
) -> None:
    site = mount()
    target = f"{PATH}?EIO=4&transport=websocket"
    assert Connection(site.port).get(target, headers=[("Via", "1.0 proxy")]).error == (400, 3, "Bad request")
    assert any("SIO402" in text and "'1.0 proxy'" in text for text in logged.warnings())


def test_a_body_that_is_too_long_names_the_option(mount: Mount, logged: Logged) -> None:
    site = mount(max_http_buffer_size=100)
    poller, _ = site.poller()
    assert poller.post(b"4" + b"x" * 99).status == 200
    assert poller.post(b"4" + b"x" * 100).status == 413
    assert any("SIO811" in text and "max_http_buffer_size" in text for text in logged.warnings())
    site.closed("transport close")


def test_refusals_are_logged_for_debugging_with_what_strangers_sent_escaped(
    mount: Mount, logged: Logged
) -> None:
    site = mount()
    lines = logged.debug("socketio_sync.engine.requests")
    Connection(site.port).get(f"{HANDSHAKE}&sid=%0d%0aforged%1b")
    assert any("Session ID unknown" in line for line in lines())
    assert all("\r" not in line and "\n" not in line and "\x1b" not in line for line in lines())


def test_a_get_beside_one_that_is_about_to_be_answered_is_an_overlap(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    poller.hold()
    transport: Any = session.transport
    eventually(lambda: transport.held)
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": PATH,
        "QUERY_STRING": f"EIO=4&transport=polling&sid={session.id}",
    }

    def overlap() -> None:
        transport.release()
        site.engine(environ, lambda status, headers: statuses.append(status))

    gevent.spawn(overlap).join()
    assert statuses == ["400 Bad Request"]
    assert poller.held() == ["6", "1"]
    site.closed("transport error")


def test_a_handshake_sends_its_first_packet_with_the_101_in_however_long_a_turn(mount: Mount) -> None:
    ages: list[float] = []

    def allow(environ: Any) -> bool:
        ages.append(time() - site.engine.runtime.outbox.began)
        return True

    site = mount(allow_request=allow)
    ask(site.port, path=PATH)
    assert ages[0] < STALE


def test_many_foreign_origins_do_not_flood_the_log(mount: Mount, logged: Logged) -> None:
    site = mount()
    for number in range(30):
        headers = [("Origin", f"https://{number}.{'x' * 3000}.example")]
        assert Connection(site.port).get(f"{PATH}?EIO=4&transport=polling", headers=headers).status == 403
    texts = [text for text in logged.warnings() if "SIO501" in text]
    assert 10 <= len(texts) <= 20
    assert max(map(len, texts)) < 800
