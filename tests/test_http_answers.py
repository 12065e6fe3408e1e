"""Requests over real sockets: how a connection goes on, how it ends, and what becomes of bodies."""

from __future__ import annotations

import hashlib
import json
import socket as stdlib_socket

import gevent
import pytest

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
