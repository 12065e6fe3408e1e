"""The options of Flask-SocketIO, in the terms of our server; nothing is ignored in silence."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import flask.json
import pytest
from flask import Flask
from flask_cors import CORS

from flask_socketio_sync import SocketIO
from flask_socketio_sync.options import Settings, configured
from socketio_sync import HandshakeRefused
from socketio_sync.testing import TestClient
from tests.flask_socketio_sync.conftest import Site


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"path": "/socket.io"}),
        ({"path": "live"}, {"path": "/live"}),
        ({"resource": "/live/"}, {"path": "/live"}),
        ({"serializer": "default"}, {"path": "/socket.io"}),
        ({"serializer": "msgpack"}, {"path": "/socket.io", "parser": "msgpack"}),
        ({"ping_interval": (10, 5)}, {"path": "/socket.io", "ping_interval": 10}),
        ({"cors_allowed_origins": []}, {"path": "/socket.io", "cors_allowed_origins": "*"}),
        ({"async_mode": "gevent", "async_handlers": False, "monitor_clients": True}, {"path": "/socket.io"}),
        ({"json": flask.json}, {"path": "/socket.io"}),
        ({"json": json}, {"path": "/socket.io"}),
        ({"message_queue": None, "logger": False}, {"path": "/socket.io"}),
        ({"ping_timeout": 5}, {"path": "/socket.io", "ping_timeout": 5}),
    ],
)
def test_options_are_translated(options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert Settings(options).server == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"message_queue": "redis://"}, "several processes"),
        ({"channel": "chat"}, "several processes"),
        ({"async_mode": "eventlet"}, "runs on gevent"),
        ({"async_mode": "threading"}, "runs on gevent"),
        ({"serializer": "pickle"}, "'msgpack'"),
        ({"json": object()}, "parser"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Settings(options)


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="ping_intervall"):
        SocketIO(Flask("x"), ping_intervall=1)


def test_namespaces_and_always_connect_are_the_extensions_own() -> None:
    assert Settings({}).namespaces == ("/",)
    assert Settings({"namespaces": ["/a"]}).namespaces == ("/a",)
    assert Settings({"namespaces": "*"}).namespaces is None
    assert Settings({"always_connect": True}).always_connect


def test_what_has_no_effect_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Settings({"async_handlers": True})
    assert "handled in order" in caplog.text


@pytest.fixture
def engine_logger() -> Iterator[logging.Logger]:
    named = logging.getLogger("socketio_sync.engine")
    before = named.level, named.propagate, named.handlers[:]
    yield named
    named.setLevel(before[0])
    named.propagate = before[1]
    named.handlers[:] = before[2]


def test_the_logger_is_switched_on_by_true(
    engine_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    # As in an application that configures no logging.
    engine_logger.propagate = False
    Settings({"engineio_logger": True})
    engine_logger.getChild("x").debug("a line")
    assert capsys.readouterr().err == "a line\n"


def test_an_applications_own_logger_gets_the_lines(
    engine_logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    engine_logger.propagate = False
    own = logging.getLogger("own")
    caplog.set_level(logging.INFO, "own")
    Settings({"engineio_logger": own})
    engine_logger.info("an info")
    engine_logger.debug("no info")
    assert caplog.messages == ["an info"]


def test_the_applications_configuration_counts_least(make_site: Callable[..., Site]) -> None:
    app = Flask("x")
    app.config.update(SOCKETIO_PING_INTERVAL=7, SOCKETIO_PING_TIMEOUT=3, SOCKETIO_PATH="live", OTHER=1)
    assert configured(app) == {"ping_interval": 7, "ping_timeout": 3, "path": "live"}
    assert configured(None) == {}
    io = SocketIO(ping_interval=8)
    io.init_app(app, ping_timeout=4)
    assert io.server is not None
    options = io.server.options
    assert (options.ping_interval, options.ping_timeout, options.path) == (8, 4, "/live")
    assert io.server_options == {"ping_interval": 8, "ping_timeout": 4}
    io.stop()


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("*", "https://a.example", True),
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://b.example", False),
        ("https://a.example", "http://a.example", False),
        (["https://a.example", r"https://.*\.b\.example"], "https://x.b.example", True),
        (["https://a.example", r"https://.*\.b\.example"], "https://a.example", True),
        ([r"https://.*\.b\.example"], "https://xb.example", False),
        (re.compile(r"https://(a|b)\.example"), "https://b.example", True),
        (re.compile(r"https://(a|b)\.example"), "https://c.example", False),
    ],
)
def test_the_origins_of_flask_cors_are_those_of_sockets_too(origins: Any, origin: str, allowed: bool) -> None:
    app = Flask("x")
    app.config["CORS_ORIGINS"] = origins
    app.add_url_rule("/", view_func=lambda: "page")
    CORS(app)
    io = SocketIO(app)
    try:
        TestClient(cast(Any, app.wsgi_app), headers={"Origin": origin}).disconnect()
        connected = True
    except HandshakeRefused:
        connected = False
    answer = app.test_client().get("/", headers={"Origin": origin})
    assert connected == ("Access-Control-Allow-Origin" in answer.headers) == allowed
    io.stop()


def test_an_option_counts_before_flask_cors() -> None:
    app = Flask("x")
    app.config["CORS_ORIGINS"] = "*"
    io = SocketIO(app, cors_allowed_origins="https://a.example")
    assert io.server is not None
    assert io.server.options.cors_allowed_origins == "https://a.example"
    io.stop()
