"""What users of the peers suffer from, as tests; the numbers are those of the project's list."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import gevent
import pytest
from flask import copy_current_request_context

from flask_socketio_sync import call, disconnect, emit, request
from socketio_sync import Disconnected
from socketio_sync.testing import TestClient
from tests.flask_socketio_sync.conftest import Site
from tests.support.outcomes import in_thread


def test_t5_a_client_that_does_not_read_is_sent_away_and_the_others_get_everything(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(max_outbound_bytes=500_000)
    gone: list[tuple[str, str]] = []
    site.io.on_event("disconnect", lambda reason: gone.append((request.sid, reason)))
    slow, quick = (TestClient(cast(Any, site.app.wsgi_app)) for _ in range(2))
    lost = slow.id
    slow.pause_reading()
    count, received = 0, 0
    while not gone:
        for _ in range(100):
            count += 1
            site.io.emit("news", count, "x" * 2_000)
        received += len(quick.receive_all())
        assert count < 20_000
    assert received == count
    assert gone == [(lost, site.io.reason.SERVER_DISCONNECT)]
    quick.disconnect()


def test_t8_a_call_ends_at_once_when_the_client_leaves(site: Site) -> None:
    outcome: list[Any] = []

    @site.io.on("ask")
    def ask() -> None:
        try:
            call("never answered", timeout=60)
        except Disconnected as error:
            outcome.append(error.reason)

    client = TestClient(cast(Any, site.app.wsgi_app))
    client.emit("ask")
    client.expect("never answered")
    client.kill()
    client.settle()
    assert outcome == ["transport close"]


def test_t9_200_events_of_one_client_are_handled_in_order(site: Site) -> None:
    seen: list[int] = []

    @site.io.on("number")
    def number(value: int) -> None:
        # Other handlers could go ahead here.
        gevent.sleep(0)
        seen.append(value)

    with TestClient(cast(Any, site.app.wsgi_app)) as client:
        for value in range(200):
            client.emit("number", value)
        client.receive_all()
    assert seen == [*range(200)]


def test_t12_disconnecting_a_polling_client_never_waits_for_it(site: Site) -> None:
    site.io.on_event("leave", lambda: disconnect())
    client = TestClient(cast(Any, site.app.wsgi_app), transport="polling")
    before = time.monotonic()
    client.emit("leave")
    client.settle()
    assert client.reason == "io server disconnect"
    assert time.monotonic() - before < 1


def test_an_emit_from_a_thread_reaches_an_idle_client(site: Site) -> None:
    client = site.client()
    in_thread(site.io.emit, "from a thread", 1).get(timeout=5)
    assert [each["args"] for each in client.get_received()] == [[1]]


def test_a_context_may_be_copied_into_a_task(site: Site) -> None:
    seen: list[str] = []

    @site.io.on("start")
    def start() -> None:
        @copy_current_request_context
        def work() -> None:
            seen.append(request.path)
            emit("done")

        site.io.start_background_task(work).join(5)

    client = site.client()
    client.emit("start")
    assert seen == ["/socket.io/"]
    assert client.get_received()[0]["name"] == "done"


@pytest.mark.parametrize("manage", [True, False])
def test_emit_works_in_a_route_without_any_event(make_site: Callable[..., Site], manage: bool) -> None:
    site = make_site(manage_session=manage)
    site.app.add_url_rule("/news", view_func=lambda: site.io.emit("news") or "")
    client = site.client()
    site.app.test_client().get("/news")
    assert client.get_received()[0]["name"] == "news"
