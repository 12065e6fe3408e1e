"""Background tasks, in an application context of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Flask, current_app, has_app_context
from gevent.event import Event

from socketio_sync import Server


def in_app_context(target: Callable[..., Any], app: Flask | None) -> Callable[..., Any]:
    """Return a function that runs ``target`` in the context of the current application, else of ``app``."""
    chosen = cast(Any, current_app)._get_current_object() if has_app_context() else app
    if chosen is None:
        return target

    def run(*arguments: Any, **options: Any) -> Any:
        with chosen.app_context():
            return target(*arguments, **options)

    return run


class Task:
    """A function that runs beside the handlers."""

    def __init__(
        self, server: Server, target: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        """Begin to run ``target``, at once or as soon as the server serves."""
        self._target = target
        self._arguments = arguments
        self._options = options
        self._done = Event()
        server.background(self._run)

    def _run(self) -> None:
        try:
            self._target(*self._arguments, **self._options)
        finally:
            self._done.set()

    def is_alive(self) -> bool:
        """Tell whether it hasn't come to its end."""
        return not self._done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Block until it has, for ``timeout`` seconds at most if given."""
        self._done.wait(timeout)
