"""An application with the extension, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_socketio_sync import SocketIO, SocketIOTestClient
from tests.support.logged import logged as logged

Connect = Callable[..., SocketIOTestClient]


class Site:
    """An application and its extension."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.app.config["SECRET_KEY"] = "secret"
        self.io = SocketIO(self.app, **options)

    def client(self, **options: Any) -> SocketIOTestClient:
        return self.io.test_client(self.app, **options)

    def close(self) -> None:
        if self.io.server is not None:
            self.io.stop()


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Make applications; each is closed at the end."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(**options))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Return an application with the default options."""
    return make_site()
