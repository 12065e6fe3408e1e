"""The strict parser of request heads: what it makes of a good one, and the table of those that it refuses."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.http_head import Head, HeadParser, RequestLimits, RequestRefused

LIMITS = RequestLimits()

GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
END = b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(fields: bytes) -> bytes:
    return POST + HOST + fields + END


def get(fields: bytes) -> bytes:
    return GET + HOST + fields + END


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\n" + HOST + END


# Heads that could hide a request behind another one: (status, head).
SMUGGLING: dict[str, tuple[int, bytes]] = {
    "two lengths": (400, post(b"Content-Length: 1\r\nContent-Length: 2\r\n")),
    "two equal lengths": (400, post(b"Content-Length: 0\r\nContent-Length: 0\r\n")),
    "list of lengths": (400, post(b"Content-Length: 0, 0\r\n")),
    "length before coding": (400, post(b"Content-Length: 5\r\n" + CHUNKED)),
    "coding before length": (400, post(CHUNKED + b"Content-Length: 5\r\n")),
    "length with plus": (400, post(b"Content-Length: +0\r\n")),
    "length with minus": (400, post(b"Content-Length: -0\r\n")),
    "length with underscore": (400, post(b"Content-Length: 0_0\r\n")),
    "hexadecimal length": (400, post(b"Content-Length: 0x0\r\n")),
    "length with exponent": (400, post(b"Content-Length: 0e0\r\n")),
    "length in two parts": (400, post(b"Content-Length: 0 0\r\n")),
    "empty length": (400, post(b"Content-Length:\r\n")),
    "length in superscript": (400, post(b"Content-Length: \xb2\r\n")),
    "length of 20 digits": (400, post(b"Content-Length: 00000000000000000000\r\n")),
    "length in quotes": (400, post(b'Content-Length: "0"\r\n')),
    "coding twice": (400, post(CHUNKED + CHUNKED)),
    "chunked twice": (400, post(b"Transfer-Encoding: chunked, chunked\r\n")),
    "empty coding": (400, post(b"Transfer-Encoding:\r\n")),
    "coding with a comma": (400, post(b"Transfer-Encoding: chunked,\r\n")),
    "coding in quotes": (400, post(b'Transfer-Encoding: "chunked"\r\n')),
    "coding with a parameter": (400, post(b"Transfer-Encoding: chunked;a=b\r\n")),
    "coding in HTTP/1.0": (400, b"POST / HTTP/1.0\r\n" + HOST + CHUNKED + END),
    "vertical tab before coding": (400, post(b"Transfer-Encoding:\x0bchunked\r\n")),
    "NUL in coding": (400, post(b"Transfer-Encoding: chunk\x00ed\r\n")),
    "space before colon": (400, post(b"Transfer-Encoding : chunked\r\n")),
    "tab before colon": (400, post(b"Content-Length\t: 5\r\n")),
    "folded coding": (400, post(b"Transfer-Encoding:\r\n chunked\r\n")),
    "folded length": (400, post(b"Content-Length:\r\n\t5\r\n")),
    "coding after bare LF": (400, post(b"X: y\nTransfer-Encoding: chunked\r\n")),
    "coding after bare CR": (400, post(b"X: y\rTransfer-Encoding: chunked\r\n")),
    "length after bare CR": (400, post(b"Content-Length: 0\rX: 5\r\n")),
    "unknown coding": (501, post(b"Transfer-Encoding: gzip\r\n")),
    "identity": (501, post(b"Transfer-Encoding: identity\r\n")),
    "nearly chunked": (501, post(b"Transfer-Encoding: xchunked\r\n")),
    "unknown coding, then chunked": (501, post(b"Transfer-Encoding: gzip, chunked\r\n")),
    "chunked, then unknown coding": (501, post(b"Transfer-Encoding: chunked, identity\r\n")),
    "WebSocket handshake with a body": (400, get(b"Upgrade: websocket\r\nContent-Length: 5\r\n")),
}

# Heads that no client sends which means well.
ABUSE: dict[str, tuple[int, bytes]] = {
    "HTTP/0.9": (400, b"GET /\r\n" + END),
    "HTTP/0.9 by name": (400, line(b"GET / HTTP/0.9")),
    "HTTP/1.2": (400, line(b"GET / HTTP/1.2")),
    "HTTP/2.0": (400, line(b"GET / HTTP/2.0")),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "version in lower case": (400, line(b"GET / http/1.1")),
    "version with more digits": (400, line(b"GET / HTTP/1.10")),
    "RTSP": (400, line(b"GET / RTSP/1.0")),
    "two spaces": (400, line(b"GET  / HTTP/1.1")),
    "two spaces before the version": (400, line(b"GET /  HTTP/1.1")),
    "space behind the version": (400, line(b"GET / HTTP/1.1 ")),
    "tab for a space": (400, line(b"GET\t/ HTTP/1.1")),
    "space in the target": (400, line(b"GET /a b HTTP/1.1")),
    "method in lower case": (400, line(b"get / HTTP/1.1")),
    "unknown method": (400, line(b"FOO / HTTP/1.1")),
    "CONNECT": (400, line(b"CONNECT a:1 HTTP/1.1")),
    "no target": (400, line(b"GET HTTP/1.1")),
    "relative target": (400, line(b"GET a HTTP/1.1")),
    "asterisk for a GET": (400, line(b"GET * HTTP/1.1")),
    "target with a fragment": (400, line(b"GET /a#b HTTP/1.1")),
    "target beyond ASCII": (400, line(b"GET /\xe9 HTTP/1.1")),
    "control character in the target": (400, line(b"GET /\x01 HTTP/1.1")),
    "target with user information": (400, line(b"GET http://a@b/ HTTP/1.1")),
    "no Host": (400, GET + END),
    "two Hosts": (400, get(b"Host: b\r\n")),
    "two equal Hosts": (400, get(HOST)),
    "empty Host": (400, GET + b"Host:\r\n" + END),
    "path in Host": (400, GET + b"Host: a/b\r\n" + END),
    "user in Host": (400, GET + b"Host: a@b\r\n" + END),
    "list in Host": (400, GET + b"Host: a, b\r\n" + END),
    "letters for a port": (400, GET + b"Host: a:b\r\n" + END),
    "no colon": (400, get(b"foo\r\n")),
    "no name": (400, get(b": foo\r\n")),
    "space in a name": (400, get(b"X Y: foo\r\n")),
    "name beyond ASCII": (400, get(b"X\xe9: foo\r\n")),
    "NUL in a name": (400, get(b"X\x00: foo\r\n")),
    "NUL in a value": (400, get(b"X: a\x00b\r\n")),
    "DEL in a value": (400, get(b"X: a\x7fb\r\n")),
    "escape in a value": (400, get(b"X: \x1b[2J\r\n")),
    "folded value": (400, get(b"X: a\r\n b\r\n")),
    "space before the first header": (400, GET + b" Host: a\r\n" + END),
    "line ends of LF": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "LF behind the request line": (400, b"GET / HTTP/1.1\n" + HOST + END),
    "LF for the empty line": (400, GET + HOST + b"\n"),
    "CR CR LF": (400, get(b"X: a\r\r\n")),
    "two empty lines first": (400, END + END + get(b"")),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "PROXY protocol": (400, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(b"")),
    "text": (400, b"hello\r\n\r\n"),
}

REFUSED = SMUGGLING | ABUSE


def parse(
    *pieces: bytes, limits: RequestLimits = LIMITS, environ: dict[str, Any] | None = None
) -> Head | None:
    parser = HeadParser(limits, {} if environ is None else environ)
    for piece in pieces:
        if parser.feed(piece) is not None:
            return parser.finish()
    return None


def environ_of(*pieces: bytes) -> dict[str, Any]:
    environ: dict[str, Any] = {}
    assert parse(*pieces, environ=environ) is not None
    return environ


@pytest.mark.parametrize(("status", "head"), REFUSED.values(), ids=REFUSED)
def test_a_bad_head_is_refused(status: int, head: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse(head)
    assert refused.value.status == status
    assert refused.value.reason.isascii()


@pytest.mark.parametrize(("status", "head"), REFUSED.values(), ids=REFUSED)
def test_a_bad_head_is_refused_byte_by_byte_too(status: int, head: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse(*(head[i : i + 1] for i in range(len(head))))
    # Of a coding that isn't complete, nobody can say whether it is unknown or malformed.
    assert refused.value.status in (status, 400)


def test_a_head_becomes_what_pywsgi_makes_of_it() -> None:
    environ = environ_of(
        b"POST /a%20b/%C3%A9?x=%20&y HTTP/1.1\r\nHost: a:1\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 3\r\n"
        b"X-One:  padded \t\r\nX-Many: 1\r\nx-many: 2\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-High: \xe9\r\nX-None:\r\n\r\n"
    )
    assert environ == {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/\xc3\xa9",
        "QUERY_STRING": "x=%20&y",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "a:1",
        "HTTP_X_ONE": "padded",
        "HTTP_X_MANY": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_HIGH": "\xe9",
        "HTTP_X_NONE": "",
    }


def test_a_header_with_an_underscore_is_dropped() -> None:
    environ = environ_of(
        get(b"X_Real_IP: 1\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\nX-Y: 2\r\n")
    )
    assert {key for key in environ if key.startswith(("HTTP_", "CONTENT_"))} == {"HTTP_HOST", "HTTP_X_Y"}


def test_no_header_reaches_a_key_of_the_server() -> None:
    environ = {"REMOTE_ADDR": "1.2.3.4", "wsgi.input": None}
    parse(get(b"remote-addr: 5\r\nwsgi.input: 6\r\nSERVER-NAME: 7\r\n"), environ=environ)
    assert environ["REMOTE_ADDR"] == "1.2.3.4"
    assert environ["wsgi.input"] is None
    assert environ["HTTP_REMOTE_ADDR"] == "5"


@pytest.mark.parametrize(
    ("fields", "length"),
    [(b"", 0), (b"Content-Length: 7\r\n", 7), (b"Content-Length: 007\r\n", 7), (CHUNKED, None)],
)
def test_the_framing_is_read_off(fields: bytes, length: int | None) -> None:
    head = parse(post(fields))
    assert head is not None
    assert head.length == length


def test_a_length_that_no_limit_lets_pass_is_still_a_length() -> None:
    head = parse(post(b"Content-Length: 9999999999999999999\r\n"))
    assert head is not None
    assert head.length == 9_999_999_999_999_999_999


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"Close", False),
        (b"1.1", b"Upgrade, close", False),
        (b"1.1", b"keep-alive, Upgrade", True),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_the_connection_goes_on_as_its_header_says(
    version: bytes, connection: bytes, keep_alive: bool
) -> None:
    field = b"Connection: " + connection + b"\r\n" if connection else b""
    head = parse(b"GET / HTTP/" + version + b"\r\n" + HOST + field + END)
    assert head is not None
    assert head.keep_alive is keep_alive


def test_http_1_0_needs_no_host() -> None:
    assert "HTTP_HOST" not in environ_of(b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("host", ["a", "a:80", "a.b-c_d:8080", "127.0.0.1:1", "[::1]:3000", "[::1]", "a:"])
def test_a_host_may_be(host: str) -> None:
    assert environ_of(GET + f"Host: {host}\r\n\r\n".encode())["HTTP_HOST"] == host


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://b:1/c?d=e", "/c", "d=e"),
        (b"HTTPS://b:1", "/", ""),
        (b"http://b:1?d", "/", "d"),
    ],
)
def test_the_authority_of_an_absolute_target_replaces_the_host(target: bytes, path: str, query: str) -> None:
    environ = environ_of(line(b"GET " + target + b" HTTP/1.1"))
    assert (environ["HTTP_HOST"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("b:1", path, query)


def test_options_may_ask_about_the_server_itself() -> None:
    assert environ_of(line(b"OPTIONS * HTTP/1.1"))["PATH_INFO"] == "*"


def test_one_empty_line_before_the_request_line_is_let_pass() -> None:
    assert environ_of(END + get(b"")) == environ_of(get(b""))


@pytest.mark.parametrize(("version", "expects"), [(b"1.1", True), (b"1.0", False)])
def test_only_http_1_1_can_wait_for_continue(version: bytes, expects: bool) -> None:
    fields = b"Expect: 100-Continue\r\nContent-Length: 1\r\n"
    head = parse(b"POST / HTTP/" + version + b"\r\n" + HOST + fields + END)
    assert head is not None
    assert head.expects_continue is expects


def test_what_stands_behind_the_head_is_left_alone() -> None:
    parser = HeadParser(LIMITS, {})
    head = get(b"")
    assert parser.feed(head[:20]) is None
    assert parser.feed(head[20:] + b"\r\nbehind") == len(head) - 20


@given(st.lists(st.integers(0, 200), max_size=6))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    head = get(b"User-Agent: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    edges = [0, *sorted(min(cut, len(head)) for cut in cuts), len(head)]
    pieces = [head[start:end] for start, end in pairwise(edges) if start < end]
    assert environ_of(*pieces) == environ_of(head)


@given(st.binary(max_size=200), st.sampled_from([b"", GET, GET + HOST, POST + HOST + b"X: "]))
def test_no_input_raises_anything_else(data: bytes, start: bytes) -> None:
    with contextlib.suppress(RequestRefused):
        parse(start + data + b"\r\n\r\n")


SMALL = RequestLimits(max_request_line=40, max_head=200, max_headers=3)


def request_line(size: int) -> bytes:
    return b"GET /" + b"a" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (line(request_line(40)), None),
        (line(request_line(41)), 414),
        (END + line(request_line(40)), None),
        (END + line(request_line(41)), 414),
        (request_line(500), 414),
        (get(b"A: 1\r\nB: 2\r\n"), None),
        (get(b"A: 1\r\nB: 2\r\nC: 3\r\n"), 431),
        (GET + b"A: 1\r\n" * 5, 431),
        (get(b"A: " + b"1" * (200 - len(get(b"A: \r\n"))) + b"\r\n"), None),
        (get(b"A: " + b"1" * (201 - len(get(b"A: \r\n"))) + b"\r\n"), 431),
        (GET + HOST + b"A: " + b"1" * 500, 431),
    ],
)
def test_a_limit_holds_at_its_own_figure(head: bytes, status: int | None, at_once: bool) -> None:
    pieces = [head] if at_once else [head[i : i + 1] for i in range(len(head))]
    if status is None:
        assert parse(*pieces, limits=SMALL) is not None
        return
    with pytest.raises(RequestRefused) as refused:
        parse(*pieces, limits=SMALL)
    assert refused.value.status == status


def test_the_default_limits_are_those_of_the_documentation() -> None:
    assert (LIMITS.max_request_line, LIMITS.max_head, LIMITS.max_headers) == (8192, 32768, 100)
    assert (LIMITS.head_timeout, LIMITS.keepalive_idle) == (10.0, 75.0)
    assert (LIMITS.body_timeout, LIMITS.body_grace, LIMITS.body_min_rate) == (60.0, 10.0, 500.0)


def test_an_unknown_limit_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        RequestLimits(max_hat=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("max_head", "32k", TypeError),
        ("max_headers", -1, ValueError),
        ("head_timeout", float("nan"), ValueError),
    ],
)
def test_an_impossible_limit_is_refused_by_name(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        RequestLimits(**{name: value})
