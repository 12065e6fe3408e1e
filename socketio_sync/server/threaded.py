"""Handlers that run in a native thread, because they compute or block where gevent can't help."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import gevent
from gevent.event import AsyncResult

from socketio_sync.engine.host import on_gevent

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer
    from socketio_sync.transports.runtime import Runtime

# Where a handler may run; None is the hub's own thread.
Place: TypeAlias = Literal["thread"] | None


def check_place(run_in: Any) -> None:
    """Refuse a place that there isn't.

    Raises:
        ValueError: It is neither None nor ``"thread"``.
    """
    if run_in not in (None, "thread"):
        raise ValueError(f'run_in must be None (the hub) or "thread" (a native thread), not {run_in!r}')


def threaded(call: Callable[..., Any], engine: EngineServer) -> Callable[..., Any]:
    """Return a function that runs ``call`` in the thread pool of the engine's hub, and waits for it.

    Only the calling greenlet waits; it returns or raises what ``call`` does. Called where nothing can wait or
    needs to, by the hub itself, in another thread, or before the first request, it runs ``call`` at once.
    """

    def run(*arguments: Any) -> Any:
        if not engine.is_bound or not engine.runtime.is_current() or not on_gevent():
            return call(*arguments)
        done: Any = AsyncResult()
        gevent.get_hub().threadpool.spawn(_run, engine.runtime, done, call, arguments)
        value, error = done.get()
        if error is None:
            return value
        try:
            raise error
        finally:
            # The traceback holds this frame, and this frame must not hold the traceback.
            del error

    return run


def _run(runtime: Runtime, done: Any, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Run ``call`` with empty context variables; in a thread of the pool."""
    outcome: tuple[Any, BaseException | None]
    try:
        outcome = (Context().run(call, *arguments), None)
    except BaseException as error:
        outcome = (None, error)
    # In order behind what it has emitted: an acknowledgement must not overtake that.
    runtime.from_thread(done.set, outcome)
