"""Same origin by default, and what each form of ``cors_allowed_origins`` allows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from socketio_sync.engine.origins import Origins, _names_cached, is_legal, is_same_origin
from socketio_sync.options import EngineOptions


def environ(origin: str | None, host: str = "example.com", **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"HTTP_HOST": host, **more}
    if origin is not None:
        made["HTTP_ORIGIN"] = origin
    return made


def rule(allowed: Any, **options: Any) -> Origins:
    return Origins(EngineOptions(cors_allowed_origins=allowed, **options))


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://example.com", "example.com", True),
        ("http://example.com", "example.com", True),
        ("https://EXAMPLE.com", "example.com", True),
        ("http://example.com:8000", "example.com:8000", True),
        ("http://example.com:80", "example.com", True),
        ("https://example.com", "example.com:443", True),
        ("http://[::1]:3000", "[::1]:3000", True),
        ("http://example.com:8001", "example.com:8000", False),
        ("http://example.com.evil.org", "example.com", False),
        ("http://evil.org", "example.com", False),
        ("null", "example.com", False),
        ("", "example.com", False),
        ("http://", "", False),
        ("http://example.com:port", "example.com", False),
    ],
)
def test_same_origin_compares_host_and_port(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin, environ(origin, host), 0) is same


@pytest.mark.parametrize("length", [1, 100, 1000, 30_000])
def test_names_of_any_length_are_compared_alike(length: int) -> None:
    host = "a" * length + ".example.com"
    for _ in range(2):
        assert is_same_origin(f"https://{host}", environ(None, host), 0)
        assert not is_same_origin(f"https://{host}", environ(None, f"b{host}"), 0)


def test_strangers_fill_the_memory_of_comparisons_only_so_far() -> None:
    for number in range(3000):
        is_same_origin(f"https://{number}.example.com", environ(None), 0)
        is_same_origin(f"https://{number}.{'x' * 300}", environ(None), 0)
    kept = _names_cached.cache_info()
    assert kept.currsize == kept.maxsize == 1024


def test_a_forwarded_host_counts_only_with_trusted_proxies() -> None:
    asked = environ("https://app.example", "10.0.0.5:8000", HTTP_X_FORWARDED_HOST="evil.org, app.example")
    assert not is_same_origin("https://app.example", asked, 0)
    assert is_same_origin("https://app.example", asked, 1)
    assert not is_same_origin("https://evil.org", asked, 1)


@pytest.mark.parametrize("origin", ["http://a b", "http://a\x00", "http://ä", "http://a\r\nX: 1"])
def test_origins_with_bytes_that_none_can_have_are_illegal(origin: str) -> None:
    assert not is_legal(origin)


@pytest.mark.parametrize(
    ("allowed", "origin", "is_allowed"),
    [
        (None, "https://other.org", False),
        ([], "https://other.org", False),
        ("*", "https://other.org", True),
        (["https://a.org", "*"], "https://other.org", True),
        ("https://a.org", "https://a.org", True),
        ("https://a.org/", "https://a.org", True),
        ("https://a.org", "https://a.org.evil.org", False),
        ("https://a.org", "http://a.org", False),
        ("https://*.a.org", "https://x.a.org", True),
        ("https://*.a.org", "https://a.org", False),
        ("https://*.a.org", "https://evil.org/.a.org", False),
        ("https://*.a.org", "https://x.a.org.evil.org", False),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost:5173@evil.org", False),
        (re.compile(r"https://\d+\.a\.org"), "https://12.a.org", True),
        (re.compile(r"https://\d+\.a\.org"), "https://12.a.org.evil.org", False),
        (("https://a.org", re.compile("https://b.*")), "https://b.org", True),
        (
            lambda origin, environ: origin == f"https://{environ['HTTP_HOST']}.org",
            "https://example.com.org",
            True,
        ),
        (lambda origin, environ: False, "https://a.org", False),
    ],
)
@pytest.mark.feature(124)
def test_what_each_form_allows(allowed: Any, origin: str, is_allowed: bool) -> None:
    assert rule(allowed).allows(environ(origin)) is is_allowed


def test_a_request_without_an_origin_is_no_browser_s_and_may_come() -> None:
    assert rule(None).allows(environ(None))


def test_no_cors_headers_unless_asked_for() -> None:
    assert rule(None).headers(environ("https://example.com")) == []
    assert not rule(None).configured


def test_a_listed_origin_is_echoed_with_vary_and_credentials() -> None:
    headers = rule(["https://a.org"]).headers(environ("https://a.org"))
    assert headers == [
        ("Access-Control-Allow-Origin", "https://a.org"),
        ("Vary", "Origin"),
        ("Access-Control-Allow-Credentials", "true"),
    ]
    without = rule(["https://a.org"], cors_credentials=False).headers(environ("https://a.org"))
    assert ("Access-Control-Allow-Credentials", "true") not in without


def test_an_origin_that_is_not_listed_gets_no_permission_to_read() -> None:
    assert rule(["https://a.org"]).headers(environ("https://b.org")) == [("Vary", "Origin")]


def test_a_star_never_comes_with_credentials() -> None:
    assert rule("*").headers(environ("https://a.org")) == [("Access-Control-Allow-Origin", "*")]


@pytest.mark.feature(127)
def test_a_preflight_names_methods_and_reflects_the_headers_asked_for() -> None:
    asked = environ(
        "https://a.org",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-token, content-type",
        HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK="true",
    )
    headers = rule(["https://a.org"]).preflight_headers(asked)
    assert ("Access-Control-Allow-Methods", "GET,POST") in headers
    assert ("Access-Control-Allow-Headers", "x-token, content-type") in headers
    assert ("Access-Control-Allow-Private-Network", "true") in headers
    asked["HTTP_ACCESS_CONTROL_REQUEST_HEADERS"] = "x\r\nSet-Cookie: a=b"
    assert not [name for name, _ in rule("*").preflight_headers(asked) if name.endswith("Allow-Headers")]


def test_what_a_page_may_send_and_read_are_options() -> None:
    configured = rule(
        ["https://a.org"], cors_allowed_headers=["x-a", "x-b"], cors_exposed_headers=["x-c"], cors_max_age=60
    )
    asked = environ("https://a.org", HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-token")
    headers = configured.preflight_headers(asked)
    assert ("Access-Control-Allow-Headers", "x-a,x-b") in headers
    assert ("Access-Control-Max-Age", "60") in headers
    assert ("Access-Control-Expose-Headers", "x-c") in configured.headers(asked)
    assert ("Access-Control-Expose-Headers", "x-c") in rule("*", cors_exposed_headers=["x-c"]).headers(asked)
    assert ("Access-Control-Expose-Headers", "x-c") not in configured.headers(environ("https://b.org"))
    assert ("Access-Control-Max-Age", "86400") in rule("*").preflight_headers(asked)


def test_a_host_in_the_standard_header_counts_where_the_proxies_set_that() -> None:
    asked = environ(None, HTTP_FORWARDED="host=app.example", HTTP_X_FORWARDED_HOST="evil.org")
    assert is_same_origin("https://app.example", asked, 1, standard=True)
    assert not is_same_origin("https://evil.org", asked, 1, standard=True)
    assert not is_same_origin("https://app.example", asked, 0, standard=True)
