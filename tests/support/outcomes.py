"""Running something that may fail, elsewhere: in a greenlet or an OS thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult

from tests.support.server import eventually


def outcome(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a function returned or raised."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        return error


def in_thread(function: Callable[..., Any], *arguments: Any) -> AsyncResult:
    """Run a function in an OS thread of its own; the result is the time it took and its outcome."""
    box: list[Any] = []

    def run() -> None:
        began = time.monotonic()
        value = outcome(function, *arguments)
        box.append((time.monotonic() - began, value))

    thread = threading.Thread(target=run)
    thread.start()
    result = AsyncResult()

    def watch() -> None:
        eventually(lambda: box)
        thread.join()
        result.set(box[0])

    gevent.spawn(watch)
    return result
