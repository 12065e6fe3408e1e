"""What handlers see of Flask: a context for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import Request, current_app, g, has_app_context, has_request_context
from flask import request as flask_request

from flask_socketio_sync import emit, join_room, request, rooms, send
from tests.flask_socketio_sync.conftest import Site


def test_the_request_is_the_one_that_opened_the_connection(site: Site) -> None:
    seen: list[Any] = []

    @site.io.on("look")
    def look(*values: Any) -> None:
        seen.append((request.args.to_dict(flat=False), request.headers["X-Mine"], request.path))
        seen.append((request.sid, request.namespace, request.event))
        seen.append(current_app.name)

    client = site.client(query_string="a=1&b=", headers={"X-Mine": "x"})
    client.emit("look", 1, {"b": 2})
    # The parameters of the protocol aren't among the application's.
    assert seen[0] == ({"a": ["1"], "b": [""]}, "x", "/socket.io/")
    assert seen[1][1:] == ("/", {"message": "look", "args": (1, {"b": 2})})
    assert seen[1][0] in site.io.server.sockets  # type: ignore[union-attr]
    assert seen[2] == "site"


def test_g_is_fresh_for_each_event_and_torn_down_behind_it(site: Site) -> None:
    ended: list[Any] = []
    site.app.teardown_appcontext(lambda error: ended.append(error))

    @site.io.on("count")
    def count() -> int:
        g.count = getattr(g, "count", 0) + 1
        return cast(int, g.count)

    client = site.client()
    before = len(ended)
    assert [client.emit("count", callback=True) for _ in range(3)] == [1, 1, 1]
    assert len(ended) == before + 3


def test_it_is_flasks_own_object_and_class() -> None:
    class Own(Request):
        pass

    site = Site()
    site.app.request_class = Own
    site.io.on_event("look", lambda: isinstance(flask_request._get_current_object(), Own))  # type: ignore[attr-defined]
    assert request is flask_request
    assert site.client().emit("look", callback=True) is True
    site.close()


def test_nothing_is_left_of_a_context(site: Site) -> None:
    site.io.on_event("look", lambda: None)
    site.client().emit("look")
    assert not has_request_context()
    assert not has_app_context()


def test_a_callback_has_the_context_of_its_client(site: Site) -> None:
    seen: list[Any] = []

    @site.io.on("ask")
    def ask() -> None:
        emit("question", callback=lambda *values: seen.append((values, request.event)))

    client = site.client()
    client.on("question", lambda: ("a", 2))
    client.emit("ask")
    assert seen == [(("a", 2), None)]


def test_several_applications_have_their_own(make_site: Callable[..., Site]) -> None:
    sites = [make_site(), make_site()]
    for number, site in enumerate(sites):
        site.app.config["NUMBER"] = number
        site.io.on_event("which", lambda: current_app.config["NUMBER"])
    assert [site.client().emit("which", callback=True) for site in sites] == [0, 1]


def test_one_server_may_serve_several_applications(site: Site) -> None:
    from flask import Flask

    other = Flask("other")
    site.io.init_app(other)
    site.io.on_event("which", lambda: current_app.name)
    assert site.client().emit("which", callback=True) == "site"
    assert site.io.test_client(other).emit("which", callback=True) == "other"


def test_outside_of_an_event_there_is_nobody_to_reply_to(site: Site) -> None:
    with pytest.raises(RuntimeError, match=r"no Socket\.IO event is being handled"):
        emit("x")
    with site.app.test_request_context():
        for options in ({}, {"broadcast": True}, {"namespace": "/"}):
            with pytest.raises(RuntimeError, match=r"no Socket\.IO event"):
                emit("x", **options)


def test_a_page_may_emit_to_those_whom_it_names(site: Site) -> None:
    client = site.client()
    (sid,) = site.io.server.sockets  # type: ignore[union-attr]

    @site.app.route("/news")
    def news() -> str:
        emit("to all", broadcast=True, namespace="/")
        emit("to one", to=sid, namespace="/")
        join_room("readers", sid=sid, namespace="/")
        send("to a room", to="readers", namespace="/")
        return ",".join(sorted(rooms(sid, "/"))).replace(sid, "sid")

    assert site.app.test_client().get("/news").text in ("readers,sid", "sid,readers")
    assert [each["name"] for each in client.get_received()] == ["to all", "to one", "message"]
