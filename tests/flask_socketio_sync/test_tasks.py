"""Background tasks have an application context that ends with them."""

from __future__ import annotations

from typing import Any

from flask import current_app, has_app_context

from tests.flask_socketio_sync.conftest import Site


def test_a_task_runs_in_an_application_context_that_is_popped(site: Site) -> None:
    seen: list[Any] = []
    ended: list[Any] = []
    site.app.teardown_appcontext(lambda error: ended.append(error))

    def work(value: int, *, more: str) -> None:
        seen.append((current_app.name, value, more))
        site.io.emit("done")

    client = site.client()
    before = len(ended)
    task = site.io.start_background_task(work, 1, more="x")
    task.join(5)
    assert not task.is_alive()
    assert seen == [("site", 1, "x")]
    assert len(ended) == before + 1
    assert not has_app_context()
    assert [each["name"] for each in client.get_received()] == ["done"]


def test_a_task_that_is_started_before_the_first_client_runs_with_it(site: Site) -> None:
    seen: list[str] = []
    task = site.io.start_background_task(lambda: seen.append(current_app.name))
    assert task.is_alive()
    site.client()
    task.join(5)
    assert seen == ["site"]


def test_a_handlers_task_has_the_handlers_application(site: Site) -> None:
    seen: list[str] = []

    @site.io.on("start")
    def start() -> None:
        site.io.start_background_task(lambda: seen.append(current_app.name)).join(5)

    site.client().emit("start")
    assert seen == ["site"]
