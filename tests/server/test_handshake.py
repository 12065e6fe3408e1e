"""What a socket knows of how its client came."""

from __future__ import annotations

from time import time
from typing import Any

import pytest

from socketio_sync.server.handshake import Handshake

ENVIRON = {
    "SCRIPT_NAME": "/app",
    "PATH_INFO": "/socket.io/",
    "QUERY_STRING": "EIO=4&room=a&room=b%20c",
    "HTTP_USER_AGENT": "test",
    "HTTP_X_FORWARDED_FOR": "9.9.9.9, 1.2.3.4, 10.0.0.1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "CONTENT_TYPE": "text/plain",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
}


def handshake(trusted_proxies: int = 0, **more: Any) -> Handshake:
    return Handshake(dict(ENVIRON), {"token": 1}, trusted_proxies=trusted_proxies, **more)


def test_headers_have_lower_case_names() -> None:
    headers = handshake().headers
    assert headers["user-agent"] == "test"
    assert headers["content-type"] == "text/plain"
    assert "remote-addr" not in headers


def test_the_last_value_of_a_query_parameter_wins() -> None:
    assert handshake().query == {"EIO": "4", "room": "b c"}


def test_the_query_of_an_old_client_s_namespace_is_added() -> None:
    assert handshake(extra_query={"token": "ab"}).query == {"EIO": "4", "room": "b c", "token": "ab"}


@pytest.mark.feature(31)
def test_the_url_is_path_and_query() -> None:
    assert handshake().url == "/app/socket.io/?EIO=4&room=a&room=b%20c"


def test_an_origin_makes_it_xdomain() -> None:
    made = handshake()
    assert not made.xdomain
    made.environ["HTTP_ORIGIN"] = "https://example.com"
    assert made.xdomain


def test_auth_and_time() -> None:
    made = handshake()
    assert made.auth == {"token": 1}
    assert abs(made.time - time()) < 5


@pytest.mark.parametrize(
    ("proxies", "address", "secure"),
    [
        (0, "127.0.0.1", False),
        (1, "10.0.0.1", True),
        (2, "1.2.3.4", True),
        (3, "9.9.9.9", True),
        (9, "9.9.9.9", True),
    ],
)
@pytest.mark.feature(46)
def test_forwarded_addresses_count_from_the_trusted_end(proxies: int, address: str, secure: bool) -> None:
    made = handshake(proxies)
    assert (made.address, made.secure) == (address, secure)


def test_trusted_proxies_that_say_nothing_leave_the_peer() -> None:
    made = Handshake({"REMOTE_ADDR": "::1", "wsgi.url_scheme": "https"}, {}, trusted_proxies=1)
    assert (made.address, made.secure) == ("::1", True)


def test_the_standard_header_counts_where_the_proxies_set_that() -> None:
    forwarded = "for=8.8.8.8;proto=http, for=1.2.3.4;proto=https"
    made = Handshake({**ENVIRON, "HTTP_FORWARDED": forwarded}, {}, trusted_proxies=1, forwarded_header=True)
    assert (made.address, made.secure) == ("1.2.3.4", True)
