"""Which kind of WSGI server hosts us, decided per request, and how a threaded one reaches our hub."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent import getcurrent, monkey
from gevent._hub_local import get_hub_if_exists  # the public one makes a hub where there is none
from gevent.hub import Hub

from socketio_sync.logs import Throttle
from socketio_sync.transports.runtime import Runtime
from socketio_sync.types import Environ

logger = logging.getLogger(__name__)
problems = Throttle(logger)

# The originals: a greenlet that blocks the only thread of its hub would be no thread at all.
_allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")
_start_thread: Callable[..., Any] = monkey.get_original("_thread", "start_new_thread")

# Where a request's way through the middlewares stands in its environ.
CROSSING = "socketio_sync.crossing"

# What belongs to the host, not to the session that outlives the request.
_HOST_KEYS = frozenset(
    {
        "wsgi.input",
        "wsgi.errors",
        "wsgi.file_wrapper",
        "wsgi.early_hints",
        "wsgi.websocket",
        "gunicorn.socket",
        "gunicorn.sock",
        "socketio_sync.handler",
        CROSSING,
        "werkzeug.socket",
        "werkzeug.request",
    }
)


def on_gevent() -> bool:
    """Tell whether the calling greenlet may block without holding up its hub."""
    hub = get_hub_if_exists()
    if hub is None:
        return False
    ancestor = getcurrent().parent
    while ancestor is not None and not isinstance(ancestor, Hub):
        ancestor = ancestor.parent
    return ancestor is hub


def refusal_reason(environ: Environ) -> str | None:
    """Return why this host can't hold polls, or None where it can.

    A host with neither greenlets nor threads serves one request at a time: the first held poll
    would block it for good.
    """
    if on_gevent() or environ.get("wsgi.multithread"):
        return None
    software = environ.get("SERVER_SOFTWARE", "this server")
    reason = (
        f"SIO411 handshake refused: {software} serves one request at a time here and can't hold a poll. "
        "Start: gunicorn -k gevent module:app (pip install 'socketio_sync[gunicorn]'), or io.run(app)."
    )
    problems.warning("SIO411", "%s", reason)
    return reason


def reduced(environ: Environ) -> Environ:
    """Return what a handler may ask of the request that opened its session, without the host's objects."""
    return {key: value for key, value in environ.items() if key not in _HOST_KEYS}


class HubThread:
    """A native thread with a hub of its own, for hosts that serve each request in a thread."""

    def __init__(self) -> None:
        """Start the thread and wait for its hub."""
        self.runtime: Runtime
        started = _allocate_lock()
        started.acquire()
        _start_thread(self._serve, (started,))
        started.acquire()
        logger.info("the host serves requests in threads: sessions live on a hub in a thread of their own")

    def _serve(self, started: Any) -> None:
        hub = gevent.get_hub()
        self.runtime = Runtime(hub)
        # Keeps the loop running while no connection does.
        keep = hub.loop.async_()
        keep.start(lambda: None)
        started.release()
        hub.join()


def run_on_hub(runtime: Runtime, function: Callable[..., Any], *args: Any) -> Any:
    """Run ``function`` in a greenlet of the runtime's hub; block the calling thread until it has ended.

    Raises:
        Exception: What ``function`` raised.
    """
    done = _allocate_lock()
    done.acquire()
    outcome: list[Any] = [None, None]

    def task() -> None:
        try:
            outcome[0] = function(*args)
        except BaseException:
            outcome[1] = sys.exc_info()[1]
        finally:
            done.release()

    runtime.from_thread(gevent.spawn, task)
    done.acquire()
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
