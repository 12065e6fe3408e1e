"""Requests over real sockets: how a connection goes on, how it ends, and what becomes of bodies."""

from __future__ import annotations

import hashlib
import json
import re
import socket as stdlib_socket
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import gevent
import pytest

from socketio_sync.http_answers import JOIN_BYTES, encode_field, encode_start, encode_status
from tests.support.client import Connection
from tests.support.runner import HIDDEN, Serve, chunked, request, serve
from tests.support.server import eventually

__all__ = ["serve"]

# -- Connections that go on


def test_a_connection_serves_one_request_after_another(serve: Serve) -> None:
    connection = serve().connect()
    for number in range(5):
        assert connection.get("/").content == b"hello"
        body = str(number).encode()
        answer = connection.request("POST", "/echo", body=body)
        assert answer.content == body
        assert answer.header("connection") is None


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    bodies = [str(number).encode() * number for number in range(1, 20)]
    parts = []
    for number, body in enumerate(bodies):
        if number % 2:
            parts.append(request("/echo", f"Content-Length: {len(body)}", method="POST", body=body))
        else:
            parts.append(chunked("/echo", b"%x\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(body), body)))
    connection.send(b"".join(parts))
    assert [connection.finish().content for _ in bodies] == bodies


def test_pipelined_requests_survive_any_split(serve: Serve) -> None:
    served = serve()
    whole = (
        request("/echo", "Content-Length: 5", method="POST", body=b"hello")
        + chunked("/echo", b"3\r\nabc\r\n0\r\n\r\n")
        + request("/", "Connection: close")
    )
    for size in (1, 7, 50):
        connection = served.connect()
        for index in range(0, len(whole), size):
            connection.send(whole[index : index + size])
            gevent.sleep(0)
        assert [connection.finish().content for _ in range(3)] == [b"hello", b"abc", b"hello"]
        assert connection.at_end()


@pytest.mark.parametrize(
    ("path", "fields", "version"),
    [
        ("/hello", ["Connection: close"], "1.1"),
        ("/pieces", ["Connection: close"], "1.1"),
        ("/nothing", ["Connection: Close, foo"], "1.1"),
        ("/hello", [], "1.0"),
        # Where its end is the only sign of the answer's end.
        ("/pieces", ["Connection: keep-alive"], "1.0"),
    ],
)
def test_a_last_answer_says_so(serve: Serve, path: str, fields: list[str], version: str) -> None:
    served = serve()
    connection = served.connect()
    connection.send(request(path, *fields, version=version) + HIDDEN)
    head = connection.until(b"\r\n\r\n").decode().lower()
    assert head.count("\r\nconnection:") == 1
    assert "\r\nconnection: close" in head
    connection.sock.shutdown(stdlib_socket.SHUT_WR)
    eventually(lambda: not served.runner._server.connections)
    assert served.app.served == [path]


def test_http_1_0_may_keep_the_connection(serve: Serve) -> None:
    answer, connection = serve().sends(request("/", "Connection: keep-alive", version="1.0"))
    assert answer.header("connection") == "keep-alive"
    assert connection.get("/").status == 200


def test_a_client_that_closes_its_direction_gets_its_answer(serve: Serve) -> None:
    connection = serve().connect()
    connection.send(request("/"))
    connection.sock.shutdown(stdlib_socket.SHUT_WR)
    assert connection.finish().content == b"hello"
    assert connection.at_end()


def test_an_answer_to_head_has_no_body(serve: Serve) -> None:
    connection = serve().connect()
    for path in ("/hello", "/pieces"):
        assert connection.request("HEAD", path).status == 200
        assert connection.get("/").content == b"hello"


def test_an_answer_of_unknown_length_is_chunked(serve: Serve) -> None:
    connection = serve().connect()
    answer = connection.get("/pieces")
    assert (answer.header("transfer-encoding"), answer.content) == ("chunked", b"one two")
    assert connection.get("/").content == b"hello"


def test_an_application_that_fails_is_answered_for(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    answer, connection = serve().sends(request("/fail"))
    assert (answer.status, answer.header("connection")) == (500, "close")
    assert b"fault" not in answer.content
    assert connection.at_end()
    assert "LookupError: the application's own fault" in capfd.readouterr().err


# -- What is sent


@pytest.mark.parametrize(
    "encode",
    [
        lambda: encode_status("200 OK\r\nX: 1"),
        lambda: encode_status(b"200 OK"),  # type: ignore[arg-type]
        lambda: encode_status("200 \u20ac"),
        lambda: encode_status("OK"),
        lambda: encode_field("X\r\nY", "1"),
        lambda: encode_field("X", "1\r\nY: 2"),
        lambda: encode_field("X", "1\nY: 2"),
        lambda: encode_field("X", "\u20ac"),
        lambda: encode_field("X", 1),  # type: ignore[arg-type]
        lambda: encode_field(b"X", "1"),  # type: ignore[arg-type]
        lambda: encode_start("200 OK", [("X", "1"), ("Y", "2\r\n")]),
    ],
)
def test_what_no_answer_may_hold_is_refused_every_time(encode: Any) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"string|newline|beyond|latin-1|invalid literal"):
            encode()


def test_headers_that_differ_in_every_answer_do_not_pile_up() -> None:
    for number in range(3000):
        assert encode_field("X-Id", str(number)).line == b"X-Id: %d\r\n" % number
        start = encode_start(f"2{number:04} OK", [("X-Id", str(number))])
        assert start is not None
        assert start.lines == b"HTTP/1.1 2%04d OK\r\nX-Id: %d\r\n" % (number, number)


def test_a_line_break_in_a_header_splits_no_answer(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/steps/5", "/respond/5"):
        answer, connection = serve().sends(request(f"{path}?X=1%0d%0aY:+2"))
        assert (answer.status, answer.header("y")) == (500, None)
        assert connection.at_end()
    assert "carriage return" in capfd.readouterr().err


def test_the_date_is_that_of_the_answer_or_the_applications_own(serve: Serve) -> None:
    connection = serve().connect()
    for path in ("/hello", "/respond/5"):
        date = connection.get(path).header("date")
        assert date is not None
        assert abs(parsedate_to_datetime(date).timestamp() - time()) < 3
        own = connection.get(path.replace("hello", "steps/5") + "?Date=today")
        assert own.header("date") == "today"


@pytest.mark.parametrize(
    "query", ["", "?X=1&Y=2", "?X=1&X=2", "?Connection=close", "?Date=today", "?Connection=X"]
)
@pytest.mark.parametrize("size", [0, 5, JOIN_BYTES, JOIN_BYTES + 1])
@pytest.mark.parametrize(
    ("fields", "version", "method", "body"),
    [
        ([], "1.1", "GET", b""),
        (["Connection: close"], "1.1", "GET", b""),
        ([], "1.0", "GET", b""),
        (["Connection: keep-alive"], "1.0", "GET", b""),
        (["Content-Length: 3"], "1.1", "POST", b"abc"),
        (["Content-Length: 3"], "1.1", "POST", b"a"),
        (["Content-Length: 100000"], "1.1", "POST", b""),
        (["Content-Length: 3", "Expect: 100-continue"], "1.1", "POST", b""),
    ],
)
def test_an_answer_at_once_is_the_one_in_steps(
    serve: Serve, fields: list[str], version: str, method: str, body: bytes, size: int, query: str
) -> None:
    served = serve()
    answers = []
    for kind in ("steps", "respond"):
        connection = served.connect()
        connection.send(request(f"/{kind}/{size}{query}", *fields, version=version, method=method, body=body))
        head = connection.until(b"\r\n\r\n")
        closes = b"\r\nConnection: close" in head
        content = connection.exactly(size)
        lines = sorted(re.sub(rb"Date: \w{3}, [^\r]*", b"Date: now", head).split(b"\r\n"))
        answers.append((lines, content, closes and connection.at_end()))
    assert answers[0] == answers[1]


def test_an_answer_at_once_is_logged(serve: Serve) -> None:
    lines: list[str] = []

    class Log:
        def write(self, text: str) -> None:
            lines.append(text)

    assert serve(log=Log()).connect().get("/respond/5").content == b"rrrrr"
    eventually(lambda: lines)
    size = re.search(r'"GET /respond/5 HTTP/1.1" 200 (\d+) ', lines[0])
    assert size is not None
    assert int(size[1]) > len("HTTP/1.1 200 OK\r\n\r\nrrrrr")


# -- Bodies


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000, 3_000_000])
def test_a_body_arrives_whole(serve: Serve, size: int) -> None:
    connection = serve().connect()
    body = bytes(range(256)) * (size // 256 + 1)
    for _ in range(2):
        answer = connection.request("POST", "/echo", body=body[:size])
        assert hashlib.sha1(answer.content).digest() == hashlib.sha1(body[:size]).digest()


def test_a_chunked_body_arrives_whole(serve: Serve) -> None:
    connection = serve().connect()
    payload = b"0123456789" * 10_000
    connection.send(chunked("/echo", b"".join(b"a\r\n0123456789\r\n" for _ in range(10_000)) + b"0\r\n\r\n"))
    assert connection.finish().content == payload
    assert connection.get("/").status == 200


@pytest.mark.parametrize(("left", "goes_on"), [(10, True), (65_536, True), (65_537, False), (10**18, False)])
def test_an_unread_body_is_skipped_if_it_is_small(serve: Serve, left: int, goes_on: bool) -> None:
    connection = serve().connect()
    connection.send(request("/hello", f"Content-Length: {left}", method="POST"))
    answer = connection.finish()
    assert answer.content == b"hello"
    assert answer.header("connection") == (None if goes_on else "close")
    if goes_on:
        connection.send(b"x" * left)
        assert connection.get("/").content == b"hello"
    else:
        assert connection.at_end()


def test_the_unread_part_of_a_body_is_skipped(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    for body in (HIDDEN, HIDDEN * 100):
        assert connection.request("POST", "/first", body=body).content == b"G"
    connection.send(chunked("/first", b"20\r\n" + b"x" * 32 + b"\r\n5\r\nhello\r\n0\r\n\r\n"))
    assert connection.finish().content == b"x"
    assert connection.get("/").content == b"hello"
    assert "/hidden" not in served.app.served


def test_an_unread_chunked_body_is_skipped_up_to_its_limit(serve: Serve) -> None:
    connection = serve().connect()
    connection.send(chunked("/hello", b"1\r\nx\r\n"))
    assert connection.finish().content == b"hello"
    connection.send((b"2000\r\n" + b"x" * 8192 + b"\r\n") * 20)
    assert connection.at_end()


def test_no_reset_overtakes_the_answer(serve: Serve) -> None:
    served = serve()
    for _ in range(10):
        connection = served.connect()
        connection.send(request("/hello", "Content-Length: 1000000", method="POST") + b"x" * 50_000)
        gevent.sleep(0)
        assert connection.finish().content == b"hello"


def test_continue_is_sent_when_the_application_reads(serve: Serve) -> None:
    connection = serve().connect()
    connection.send(request("/echo", "Expect: 100-continue", "Content-Length: 5", method="POST"))
    assert connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
    connection.send(b"hello")
    assert connection.finish().content == b"hello"
    assert connection.get("/").status == 200


def test_continue_isnt_sent_for_a_body_that_comes_unasked(serve: Serve) -> None:
    fields = ["Expect: 100-continue", "Content-Length: 5"]
    answer, connection = serve().sends(request("/echo", *fields, method="POST", body=b"hello"))
    assert (answer.status, answer.content) == (200, b"hello")
    connection.send(request("/echo", *fields, method="POST", body=b"he"))
    connection.send(b"llo")
    assert connection.finish().content == b"hello"


def test_a_client_that_waits_in_vain_for_continue_gets_an_answer_and_the_end(serve: Serve) -> None:
    fields = ["Expect: 100-continue", "Content-Length: 5"]
    answer, connection = serve().sends(request("/hello", *fields, method="POST"))
    assert (answer.content, answer.header("connection")) == (b"hello", "close")
    assert connection.at_end()


def test_a_body_that_ends_early_is_no_body(serve: Serve) -> None:
    connection = serve().connect()
    connection.send(request("/echo", "Content-Length: 5", method="POST", body=b"hel"))
    connection.sock.shutdown(stdlib_socket.SHUT_WR)
    assert connection.finish().status == 400


# -- The environ


def test_the_environ_is_that_of_pywsgi(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    answer = connection.request("POST", "/environ/%C3%A9?a=b", headers=[("X-Y", "z")], body=b"")
    shown = json.loads(answer.content)
    assert {key: shown[key] for key in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ/\xc3\xa9",
        "QUERY_STRING": "a=b",
    }
    assert (shown["CONTENT_LENGTH"], shown["HTTP_X_Y"]) == ("0", "z")
    assert (shown["SERVER_NAME"], shown["SERVER_PORT"]) == ("127.0.0.1", str(served.port))
    assert (shown["SERVER_PROTOCOL"], shown["GATEWAY_INTERFACE"]) == ("HTTP/1.1", "CGI/1.1")
    assert (shown["REMOTE_ADDR"], shown["REMOTE_PORT"]) == connection_address(connection)
    assert shown["wsgi.url_scheme"] == "http"
    assert shown["wsgi.version"] == [1, 0]
    assert shown["wsgi.input_terminated"] is True
    assert not shown["wsgi.multithread"] | shown["wsgi.multiprocess"] | shown["wsgi.run_once"]
    assert served.app.environs[0]["wsgi.errors"] is not None


def connection_address(connection: Connection) -> tuple[str, str]:
    host, port = connection.sock.getsockname()
    return host, str(port)


def test_requests_of_a_connection_share_nothing(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    connection.get("/", headers=[("X-Only", "once")])
    connection.get("/")
    first, second = served.app.environs
    assert "HTTP_X_ONLY" in first
    assert "HTTP_X_ONLY" not in second
    assert first is not second


def test_a_kept_environ_holds_no_connection(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    connection.get("/", headers=[("Connection", "close")])
    assert connection.at_end()
    handler = served.app.environs[0]["socketio_sync.handler"]
    eventually(lambda: handler.socket is None)
    assert handler.environ is None
