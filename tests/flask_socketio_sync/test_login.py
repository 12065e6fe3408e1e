"""Flask-Login's users in the handlers of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from flask_socketio_sync import SocketIOTestClient, emit, login_required_event
from tests.examples.test_chat import CHROMIUM, run_node
from tests.flask_socketio_sync.applications import served_program
from tests.flask_socketio_sync.conftest import Site
from tests.interop.clients import link_client
from tests.support.tools import lacking

ROOT = Path(__file__).resolve().parent.parent.parent


class User(UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


class Members:
    """An application with users."""

    def __init__(self, site: Site, app: Flask | None = None) -> None:
        self.site = site
        self.app = app or site.app
        self.active: set[str] = {"ann", "bob"}
        manager = LoginManager(self.app)
        manager.user_loader(lambda name: User(name) if name in self.active else None)
        self.app.add_url_rule("/login/<name>", view_func=self.login)
        self.app.add_url_rule("/logout", view_func=self.logout)
        site.io.on_event("who", lambda: current_user.get_id() or "nobody")

    def login(self, name: str) -> str:
        login_user(User(name))
        return name

    def logout(self) -> str:
        logout_user()
        return ""

    def page(self, name: str) -> Any:
        page = self.app.test_client()
        page.get(f"/login/{name}")
        return page

    def client(self, page: Any = None) -> SocketIOTestClient:
        return self.site.io.test_client(self.app, flask_test_client=page)


@pytest.fixture
def members(site: Site) -> Members:
    return Members(site)


def test_the_current_user_is_known_in_events(members: Members) -> None:
    assert members.client(members.page("ann")).emit("who", callback=True) == "ann"
    assert members.client().emit("who", callback=True) == "nobody"


def test_the_current_user_is_looked_up_for_every_event(members: Members) -> None:
    client = members.client(members.page("ann"))
    members.active.discard("ann")
    assert client.emit("who", callback=True) == "nobody"


def test_a_logout_disconnects_the_users_clients_and_nobody_else(members: Members) -> None:
    page = members.page("ann")
    first, second, other = members.client(page), members.client(page), members.client(members.page("bob"))
    page.get("/logout")
    assert not first.is_connected()
    assert not second.is_connected()
    assert other.is_connected()
    members.site.io.disconnect_user("bob")
    assert not other.is_connected()
    members.site.io.disconnect_user("nobody")


def test_users_of_another_application_are_others(members: Members) -> None:
    other = Flask("other")
    other.config["SECRET_KEY"] = "another"
    members.site.io.init_app(other)
    strangers = Members(members.site, other)
    ann, namesake = members.client(members.page("ann")), strangers.client(strangers.page("ann"))
    members.page("ann").get("/logout")
    assert not ann.is_connected()
    assert namesake.is_connected()
    # Asked for by its name alone, that is both.
    members.site.io.disconnect_user("ann")
    assert not namesake.is_connected()


def test_nothing_is_kept_of_clients_that_have_left(members: Members) -> None:
    client = members.client(members.page("ann"))
    users = members.site.io._dispatcher.users
    assert list(users._sockets) == [(members.site.app, "ann")]
    client.disconnect()
    client.is_connected()
    assert users._sockets == {}
    assert users._users == {}


def test_an_event_for_members_disconnects_others(members: Members) -> None:
    said: list[str] = []

    @members.site.io.on("say")
    @login_required_event
    def say(text: str) -> str:
        said.append(text)
        return "ok"

    assert members.client(members.page("ann")).emit("say", "hello", callback=True) == "ok"
    stranger = members.client()
    stranger.emit("say", "hello")
    assert not stranger.is_connected()
    assert said == ["hello"]


def test_a_connect_handler_for_members_refuses_others(members: Members) -> None:
    @members.site.io.on("connect")
    @login_required_event
    def connect() -> None:
        emit("welcome")

    assert members.client(members.page("ann")).is_connected()
    assert not members.client().is_connected()


@pytest.mark.interop
def test_who_logs_out_in_one_tab_loses_the_socket_of_the_other(tmp_path: Path) -> None:
    link_client(tmp_path)
    source = (ROOT / "examples" / "flask" / "members.py").read_text()
    with served_program(source, tmp_path) as url:
        run_node("members.mjs", url, CHROMIUM or lacking("Chromium", "chromium"))
