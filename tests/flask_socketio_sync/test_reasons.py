"""Why a client has left, in the terms of Flask-SocketIO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from flask_socketio_sync.reasons import translated
from socketio_sync.engine.rates import REASON
from socketio_sync.engine.socket import CLOSE_CODES
from socketio_sync.testing import TestClient
from tests.flask_socketio_sync.conftest import Site


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (lambda site, client: client.leave(), "client disconnect"),
        (lambda site, client: client.disconnect(), "transport close"),
        (lambda site, client: client.kill(), "transport close"),
        (lambda site, client: site.io.server.disconnect_sockets(), "server disconnect"),
        (lambda site, client: site.io.server.disconnect_sockets(close=True), "server disconnect"),
        (lambda site, client: site.io.stop(), "server disconnect"),
    ],
)
def test_a_client_has_left_for_a_reason_that_applications_know(
    site: Site, leave: Callable[[Site, TestClient], object], reason: str
) -> None:
    seen: list[str] = []
    site.io.on_event("disconnect", seen.append)
    client = TestClient(cast(Any, site.app.wsgi_app))
    leave(site, client)
    client.settle()
    assert seen == [reason]


def test_applications_know_every_reason_for_which_the_server_ends_a_connection(site: Site) -> None:
    known = {value for name, value in vars(site.io.reason).items() if name.isupper()}
    assert len(known) == 5
    assert {translated(reason) for reason in (*CLOSE_CODES, REASON)} <= known
    assert translated("parse error") == "transport error"
