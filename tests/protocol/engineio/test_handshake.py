"""Queries, refusals and the OPEN packet (engine.io-protocol, "Handshake")."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socketio_sync.exceptions import HandshakeRefused
from socketio_sync.protocol.engineio.handshake import (
    Refusal,
    Request,
    check_handshake,
    check_revision,
    check_session,
    open_data,
    parse_query,
    parse_request,
    read_request,
)

BOTH = ("polling", "websocket")


def request(query: str) -> Request:
    return parse_request(parse_query(query), transports=BOTH)


def outcome(read: Any, *arguments: Any, **more: Any) -> Any:
    """Return what ``read`` returns, or the code and context of its refusal."""
    try:
        return read(*arguments, **more)
    except Refusal as refusal:
        return refusal.code, refusal.context


def session(query: str, **changes: Any) -> None:
    arguments = {"exists": True, "transport": "polling", "revision": 4, "upgrading": False, **changes}
    check_session(request(query), **arguments)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a&b=&=c&&", {"a": "", "b": "", "": "c"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=x+y%20z&%61b=1", {"a": "x y z", "ab": "1"}),
        ("a=%E2%82%AC%ff%", {"a": "€\ufffd%"}),
        ("__proto__=1", {"__proto__": "1"}),
    ],
)
def test_queries_are_read(text: str, query: dict[str, str]) -> None:
    assert parse_query(text) == query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("EIO=4&transport=polling", Request("polling", None, 4, False, None)),
        ("EIO=4&transport=websocket&sid=abc", Request("websocket", "abc", 4, False, None)),
        ("EIO=3&transport=polling&b64=1", Request("polling", None, 3, True, None)),
        ("EIO=3&transport=polling&b64=", Request("polling", None, 3, False, None)),
        ("EIO=4&transport=polling&sid=", Request("polling", None, 4, False, None)),
        ("transport=polling", Request("polling", None, None, False, None)),
        ("EIO=5&transport=polling", Request("polling", None, None, False, None)),
        ("EIO=04&transport=polling", Request("polling", None, None, False, None)),
        ("EIO=%D9%A4&transport=polling", Request("polling", None, None, False, None)),
        ("EIO=3&EIO=4&transport=polling", Request("polling", None, 4, False, None)),
        ("EIO=3&transport=polling&j=12", Request("polling", None, 3, True, "12")),
        ("EIO=3&transport=polling&j=1);alert(2%D9%A1", Request("polling", None, 3, True, "12")),
        ("EIO=3&transport=polling&j=x", Request("polling", None, 3, False, None)),
        ("EIO=3&transport=websocket&j=1", Request("websocket", None, 3, False, None)),
    ],
)
def test_requests_are_read(query: str, expected: Request) -> None:
    assert request(query) == expected


@pytest.mark.parametrize(
    ("query", "transports", "context"),
    [
        ("EIO=4", BOTH, {"transport": None}),
        ("EIO=4&transport=", BOTH, {"transport": ""}),
        ("EIO=4&transport=webtransport", BOTH, {"transport": "webtransport"}),
        ("EIO=4&transport=websocket", ("polling",), {"transport": "websocket"}),
    ],
)
def test_a_transport_that_is_not_served_is_code_0(
    query: str, transports: tuple[str, ...], context: dict[str, Any]
) -> None:
    with pytest.raises(Refusal) as caught:
        parse_request(parse_query(query), transports=transports)
    assert (caught.value.code, caught.value.status, caught.value.context) == (0, 400, context)


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("EIO=4&transport=polling&sid=a", {}),
        ("EIO=3&transport=polling&sid=a", {"revision": 3}),
        ("EIO=4&transport=websocket&sid=a", {"upgrading": True}),
    ],
)
def test_requests_that_fit_their_session_pass(query: str, changes: dict[str, Any]) -> None:
    session(query, **changes)


@pytest.mark.parametrize(
    ("query", "changes", "code", "context"),
    [
        ("EIO=4&transport=polling&sid=__proto__", {"exists": False}, 1, {"sid": "__proto__"}),
        ("EIO=3&transport=websocket&sid=a", {"exists": False}, 1, {"sid": "a"}),
        (
            "EIO=4&transport=polling&sid=a",
            {"transport": "websocket"},
            3,
            {"name": "TRANSPORT_MISMATCH", "transport": "polling", "previousTransport": "websocket"},
        ),
        (
            "EIO=4&transport=websocket&sid=a",
            {},
            3,
            {"name": "TRANSPORT_MISMATCH", "transport": "websocket", "previousTransport": "polling"},
        ),
        (
            "EIO=4&transport=websocket&sid=a",
            {"transport": "websocket", "upgrading": True},
            3,
            {"name": "TRANSPORT_MISMATCH", "transport": "websocket", "previousTransport": "websocket"},
        ),
        (
            "EIO=4&transport=websocket&sid=a",
            {"transport": "websocket"},
            3,
            {"name": "TRANSPORT_HANDSHAKE_ERROR"},
        ),
        ("EIO=4&transport=polling&sid=a", {"upgrading": True}, 3, {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
        (
            "EIO=3&transport=polling&sid=a",
            {},
            3,
            {"name": "PROTOCOL_MISMATCH", "protocol": 3, "previousProtocol": 4},
        ),
        (
            "transport=polling&sid=a",
            {},
            3,
            {"name": "PROTOCOL_MISMATCH", "protocol": None, "previousProtocol": 4},
        ),
    ],
)
def test_requests_that_do_not_fit_their_session_are_refused(
    query: str, changes: dict[str, Any], code: int, context: dict[str, Any]
) -> None:
    with pytest.raises(Refusal) as caught:
        session(query, **changes)
    assert (caught.value.code, caught.value.status, caught.value.context) == (code, 400, context)


@pytest.mark.parametrize("transport", BOTH)
def test_handshakes_by_the_right_kind_of_request_pass(transport: str) -> None:
    check_handshake(
        request(f"EIO=4&transport={transport}"), method="GET", is_upgrade=transport == "websocket"
    )


@pytest.mark.parametrize(
    ("query", "method", "is_upgrade", "code"),
    [
        ("EIO=4&transport=polling", "POST", False, 2),
        ("EIO=4&transport=polling", "HEAD", False, 2),
        ("EIO=4&transport=websocket", "POST", False, 2),
        ("EIO=4&transport=websocket", "GET", False, 3),
        ("EIO=4&transport=polling", "GET", True, 3),
    ],
)
def test_other_handshakes_are_refused(query: str, method: str, is_upgrade: bool, code: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_handshake(request(query), method=method, is_upgrade=is_upgrade)
    expected = {"method": method} if code == 2 else {"name": "TRANSPORT_HANDSHAKE_ERROR"}
    assert (caught.value.code, caught.value.context) == (code, expected)


@pytest.mark.parametrize(("eio", "allowed"), [("4", True), ("4", False), ("3", True)])
def test_served_revisions_pass(eio: str, allowed: bool) -> None:
    assert check_revision(request(f"EIO={eio}&transport=polling"), allow_eio3=allowed) == int(eio)


@pytest.mark.parametrize(
    ("eio", "allowed"), [("3", False), ("", True), ("2", True), ("5", True), ("4x", True)]
)
def test_other_revisions_are_code_5(eio: str, allowed: bool) -> None:
    with pytest.raises(Refusal) as caught:
        check_revision(request(f"EIO={eio}&transport=polling"), allow_eio3=allowed)
    assert caught.value.body == b'{"code":5,"message":"Unsupported protocol version"}'


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (0, 400, "Transport unknown"),
        (1, 400, "Session ID unknown"),
        (2, 400, "Bad handshake method"),
        (3, 400, "Bad request"),
        (4, 403, "Forbidden"),
        (5, 400, "Unsupported protocol version"),
    ],
)
def test_refusals_have_the_texts_and_statuses_of_the_node_server(
    code: int, status: int, message: str
) -> None:
    refusal = Refusal(code)
    assert isinstance(refusal, HandshakeRefused)
    assert (refusal.status, refusal.message, refusal.context) == (status, message, {})
    assert refusal.body == b'{"code":%d,"message":"%b"}' % (code, message.encode())


def test_a_refusal_may_be_for_now() -> None:
    assert (Refusal(4, for_now=True).status, Refusal(4, for_now=True).retry_after) == (503, None)
    assert (Refusal(4, retry_after=7).status, Refusal(4, retry_after=7).retry_after) == (429, 7)


def test_a_refusal_may_have_a_text_of_its_own() -> None:
    refusal = Refusal(4, message='né "a"\ud800', context={"message": "né"})
    assert json.loads(refusal.body) == {"code": 4, "message": 'né "a"\ud800'}
    assert refusal.context == {"message": "né"}


def test_the_open_packet_counts_milliseconds_in_the_order_of_the_node_server() -> None:
    data = open_data(
        "abc", upgrades=("websocket",), ping_interval=25.0, ping_timeout=0.2505, max_payload=1_000_000
    )
    assert data == (
        '{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":250,"maxPayload":1000000}'
    )


@given(st.text())
def test_any_query_is_a_request_or_a_refusal(text: str) -> None:
    query = parse_query(text)
    for transport in ("polling", "websocket", query.get("transport", "x")):
        with suppress(Refusal):
            parsed = parse_request({**query, "transport": transport}, transports=BOTH)
            assert parsed.jsonp is None or (parsed.jsonp.isascii() and parsed.jsonp.isdigit())


PAIRS = st.sampled_from(
    [
        *["EIO=4", "EIO=3", "EIO=", "EIO=5", "EIO=\u0664", "eio=4", "EIO"],
        *["transport=polling", "transport=websocket", "transport=", "transport=pollin%67"],
        *["sid=abc_-9", "sid=", "sid", "sid=a%20b", "sid=a+b", "sid=a.b", "sid=a=b", "sid=\xe9"],
        *["t=PaQ3x.1", "t=", "t=a~b", "t=%41", "b64=1", "j=0", "j=x", "", "x=y"],
    ]
)


@given(st.lists(PAIRS, max_size=6), st.sampled_from([BOTH, ("websocket",), ("polling",)]))
@example(["EIO=4", "transport=polling", "t=PaQ3x.1", "sid=abc_-9"], BOTH)
@example(["EIO=3", "transport=polling", "sid=abc_-9", "t=PaQ3x.1"], BOTH)
@example(["EIO=4", "transport=polling", "sid=abc_-9"], ("websocket",))
@example(["EIO=4", "transport=polling", "sid=abc_-9", "j=0"], BOTH)
@example(["EIO=4", "transport=polling", "sid=abc_-9", "sid="], BOTH)
def test_the_short_way_reads_what_the_long_one_does(pairs: list[str], transports: tuple[str, ...]) -> None:
    query = "&".join(pairs)
    short = outcome(read_request, query, transports)
    long = outcome(parse_request, parse_query(query), transports=transports)
    assert (short, type(short)) == (long, type(long))
