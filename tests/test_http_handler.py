"""Requests over real sockets: what is refused, the limits and the deadlines."""

from __future__ import annotations

import logging
import socket as stdlib_socket
from time import monotonic
from typing import Any

import gevent
import pytest

from tests.support.runner import HIDDEN, Serve, chunked, drip, request, serve
from tests.support.server import eventually
from tests.test_http_body import MALFORMED
from tests.test_http_head import REFUSED

__all__ = ["serve"]

# -- What is refused


@pytest.mark.parametrize(("status", "head"), REFUSED.values(), ids=REFUSED)
def test_nothing_behind_a_refused_head_is_served(serve: Serve, status: int, head: bytes) -> None:
    served = serve()
    answer, connection = served.sends(head + HIDDEN)
    assert (answer.status, answer.header("connection")) == (status, "close")
    assert connection.at_end()
    assert served.app.served == []


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_nothing_behind_malformed_chunks_is_served(serve: Serve, body: bytes) -> None:
    served = serve()
    answer, connection = served.sends(chunked("/hello", body + HIDDEN))
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert connection.at_end()
    assert served.app.served == []


@pytest.mark.parametrize("path", ["/echo", "/catch", "/hello", "/fail"])
def test_chunks_that_turn_out_malformed_later_are_refused_too(
    serve: Serve, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    served = serve()
    connection = served.connect()
    connection.send(chunked(path, b"5\r\nhello\r\n"))
    eventually(lambda: served.app.served)
    connection.send(b"+5\r\n" + HIDDEN)
    answer = connection.finish()
    # Who doesn't read the body has answered by then.
    assert answer.status == {"/echo": 400, "/catch": 400, "/hello": 200, "/fail": 500}[path]
    assert connection.at_end()
    assert served.app.served == [path]
    assert ("LookupError" in capfd.readouterr().err) is (path == "/fail")


def test_a_refusal_repeats_nothing_that_was_sent(serve: Serve) -> None:
    answer, _ = serve().sends(b"GET /<secret> HTTP/3.0\r\nHost: <secret>\r\n\r\n")
    assert answer.status == 400
    assert b"secret" not in answer.content
    assert answer.header("content-type") == "text/plain"


def test_refusals_are_logged_in_one_line_each_and_not_without_end(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve()

    def warnings() -> list[logging.LogRecord]:
        served.sends(b"GET /\x1b[2J HTTP/1.1\r\n\r\n")
        return [record for record in caplog.records if record.levelno == logging.WARNING]

    # Other tests may have used up this second's lines.
    eventually(warnings)
    count = 100
    for _ in range(count):
        records = warnings()
    assert len(records) < count / 2
    assert all("\x1b" not in record.getMessage() and record.exc_info is None for record in records)


# -- Limits


@pytest.mark.parametrize(
    ("size", "status"), [(8192, 200), (8193, 414), (20_000, 414)], ids=["limit", "limit + 1", "far beyond"]
)
def test_a_request_line_has_8_kib(serve: Serve, size: int, status: int) -> None:
    answer, _ = serve().sends(request("/hello/" + "a" * (size - len("GET /hello/ HTTP/1.1"))))
    assert answer.status == status


@pytest.mark.parametrize(("size", "status"), [(32_768, 200), (32_769, 431), (100_000, 431)])
def test_a_head_has_32_kib(serve: Serve, size: int, status: int) -> None:
    answer, _ = serve().sends(request("/", "X: " + "a" * (size - len(request("/", "X: ")))))
    assert answer.status == status


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 431), (5000, 431)])
def test_a_head_has_100_headers(serve: Serve, count: int, status: int) -> None:
    answer, connection = serve().sends(request("/", *["A: 1"] * (count - 1)) + HIDDEN)
    assert answer.status == status
    if status == 431:
        assert answer.header("connection") == "close"
        assert connection.at_end()


# -- Deadlines

QUICK: dict[str, Any] = {"head_timeout": 0.2, "keepalive_idle": 0.3, "body_grace": 0.2, "body_timeout": 0.6}


def test_a_slow_head_is_answered_with_408(serve: Serve) -> None:
    connection = serve(limits=QUICK).connect()
    start = monotonic()
    with gevent.Timeout(5):
        # The whole head is limited, not each wait for the next byte.
        sender = gevent.spawn(drip, connection, request("/", "X: " + "a" * 2000))
        answer = connection.finish()
        assert 0.15 < monotonic() - start < 1.5
        assert (answer.status, answer.header("connection")) == (408, "close")
        sender.kill()


def test_a_silent_connection_is_closed_silently(serve: Serve) -> None:
    connection = serve(limits=QUICK).connect()
    start = monotonic()
    assert connection.at_end()
    assert 0.15 < monotonic() - start < 1.5


def test_an_idle_connection_is_closed_silently(serve: Serve) -> None:
    connection = serve(limits=QUICK | {"keepalive_idle": 0.5}).connect()
    assert connection.get("/").status == 200
    start = monotonic()
    assert connection.at_end()
    assert 0.4 < monotonic() - start < 2.0


@pytest.mark.parametrize("path", ["/echo", "/catch"])
@pytest.mark.parametrize(
    "begin",
    [
        request("/echo", "Content-Length: 100000", method="POST", body=b"x"),
        chunked("/echo", b"5\r\nhel"),
    ],
    ids=["length", "chunked"],
)
def test_a_body_that_stops_is_answered_with_408(serve: Serve, begin: bytes, path: str) -> None:
    start = monotonic()
    answer, connection = serve(limits=QUICK).sends(begin.replace(b"/echo", path.encode()))
    assert 0.15 < monotonic() - start < 1.5
    assert (answer.status, answer.header("connection")) == (408, "close")
    assert connection.at_end()


def test_a_body_below_the_rate_is_answered_with_408(serve: Serve) -> None:
    connection = serve(limits=QUICK | {"body_timeout": 30.0}).connect()
    connection.send(request("/echo", "Content-Length: 5000", method="POST"))
    sender = gevent.spawn(drip, connection, b"x" * 5000)
    assert connection.finish().status == 408
    sender.kill()


def test_a_body_above_the_rate_may_take_longer_than_the_grace(serve: Serve) -> None:
    connection = serve(limits=QUICK | {"body_min_rate": 10.0, "body_timeout": 30.0}).connect()
    connection.send(request("/echo", "Content-Length: 25", method="POST"))
    start = monotonic()
    drip(connection, b"x" * 25)
    assert connection.finish().content == b"x" * 25
    assert monotonic() - start > 0.4


def test_a_client_that_takes_nothing_is_dropped(serve: Serve) -> None:
    served = serve(limits={"write_stall_timeout": 0.2})
    connection = served.connect()
    connection.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, 4096)
    connection.send(request("/megabytes/20"))
    eventually(lambda: served.app.served)
    open_connections = served.runner._server.connections
    start = monotonic()
    eventually(lambda: not open_connections)
    assert monotonic() - start < 2.0


def test_a_client_that_takes_it_slowly_gets_it_all(serve: Serve) -> None:
    connection = serve(limits={"write_stall_timeout": 0.3}).connect()
    connection.begin("GET", "/megabytes/8")
    connection.until(b"\r\n\r\n")
    received = len(connection.buffered)
    start = monotonic()
    while received < 8_000_000:
        received += len(connection.sock.recv(1_000_000))
        gevent.sleep(0.02)
    assert received == 8_000_000
    assert monotonic() - start > 0.1
