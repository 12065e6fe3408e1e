"""What the operator is told of a handler that holds everybody up: which, where, and what to do about it.

Nothing is recorded for it while events are handled: who blocks is read off the stack of the hub's thread.
"""

from __future__ import annotations

import logging
import os
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from socketio_sync.logs import shown
from socketio_sync.server import dispatch
from socketio_sync.server.handlers import Entry
from socketio_sync.server.signatures import function_of
from socketio_sync.transports.watchdog import Watchdog

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer
    from socketio_sync.options import ServerOptions

logger = logging.getLogger(__name__)

# Where a frame comes from, and its line when it was looked at: it may go on meanwhile.
Step: TypeAlias = tuple[FrameType, int]

# Names of local variables of the functions in ``dispatch`` that call the application; of several in one frame
# the first.
_FUNCTIONS = ("entry", "check", "handler", "middleware", "callback", "function")
_EVENTS = ("name", "event", "what")

# What isn't the application: this library, its extension, and whatever is installed.
_PACKAGES = ("socketio_sync", "flask_socketio_sync")
_INSTALLED = tuple(
    {sysconfig.get_path(kind) + os.sep for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
)

# More frames than this aren't shown; the innermost are.
MAX_FRAMES = 50


class Blocker(NamedTuple):
    """Who blocks the hub, as far as the stack says it.

    Attributes:
        handler: The name of the function that was called for an event; empty where none was.
        registered: Whether it is one that ``on`` has registered.
        event: The event's name; None where there is none.
        socket: The client's socket; None where there is none.
        place: The innermost step of the application; of all, where it isn't in there.
    """

    handler: str
    registered: bool
    event: str | None
    socket: Any
    place: Step


def watch(engine: EngineServer, options: ServerOptions) -> Watchdog | None:
    """Begin to watch the hub of a server, and report its stalls; None if that has closed. On the hub."""
    if engine.closed or not options.watchdog:
        return None
    limits = (options.watchdog, max(options.watchdog, options.ping_interval))

    def on_stall(seconds: float, index: int, frame: FrameType) -> None:
        clients = engine.clients_count
        drop_after = options.ping_interval + options.ping_timeout
        report(seconds, frame, clients=clients, drop_after=drop_after, late=bool(index))

    return Watchdog(engine.runtime, limits, on_stall)


def report(seconds: float, frame: FrameType, *, clients: int, drop_after: float, late: bool) -> None:
    """Log a stall, from any thread.

    Args:
        seconds: How long it lasts by now.
        frame: The innermost of the hub's thread.
        clients: How many there are.
        drop_after: Seconds without a heartbeat after which they leave.
        late: Whether it lasts longer than clients go without a heartbeat: an ERROR.
    """
    steps = list(traceback.walk_stack(frame))
    blocker = blocker_of(steps)
    place, line = blocker.place
    stack = traceback.StackSummary.extract(iter(steps[:MAX_FRAMES]))
    stack.reverse()
    logger.log(
        logging.ERROR if late else logging.WARNING,
        "SIO601 hub blocked %.1f s%s at %s:%d %s(); %d clients get no heartbeat; they %s after %g s. %s.\n%s",
        seconds,
        _shown_handler(blocker),
        os.path.basename(place.f_code.co_filename),
        line,
        place.f_code.co_name,
        clients,
        "are overdue by now, and drop" if late else "drop",
        drop_after,
        _remedy(blocker),
        "".join(stack.format()).rstrip(),
    )


def _shown_handler(blocker: Blocker) -> str:
    if not blocker.handler:
        return ""
    what = [] if blocker.event is None else [f"event {shown(blocker.event)}"]
    if blocker.socket is not None:
        what += [f"namespace {shown(blocker.socket.namespace.name)}", f"socket {blocker.socket.id}"]
    return f" in handler {blocker.handler}" + (f" ({', '.join(what)})" if what else "")


def _remedy(blocker: Blocker) -> str:
    if not blocker.registered:
        return "Run what blocks in gevent.get_hub().threadpool"
    return f'Use @on({shown(blocker.event)}, run_in="thread")'


def blocker_of(steps: Sequence[Step]) -> Blocker:
    """Return who blocks a thread, of whose stack these are the steps, the innermost first."""
    place: Step | None = None
    called = ""
    function: Any = None
    event: str | None = None
    socket: Any = None
    dispatched = False
    for step in steps:
        frame = step[0]
        if frame.f_code.co_filename == dispatch.__file__:
            # The innermost call counts; what it doesn't know, the socket perhaps, its caller does.
            dispatched = True
            names = frame.f_locals
            function = function if function is not None else _first(names, _FUNCTIONS, object)
            event = event or _first(names, _EVENTS, str)
            socket = socket or names.get("socket")
        elif not dispatched and _is_application(frame):
            place = place or step
            called = frame.f_code.co_name
    registered = isinstance(function, Entry)
    if registered:
        function = function.function
    if function is None or _is_ours(getattr(function_of(function), "__module__", None)):
        # The extension's, which calls the application's own: that is known by its frame alone.
        registered = False
    else:
        called = _name_of(function)
    return Blocker(called if dispatched else "", registered, event, socket, place or steps[0])


def _first(names: Mapping[str, Any], wanted: tuple[str, ...], kind: type) -> Any:
    found = (names.get(name) for name in wanted)
    return next((value for value in found if value is not None and isinstance(value, kind)), None)


def _is_application(frame: FrameType) -> bool:
    """Tell whether a function is neither ours nor installed."""
    installed = frame.f_code.co_filename.startswith((*_INSTALLED, "<"))
    return not installed and not _is_ours(frame.f_globals.get("__name__"))


def _is_ours(module: Any) -> bool:
    return isinstance(module, str) and module.split(".")[0] in _PACKAGES


def _name_of(function: Any) -> str:
    found = function_of(function)
    return str(getattr(found, "__qualname__", None) or type(found).__name__)
