"""The extension itself: registration, the factory pattern, and the application behind it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_socketio_sync import SocketIO, send
from tests.flask_socketio_sync.conftest import Site


def test_the_application_is_still_served(site: Site) -> None:
    site.app.add_url_rule("/", view_func=lambda: "page")
    client = site.app.test_client()
    assert client.get("/").text == "page"
    # Flask's own test client is a host that serves one request at a time.
    assert client.get("/socket.io/?EIO=4&transport=polling").text.startswith("SIO411")


def test_handlers_may_come_before_the_application() -> None:
    io = SocketIO(ping_interval=11)

    @io.on("message")
    def message(text: str) -> None:
        send(text)

    @io.event
    def my_event(value: int) -> int:
        return value + 1

    @io.event(namespace="/other")
    def other_event() -> str:
        return "other"

    with pytest.raises(RuntimeError, match="init_app"):
        io.emit("x")
    app = Flask("x")
    io.init_app(app)
    assert app.extensions["socketio"] is io
    assert io.server is not None
    assert io.server.options.ping_interval == 11
    client = io.test_client(app)
    client.send("hello")
    assert client.get_received()[0]["args"] == "hello"
    assert client.emit("my_event", 1, callback=True) == 2
    client.connect("/other")
    assert client.emit("other_event", namespace="/other", callback=True) == "other"
    io.stop()


def test_decorators_return_the_function(site: Site) -> None:
    def handler(*arguments: Any) -> None: ...

    assert site.io.on("x")(handler) is handler
    assert site.io.event(handler) is handler
    assert site.io.on_error()(handler) is handler
    assert site.io.on_error_default(handler) is handler


def test_stop_sends_everybody_away(site: Site) -> None:
    client = site.client()
    site.io.stop()
    assert not client.is_connected()


def test_the_session_may_be_managed_or_not_at_any_time(site: Site) -> None:
    assert site.io.manage_session
    site.io.manage_session = False
    assert not site.io.manage_session
    assert site.io.async_mode == "gevent"
    site.io.sleep(0)
