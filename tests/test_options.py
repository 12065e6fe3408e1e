"""Options are one frozen dataclass: unknown names and impossible values are refused by name."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from socketio_sync import Server
from socketio_sync.engine import EngineServer
from socketio_sync.options import EngineOptions, ServerOptions


@pytest.mark.parametrize("server", [Server, EngineServer, ServerOptions, EngineOptions])
def test_an_unknown_option_is_a_type_error_that_names_it(server: Any) -> None:
    with pytest.raises(TypeError, match="ping_timout"):
        server(ping_timout=1)


@pytest.mark.parametrize("server", [Server, EngineServer])
def test_the_option_that_was_meant_is_named(server: Any) -> None:
    with pytest.raises(TypeError, match="no option 'ping_timout'; did you mean 'ping_timeout'"):
        server(ping_timout=1)
    with pytest.raises(TypeError, match=r"no option 'colour'$"):
        server(colour="red")
    with pytest.raises(TypeError, match="no option 'treshold'; did you mean 'threshold'"):
        server(per_message_deflate={"treshold": 1})
    with pytest.raises(TypeError, match="no option 'event'; did you mean 'events'"):
        server(rate_limit={"event": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ping_interval", "25"),
        ("max_rooms", None),
        ("max_http_buffer_size", True),
        ("connection_state_recovery", {"max_events": "many"}),
        ("cors_allowed_origins", 5),
        ("rate_limit", 50),
        ("rate_limit", {"events": "50"}),
        ("rate_limit", {"events": True}),
        ("rate_limit", {"max_addresses": None}),
        ("rate_limit", {"max_addresses": 2.5}),
        ("rate_limit", {"allow": "everything"}),
        ("watchdog", "0.5"),
        ("watchdog", True),
    ],
)
def test_a_value_of_another_type_is_a_type_error_that_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=next(iter(value)) if isinstance(value, dict) else name):
        Server(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transports", ()),
        ("transports", "polling"),
        ("transports", ("polling", "carrier pigeon")),
        ("path", "socket.io"),
        ("cors_allowed_headers", "x-token"),
        ("cors_exposed_headers", "x-token"),
        ("outbound_policy", "drop"),
        ("ping_interval", 0),
        ("ping_timeout", -1.0),
        ("upgrade_timeout", 0),
        ("max_http_buffer_size", 0),
        ("parser", "xml"),
        ("watchdog", -1),
        ("max_rooms", -1),
        ("connect_timeout", float("nan")),
        ("write_stall_timeout", -0.1),
        ("connection_state_recovery", {"max_events": -1}),
        ("watchdog", float("nan")),
    ],
)
def test_an_impossible_value_is_a_value_error_that_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(value)) if isinstance(value, dict) else name):
        ServerOptions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("events", 0),
        ("bytes", -1.0),
        ("handshakes", math.inf),
        ("address_events", math.nan),
        ("events_burst", 0.5),
        ("address_bytes_burst", math.inf),
        ("max_addresses", 0),
    ],
)
def test_an_impossible_rate_limit_is_a_value_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        ServerOptions(rate_limit={name: value})


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServerOptions().ping_interval = 1  # type: ignore[misc]


def test_the_defaults_are_the_documented_ones() -> None:
    options = ServerOptions()
    assert (options.ping_interval, options.ping_timeout, options.upgrade_timeout) == (25, 20, 10)
    assert (options.connect_timeout, options.close_timeout, options.write_stall_timeout) == (20, 5, 10)
    assert (options.max_http_buffer_size, options.max_packets_per_payload) == (1_000_000, 10_000)
    assert (options.max_fragments, options.max_outbound_bytes) == (16_384, 16 * 1024 * 1024)
    assert (options.max_attachments, options.max_namespaces, options.max_refused_connects) == (10, 32, 16)
    assert (options.max_pending, options.max_connections) == (2_000, None)
    assert (options.max_total_outbound_bytes, options.outbound_policy) == (256 * 1024 * 1024, "close")
    assert (options.max_queued_events, options.max_queued_event_bytes) == (64, 4 * 1024 * 1024)
    assert (options.max_rooms, options.max_pending_acks, options.max_unknown_acks) == (10_000, 10_000, 1_000)
    assert (options.max_binary_bytes, options.attachment_timeout) == (None, 30)
    assert (options.json_max_depth, options.json_max_digits) == (128, 309)
    assert (options.ack_timeout, options.ack_timeout_or(None)) == (None, 30)
    assert (options.http_compression, options.compression_threshold) == (True, 1024)
    assert options.deflate_options() is None
    assert (options.path, EngineOptions().path) == ("/socket.io", "/engine.io")
    assert options.allow_eio3
    assert options.allow_upgrades
    assert not options.jsonp
    assert options.cors_allowed_origins is None
    assert options.cookie is None
    assert options.rate_limits() is None
    assert options.trusted_proxies == 0


def test_the_engine_gets_the_options_that_are_its_own() -> None:
    engine = ServerOptions(ping_interval=7, connect_timeout=3).engine_options()
    assert type(engine) is EngineOptions
    assert engine.ping_interval == 7
    assert engine.path == "/socket.io"


@pytest.mark.parametrize("option", ["json_max_depth", "json_max_digits"])
def test_a_bound_that_nothing_could_pass_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=option):
        Server(**{option: 0})
    Server(**{option: 1})
