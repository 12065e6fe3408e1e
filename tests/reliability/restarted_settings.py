"""Settings of gunicorn for the application that is restarted."""

from __future__ import annotations

from typing import Any

workers = 1
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    from tests.reliability import restarted

    restarted.state["pid"] = worker.pid
    restarted.begin()
