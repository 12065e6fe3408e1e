"""The opening handshake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.websocket.handshake import (
    UpgradeRefused,
    UpgradeRequest,
    is_upgrade,
    parse_upgrade,
    upgrade_response,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def environ(**changes: Any) -> dict[str, Any]:
    """The request of section 1.2, with changes; None takes a header away."""
    request = {
        "REQUEST_METHOD": "GET",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_KEY": KEY,
        "HTTP_SEC_WEBSOCKET_PROTOCOL": "chat, superchat",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
    }
    request.update(changes)
    return {name: value for name, value in request.items() if value is not None}


def test_example_of_section_1_2() -> None:
    request = parse_upgrade(environ())
    assert request == UpgradeRequest(KEY, ("chat", "superchat"))
    assert upgrade_response(request) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTP_UPGRADE": "WebSocket"},
        {"HTTP_UPGRADE": "h2c, websocket"},
        {"HTTP_CONNECTION": "keep-alive, upgrade"},
        {"HTTP_CONNECTION": "UPGRADE ,keep-alive"},
        {"HTTP_SEC_WEBSOCKET_VERSION": " 13 "},
        {"HTTP_SEC_WEBSOCKET_KEY": f" {KEY} "},
    ],
)
def test_tokens_are_read_in_any_case_and_from_lists(changes: dict[str, str]) -> None:
    assert parse_upgrade(environ(**changes)).key == KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"REQUEST_METHOD": "POST"},
        {"REQUEST_METHOD": "get"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"SERVER_PROTOCOL": "HTTP/2"},
        {"SERVER_PROTOCOL": None},
        {"HTTP_UPGRADE": None},
        {"HTTP_UPGRADE": "h2c"},
        {"HTTP_UPGRADE": "websockets"},
        {"HTTP_CONNECTION": None},
        {"HTTP_CONNECTION": "keep-alive"},
        {"HTTP_SEC_WEBSOCKET_KEY": None},
        {"HTTP_SEC_WEBSOCKET_KEY": ""},
        {"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ="},
        {"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZTE="},
        {"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25j_Q=="},
        {"HTTP_SEC_WEBSOCKET_KEY": f"{KEY}, {KEY}"},
        {"HTTP_SEC_WEBSOCKET_PROTOCOL": "chat, chat"},
        {"HTTP_SEC_WEBSOCKET_PROTOCOL": "one two"},
        {"HTTP_SEC_WEBSOCKET_PROTOCOL": "chat\r\nSet-Cookie: a"},
    ],
)
def test_malformed_handshakes_are_refused_with_400(changes: dict[str, str | None]) -> None:
    with pytest.raises(UpgradeRefused) as caught:
        parse_upgrade(environ(**changes))
    assert caught.value.status == 400
    assert caught.value.headers == []


@pytest.mark.parametrize("version", [None, "", "8", "14", "013", "13, 8", "\u0661\u0663"])
def test_other_versions_are_refused_with_426_and_told_ours(version: str | None) -> None:
    with pytest.raises(UpgradeRefused) as caught:
        parse_upgrade(environ(HTTP_SEC_WEBSOCKET_VERSION=version))
    assert caught.value.status == 426
    assert caught.value.headers == [("Sec-WebSocket-Version", "13")]


@pytest.mark.parametrize("value", [None, "", " ", ","])
def test_subprotocols_are_optional(value: str | None) -> None:
    request = parse_upgrade(environ(HTTP_SEC_WEBSOCKET_PROTOCOL=value))
    assert request.subprotocols == ()
    assert b"Protocol:" not in upgrade_response(request)


def test_only_requests_that_ask_for_it_are_upgrades() -> None:
    assert is_upgrade(environ())
    assert is_upgrade({"HTTP_UPGRADE": "WebSocket"})
    assert not is_upgrade({})
    assert not is_upgrade({"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "upgrade"})


def test_headers_are_added_in_order() -> None:
    head = upgrade_response(UpgradeRequest(KEY, ()), [("Set-Cookie", "io=1; Path=/"), ("X-Two", "\xe9\t")])
    assert head.endswith(b"xOo=\r\nSet-Cookie: io=1; Path=/\r\nX-Two: \xe9\t\r\n\r\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\rb"), ("X", "\0"), ("X\r\nY", "a"), ("X: ", "a"), ("", "a")],
)
def test_headers_with_line_breaks_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="not a header"):
        upgrade_response(UpgradeRequest(KEY, ()), [(name, value)])


def test_headers_beyond_latin_1_are_refused() -> None:
    with pytest.raises(ValueError, match="latin-1"):
        upgrade_response(UpgradeRequest(KEY, ()), [("X", "\N{BEETLE}")])


@given(
    st.dictionaries(
        st.sampled_from(sorted(environ())), st.text(st.characters(max_codepoint=255)) | st.just("websocket")
    )
)
def test_any_request_is_accepted_or_refused(changes: dict[str, str]) -> None:
    try:
        head = upgrade_response(parse_upgrade(environ(**changes)))
    except UpgradeRefused:
        return
    assert head.count(b"\r\n\r\n") == 1
