"""The test client: Flask-SocketIO's methods and shapes."""

from __future__ import annotations

import gevent
import pytest
from flask import request

from flask_socketio_sync import emit
from tests.flask_socketio_sync.conftest import Site


def test_what_was_received_has_its_shape(site: Site) -> None:
    @site.io.on("go")
    def go() -> None:
        emit("a", 1, 2)
        emit("message", "text")
        emit("json", {"b": 1})

    client = site.client()
    client.emit("go")
    assert client.get_received() == [
        {"name": "a", "args": [1, 2], "namespace": "/"},
        {"name": "message", "args": "text", "namespace": "/"},
        {"name": "json", "args": {"b": 1}, "namespace": "/"},
    ]
    assert client.get_received() == []


def test_a_client_that_is_not_there_says_so(site: Site) -> None:
    site.io.on_event("x", lambda: None, namespace="/other")
    client = site.client()
    assert not client.is_connected("/other")
    for act in (client.get_received, client.disconnect):
        with pytest.raises(RuntimeError, match="not connected"):
            act("/other")
    with pytest.raises(RuntimeError, match="not connected"):
        client.emit("x", namespace="/other")
    client.disconnect()
    with pytest.raises(RuntimeError, match="not connected"):
        client.emit("x")


def test_it_may_connect_again_and_to_more(site: Site) -> None:
    site.io.on_event("x", lambda: "x", namespace="/other")
    client = site.client()
    first = client.eio_sid
    client.disconnect()
    client.connect()
    assert client.is_connected()
    client.connect("/other")
    assert client.emit("x", namespace="/other", callback=True) == "x"
    assert client.eio_sid == first


def test_cookies_of_the_page_come_along(site: Site) -> None:
    site.io.on_event("cookie", lambda: request.cookies.get("a"))
    page = site.app.test_client()
    page.set_cookie("a", "1")
    assert site.client(flask_test_client=page).emit("cookie", callback=True) == "1"


def test_an_answer_is_waited_for_also_where_the_handler_sleeps(site: Site) -> None:
    def slow() -> str:
        # The subject: a handler that isn't through at once.
        gevent.sleep(0.02)
        return "done"

    site.io.on_event("slow", slow)
    assert site.client().emit("slow", callback=True) == "done"


def test_what_cannot_be_sent_is_an_error(site: Site) -> None:
    with pytest.raises(TypeError):
        site.client().emit("x", object())
