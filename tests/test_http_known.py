"""Heads that are recognised instead of parsed: never with another result, and never one that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socketio_sync.http_head import HeadParser, RequestLimits, RequestRefused
from socketio_sync.http_known import KnownHeads, Received
from tests.test_http_head import REFUSED

LIMITS = RequestLimits()
BASE = {"wsgi.version": (1, 0)}

FIELDS = b"Host: a:1\r\nAccept: */*\r\nCookie: a=b\r\nConnection: keep-alive\r\n"
GET = b"GET /socket.io/?EIO=4&t=1 HTTP/1.1\r\n" + FIELDS + b"\r\n"


def post(length: bytes, *, name: bytes = b"Content-Length", rest: bytes = FIELDS) -> bytes:
    start = b"POST /socket.io/?EIO=4 HTTP/1.1\r\nContent-Type: text/plain\r\n"
    return start + name + b": " + length + b"\r\n" + rest + b"\r\n"


def parsed(data: bytes, limits: RequestLimits = LIMITS) -> Received | None:
    """Return what the parser makes of a head before ``data`` goes on; None where it refuses or wants more."""
    environ: dict[str, Any] = dict(BASE)
    parser = HeadParser(limits, environ)
    try:
        used = parser.feed(data)
        return None if used is None else Received(parser.finish(), environ, data[used:])
    except RequestRefused:
        return None


def knowing(*heads: bytes, limits: RequestLimits = LIMITS) -> KnownHeads:
    """Return a memory that has seen ``heads``."""
    known = KnownHeads(limits)
    for data in heads:
        environ: dict[str, Any] = dict(BASE)
        parser = HeadParser(limits, environ)
        assert parser.feed(data) is not None
        known.note(parser.seen, parser.finish(), environ)
    return known


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (GET, GET),
        (GET, GET.replace(b"t=1", b"t=another&sid=x")),
        (GET, GET.replace(b"EIO=4&t=1", b"")),
        (GET, GET.replace(b"t=1", b"t=%20?/\"'<>")),
        (GET, GET + b"GET / HTTP/1.1\r\n"),
        (post(b"5"), post(b"5") + b"hello"),
        (post(b"5"), post(b"12") + b"hello world!"),
        (post(b"5"), post(b"0")),
        (post(b"0"), post(b"007")),
        (post(b"5"), post(b"9999999999999999999")),
        (post(b"5", rest=b"Host: a\r\n"), post(b"6", rest=b"Host: a\r\n")),
        (post(b"5", name=b"content-length"), post(b"5", name=b"content-length") + b"hello"),
        (GET.replace(b"/socket.io/", b"/a%20b/"), GET.replace(b"/socket.io/", b"/a%20b/")),
    ],
)
def test_what_is_recognised_is_what_the_parser_makes_of_it(first: bytes, second: bytes) -> None:
    expected = parsed(second)
    assert expected is not None
    assert knowing(first).recall(second) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (GET, GET.replace(b"a=b", b"a=c")),
        (GET, GET.replace(b"GET", b"POST", 1)),
        (GET, GET.replace(b"/socket.io/", b"/other/")),
        (GET, GET.replace(b"HTTP/1.1", b"HTTP/1.0")),
        (GET, GET[:-2] + b"X: y\r\n\r\n"),
        (GET, GET[:-1]),
        (GET, GET[:40]),
        (GET, b"\r\n" + GET),
        (GET, b""),
        (post(b"5"), post(b"5", name=b"content-length")),
        (post(b"5", name=b"content-length"), post(b"6", name=b"content-length")),
        (post(b"5"), post(b"5").replace(b"Content-Length: 5\r\n", b"")),
        (GET, post(b"5")),
    ],
)
def test_what_differs_elsewhere_is_left_to_the_parser(first: bytes, second: bytes) -> None:
    assert knowing(first).recall(second) is None


@pytest.mark.parametrize(
    "head",
    [
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"?EIO=4&t=1", b""),
        GET.replace(b"/socket.io/", b"http://b/"),
        b"\r\n" + GET,
        GET[:-2] + b"Upgrade: websocket\r\n\r\n",
        GET[:-2] + b"Upgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        GET[:-2] + b"X: " + b"x" * 4096 + b"\r\n\r\n",
        post(b"5", rest=FIELDS + b"Expect: 100-continue\r\n"),
        post(b"chunked", name=b"Transfer-Encoding"),
    ],
)
def test_what_another_request_depends_on_more_than_its_bytes_is_not_remembered(head: bytes) -> None:
    assert parsed(head) is not None
    assert knowing(head).recall(head) is None


@pytest.mark.parametrize("byte", range(256))
def test_a_query_has_no_byte_that_the_parser_refuses(byte: int) -> None:
    head = GET.replace(b"t=1", b"t=" + bytes([byte]) + b"1")
    recalled = knowing(GET).recall(head)
    assert recalled == parsed(head)
    assert (recalled is None) is (byte <= 32 or byte >= 127 or byte == ord("#"))


@pytest.mark.parametrize(
    "length",
    [b"", b" 5", b"5 ", b"+5", b"-5", b"5_0", b"0x5", b"5, 5", b"5\r\nContent-Length: 5", b"1" * 20, b"\xb2"],
)
def test_a_length_has_nothing_but_digits(length: bytes) -> None:
    assert knowing(post(b"5")).recall(post(length)) is None


@pytest.mark.parametrize("head", [head for _, head in REFUSED.values()], ids=list(REFUSED))
def test_what_the_parser_refuses_is_never_recognised(head: bytes) -> None:
    assert knowing(GET, post(b"5")).recall(head) is None
    # The same faults in the heads that are known, too.
    _, _, fields = head.partition(b"\r\n")
    for start in (GET.partition(b"\r\n")[0], post(b"5").partition(b"\r\n")[0]):
        bad = start + b"\r\n" + fields
        if parsed(bad) is None:
            assert knowing(GET, post(b"5")).recall(bad) is None


@given(
    st.sampled_from([GET, post(b"5"), post(b"123456")]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(max_size=3)), max_size=3),
)
@example(GET, [(24, 0, b" ")])
@example(post(b"5"), [(60, 0, b"\r\n")])
def test_no_change_makes_a_difference_to_the_parser(
    head: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    changed = head
    for at, cut, put in changes:
        changed = changed[:at] + put + changed[at + cut :]
    recalled = knowing(GET, post(b"5")).recall(changed)
    assert recalled is None or recalled == parsed(changed)


def test_each_request_has_an_environ_of_its_own() -> None:
    known = knowing(GET)
    first = known.recall(GET)
    assert first is not None
    first.environ.clear()
    assert known.recall(GET) == parsed(GET)


def test_a_connection_remembers_one_head_for_each_of_two_methods_and_no_more() -> None:
    known = knowing(GET, post(b"5"))
    assert known.recall(GET)
    assert known.recall(post(b"6"))
    known = knowing(GET, post(b"5"), GET.replace(b"a=b", b"a=c"))
    assert known.recall(GET) is None
    assert known.recall(GET.replace(b"a=b", b"a=c"))


@pytest.mark.parametrize(
    "limits",
    [RequestLimits(max_request_line=120), RequestLimits(max_head=len(GET) + 20)],
    ids=["request line", "head"],
)
def test_limits_hold_for_what_is_known(limits: RequestLimits) -> None:
    known = knowing(GET, limits=limits)
    for size in range(150):
        head = GET.replace(b"t=1", b"t=" + b"1" * size)
        recalled = known.recall(head)
        assert recalled is None or recalled == parsed(head, limits)
    assert known.recall(GET) is not None
