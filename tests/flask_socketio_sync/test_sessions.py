"""``flask.session`` in events: each connection's own, or the application's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Request, Response, session
from flask.sessions import SessionInterface, SessionMixin
from gevent.event import Event

from flask_socketio_sync import SocketIO
from tests.flask_socketio_sync.conftest import Site
from tests.support.logged import Logged


class StoredSession(dict[str, Any], SessionMixin):
    def __init__(self, sid: str, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.sid = sid
        self.before = dict(data)

    @property
    def modified(self) -> bool:  # type: ignore[override]
        return dict(self) != self.before


class Store(SessionInterface):
    """A server-side session, as extensions make it."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, Any]] = {}

    def open_session(self, app: Flask, request: Request) -> StoredSession:
        sid = request.cookies.get("sid") or uuid.uuid4().hex
        return StoredSession(sid, self.data.get(sid, {}))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, StoredSession)
        self.data[session.sid] = dict(session)
        response.set_cookie("sid", session.sid)


def add_routes(site: Site) -> None:
    @site.app.route("/set/<value>")
    def set_value(value: str) -> str:
        session["value"] = value
        return ""

    @site.app.route("/get")
    def get_value() -> str:
        return str(session.get("value"))

    @site.io.on("set")
    def on_set(value: str) -> None:
        session["value"] = value

    @site.io.on("get")
    def on_get() -> Any:
        return session.get("value")


def test_a_managed_session_begins_with_the_http_sessions_and_goes_its_own_way(site: Site) -> None:
    add_routes(site)
    page = site.app.test_client()
    page.get("/set/page")
    one, two = site.client(flask_test_client=page), site.client(flask_test_client=page)
    assert one.emit("get", callback=True) == "page"
    one.emit("set", "socket")
    assert one.emit("get", callback=True) == "socket"
    assert two.emit("get", callback=True) == "page"
    assert page.get("/get").text == "page"
    page.get("/set/later")
    assert one.emit("get", callback=True) == "socket"


def test_all_namespaces_of_a_connection_share_it(site: Site) -> None:
    add_routes(site)
    site.io.on_event("get", lambda: session.get("value"), namespace="/other")
    client = site.client()
    client.emit("set", "here")
    client.connect("/other")
    assert client.emit("get", namespace="/other", callback=True) == "here"


def test_handlers_of_two_namespaces_that_overlap_lose_nothing(site: Site) -> None:
    entered, go = Event(), Event()

    @site.io.on("slow")
    def slow() -> None:
        session["slow"] = 1
        session.pop("old")
        entered.set()
        go.wait()

    @site.io.on("quick", namespace="/other")
    def quick() -> None:
        session["quick"] = 2

    site.io.on_event("put", lambda: session.update(old=0, kept=3))
    site.io.on_event("all", lambda: dict(session))
    client = site.client()
    client.connect("/other")
    client.emit("put")
    client.emit("slow")
    assert entered.is_set()
    client.emit("quick", namespace="/other")
    go.set()
    assert client.emit("all", callback=True) == {"slow": 1, "quick": 2, "kept": 3}


def test_a_stored_session_is_shared_both_ways(make_site: Callable[..., Site]) -> None:
    site = make_site(manage_session=False)
    site.app.session_interface = Store()
    add_routes(site)
    page = site.app.test_client()
    page.get("/set/page")
    client = site.client(flask_test_client=page)
    assert client.emit("get", callback=True) == "page"
    page.get("/set/later")
    assert client.emit("get", callback=True) == "later"
    client.emit("set", "socket")
    assert page.get("/get").text == "socket"


def test_a_cookie_session_that_is_changed_is_told_with_the_remedy(
    make_site: Callable[..., Site], logged: Logged
) -> None:
    site = make_site(manage_session=False)
    add_routes(site)
    client = site.client()
    client.emit("set", "lost")
    assert client.emit("get", callback=True) is None or client.emit("get", callback=True) == []
    (warning,) = logged.warnings()
    assert warning.startswith(
        "SIO701 the session was changed in event 'set': a cookie session cannot be saved"
    )
    assert "manage_session=True" in warning


@pytest.mark.parametrize("manage", [True, False])
def test_without_a_secret_key_a_session_can_be_read_only(manage: bool) -> None:
    app = Flask("x")
    io = SocketIO(app, manage_session=manage)
    io.on_event("get", lambda: session.get("value", "none"))

    @io.on("set")
    def on_set() -> None:
        session["value"] = 1

    client = io.test_client(app)
    assert client.emit("get", callback=True) == "none"
    with pytest.raises(RuntimeError, match="secret key"):
        client.emit("set")
    io.stop()
