"""Answers: statuses, headers, compression, cookies, and noticing that one couldn't be written."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from socketio_sync.engine.http import (
    Answer,
    accepted_answer,
    cookie_header,
    empty_answer,
    javascript_answer,
    refusal_answer,
    text_answer,
    unavailable_answer,
    write_answer,
)
from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.options import EngineOptions
from socketio_sync.protocol.engineio.handshake import Refusal


class Written:
    """What a host would have written."""

    def __init__(self, answer: Answer, options: EngineOptions | None = None, **environ: str) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body: Iterable[bytes] = write_answer(
            answer, {"REQUEST_METHOD": "GET", **environ}, self._start, options or EngineOptions(), []
        )

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, headers

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def test_an_accepted_post_is_answered_as_node_does() -> None:
    written = Written(accepted_answer())
    assert (written.status, b"".join(written.body)) == ("200 OK", b"ok")
    assert written.header("Content-Type") == ["text/html"]
    assert written.header("Content-Length") == ["2"]
    assert written.header("Cache-Control") == ["no-store"]


def test_a_poll_is_neither_stored_nor_buffered() -> None:
    written = Written(text_answer(b"6"))
    assert written.header("Content-Type") == ["text/plain; charset=UTF-8"]
    assert written.header("Cache-Control") == ["no-store"]
    assert written.header("X-Accel-Buffering") == ["no"]
    assert Written(text_answer(b"\x00", binary=True)).header("Content-Type") == ["application/octet-stream"]


@pytest.mark.parametrize(
    ("refusal", "status", "body"),
    [
        (Refusal(1), "400 Bad Request", {"code": 1, "message": "Session ID unknown"}),
        (Refusal(4, message="go away"), "403 Forbidden", {"code": 4, "message": "go away"}),
        (HandshakeRefused(4, "not you"), "403 Forbidden", {"code": 4, "message": "not you"}),
    ],
)
def test_a_refusal_is_json_with_the_code(refusal: HandshakeRefused, status: str, body: Any) -> None:
    written = Written(refusal_answer(refusal))
    assert written.status == status
    assert json.loads(b"".join(written.body)) == body
    assert written.header("X-Content-Type-Options") == ["nosniff"]


def test_javascript_is_never_sniffed() -> None:
    written = Written(javascript_answer(b"___eio[0]();"))
    assert written.header("Content-Type") == ["application/javascript; charset=UTF-8"]
    assert written.header("X-Content-Type-Options") == ["nosniff"]


def test_a_host_that_cannot_serve_is_named() -> None:
    written = Written(unavailable_answer("SIO411 because"))
    assert (written.status, b"".join(written.body)) == ("503 Service Unavailable", b"SIO411 because")


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("br", None),
        ("", None),
    ],
)
@pytest.mark.feature(132)
def test_long_bodies_are_compressed_as_the_client_accepts(accepts: str, coding: str | None) -> None:
    written = Written(text_answer(b"x" * 1024), HTTP_ACCEPT_ENCODING=accepts)
    body = b"".join(written.body)
    assert written.header("Content-Length") == [str(len(body))]
    assert written.header("Content-Encoding") == ([coding] if coding else [])
    assert written.header("Vary") == ["Accept-Encoding"]
    plain = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[coding](body)
    assert plain == b"x" * 1024


def test_short_bodies_and_servers_without_compression_answer_plainly() -> None:
    short = Written(text_answer(b"x" * 1023), HTTP_ACCEPT_ENCODING="gzip")
    assert short.header("Content-Encoding") == []
    options = EngineOptions(http_compression=False)
    assert Written(text_answer(b"x" * 5000), options, HTTP_ACCEPT_ENCODING="gzip").header("Vary") == []


def test_a_request_to_close_is_answered_with_close() -> None:
    assert Written(accepted_answer(), HTTP_CONNECTION="close").header("Connection") == ["close"]
    assert Written(accepted_answer(), HTTP_CONNECTION="keep-alive").header("Connection") == []
    twice = Written(empty_answer(413, [("Connection", "close")]), HTTP_CONNECTION="close")
    assert twice.header("Connection") == ["close"]


@pytest.mark.feature(131)
def test_old_internet_explorers_get_their_header() -> None:
    assert Written(accepted_answer(), HTTP_USER_AGENT="Mozilla/5.0 Trident/7.0").header(
        "X-XSS-Protection"
    ) == ["0"]


def test_head_has_the_headers_only() -> None:
    written = Written(accepted_answer(), REQUEST_METHOD="HEAD")
    assert (list(written.body), written.header("Content-Length")) == ([], ["2"])


def test_no_content_has_no_length() -> None:
    assert Written(empty_answer(204)).header("Content-Length") == []


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ("io", "io=abc; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"name": "sid", "path": "/x", "max_age": 60},
            "sid=abc; Path=/x; Max-Age=60; HttpOnly; SameSite=Lax",
        ),
        (
            {"domain": "a.org", "secure": True, "http_only": False, "same_site": "strict"},
            "io=abc; Path=/; Domain=a.org; Secure; SameSite=Strict",
        ),
        ({"same_site": None}, "io=abc; Path=/; HttpOnly"),
    ],
)
def test_cookies_have_node_s_defaults(cookie: Any, header: str) -> None:
    assert cookie_header(cookie, "abc") == ("Set-Cookie", header)


class Runner:
    """The handler of a runner, as far as an answer knows it; ``fault`` is what sending raises."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.sent: list[tuple[str, Any, bytes]] = []
        self.fault = fault

    def start_response(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.sent.append((status, headers, b""))

    def respond(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append((status, headers, body))


def through(runner: Runner, answer: Answer, start_response: Any = None, method: str = "GET") -> list[bytes]:
    """Write an answer to a request that came through a runner."""
    environ = {"REQUEST_METHOD": method, "socketio_sync.handler": runner}
    extra: Any = [["X-Hook", "1"]]
    return list(
        write_answer(answer, environ, start_response or runner.start_response, EngineOptions(), extra)
    )


def test_our_own_runner_gets_the_whole_answer_at_once() -> None:
    runner, failures = Runner(), list[str]()
    assert through(runner, text_answer(b"6", on_failed=lambda: failures.append("lost"))) == []
    [(status, headers, body)] = runner.sent
    assert (status, body) == ("200 OK", b"6")
    assert ("X-Hook", "1") in headers
    assert "Content-Length" not in dict(headers)
    assert failures == []


@pytest.mark.parametrize("fault", [ConnectionResetError(), ValueError(), SystemExit()])
def test_an_answer_that_our_own_runner_cannot_send_is_reported(fault: BaseException) -> None:
    failures: list[str] = []
    with pytest.raises(type(fault)):
        through(Runner(fault), text_answer(b"6", on_failed=lambda: failures.append("lost")))
    assert failures == ["lost"]
    with pytest.raises(type(fault)):
        through(Runner(fault), accepted_answer())


def test_a_middleware_before_our_own_runner_sees_every_step() -> None:
    runner, seen = Runner(), list[str]()

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        seen.append(status)
        assert ("Content-Length", "1") in headers

    assert through(runner, text_answer(b"6"), start_response) == [b"6"]
    assert seen == ["200 OK"]
    assert runner.sent == []


@pytest.mark.parametrize(("answer", "method"), [(empty_answer(204), "OPTIONS"), (accepted_answer(), "HEAD")])
def test_answers_without_a_body_take_the_ordinary_way(answer: Answer, method: str) -> None:
    runner = Runner(AssertionError())
    assert b"".join(through(runner, answer, method=method)) == b""
    assert len(runner.sent) == 1


def test_a_body_that_was_written_is_no_failure() -> None:
    failures: list[str] = []
    written = Written(text_answer(b"6", on_failed=lambda: failures.append("lost")))
    assert b"".join(written.body) == b"6"
    written.body.close()  # type: ignore[attr-defined]
    assert failures == []


def test_a_body_that_the_host_gives_up_is_reported() -> None:
    failures: list[str] = []
    written = Written(text_answer(b"6", on_failed=lambda: failures.append("lost")))
    assert next(iter(written.body)) == b"6"
    written.body.close()  # type: ignore[attr-defined]
    assert failures == ["lost"]
