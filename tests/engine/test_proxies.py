"""What trusted proxies say, in both forms; what a client has written itself doesn't count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.engine.proxies import said

FORWARDED = (
    'for=9.9.9.9, for="[2001:db8::1]:4711";proto=https;host="a.org", For=10.0.0.1:80; Proto=http;by=_x'
)
OLDER = {
    "HTTP_X_FORWARDED_FOR": "9.9.9.9, 2001:db8::1 ,10.0.0.1",
    "HTTP_X_FORWARDED_PROTO": "https, http",
    "HTTP_X_FORWARDED_HOST": "a.org",
}


def all_parts(environ: dict[str, Any], proxies: int, *, standard: bool) -> list[str | None]:
    return [said(environ, part, proxies=proxies, standard=standard) for part in ("for", "proto", "host")]


@pytest.mark.parametrize(
    ("proxies", "standard", "older"),
    [
        (0, [None, None, None], [None, None, None]),
        (1, ["10.0.0.1", "http", None], ["10.0.0.1", "http", "a.org"]),
        (2, ["2001:db8::1", "https", "a.org"], ["2001:db8::1", "https", "a.org"]),
        (3, ["9.9.9.9", None, None], ["9.9.9.9", "https", "a.org"]),
        (9, ["9.9.9.9", None, None], ["9.9.9.9", "https", "a.org"]),
    ],
)
def test_elements_count_from_the_trusted_end(proxies: int, standard: Any, older: Any) -> None:
    environ = {"HTTP_FORWARDED": FORWARDED, **OLDER}
    assert all_parts(environ, proxies, standard=True) == standard
    assert all_parts(environ, proxies, standard=False) == older


def test_only_the_header_that_they_set_counts() -> None:
    assert all_parts(OLDER, 1, standard=True) == [None, None, None]
    assert all_parts({"HTTP_FORWARDED": FORWARDED}, 1, standard=False) == [None, None, None]


@pytest.mark.parametrize(
    ("element", "address"),
    [
        ("for=unknown", "unknown"),
        ("for=_hidden", "_hidden"),
        ('for="_gazonk"', "_gazonk"),
        ("for=192.0.2.43", "192.0.2.43"),
        ('for="192.0.2.43:47011"', "192.0.2.43"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
        ('by="a,b;for=1.1.1.1";for=2.2.2.2', "2.2.2.2"),
        ("proto=https", None),
        ("", None),
        (" , ,", None),
        ('for="unfinished', None),
    ],
)
def test_a_node_is_its_address(element: str, address: str | None) -> None:
    assert said({"HTTP_FORWARDED": element}, "for", proxies=1, standard=True) == address


@pytest.mark.parametrize(
    "written",
    ['for=6.6.6.6;x="', '"', 'for="6.6.6.6', 'x="a\\', "for=6.6.6.6,", 'for="6.6.6.6,7.7.7.7"', "," * 5000],
)
@pytest.mark.parametrize("proxy", ['for="[2001:db8::1]";proto=https', "for=192.0.2.43"])
def test_what_a_client_writes_does_not_change_what_the_proxy_says(written: str, proxy: str) -> None:
    address = said({"HTTP_FORWARDED": proxy}, "for", proxies=1, standard=True)
    assert address in ("2001:db8::1", "192.0.2.43")
    assert said({"HTTP_FORWARDED": f"{written}, {proxy}"}, "for", proxies=1, standard=True) == address


@given(st.text(alphabet='for=";,\\[]:.1a ', max_size=60), st.integers(1, 3))
def test_nothing_that_is_written_there_is_an_error(header: str, proxies: int) -> None:
    all_parts({"HTTP_FORWARDED": header}, proxies, standard=True)
