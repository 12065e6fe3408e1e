"""The one place where application code is called: in a worker, holding no lock, its errors contained."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gevent import GreenletExit, Timeout

from socketio_sync.exceptions import ConnectionRefused, PayloadError, SocketIOError
from socketio_sync.logs import Throttle, shown
from socketio_sync.server.handlers import Handlers

if TYPE_CHECKING:
    from socketio_sync.server.hooks import Middleware
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.socket import Socket

logger = logging.getLogger(__name__)
problems = Throttle(logger)

# How the reasons begin behind which msgspec repeats what the client sent; and those that hold nothing of it.
_REPEATING = ("Invalid enum value", "Invalid value", "Object contains unknown field")
_HARMLESS = re.compile(
    r"(?s)(Expected |Object missing |Invalid |Integer ).*|\w+ is missing|\d+ arguments, .*"
)
_PLACE = re.compile(r"[\w.\[\]$]{1,100}`", re.ASCII)

# gevent's timeout isn't an Exception, yet a handler that lets one escape has simply failed; so has one that
# was killed.
Failure = (Exception, Timeout, GreenletExit)


def run_event(event: tuple[Socket, list[Any], int | None]) -> None:
    """Run the handlers of one event from a client, and acknowledge it if that was asked for.

    The first handler, in order of registration, that returns something else than None answers; one that
    raises doesn't. None is an acknowledgement without values, a tuple one with several.

    Args:
        event: The client's socket; name and arguments, as received; and the acknowledgement id, None where
            none was asked for.
    """
    socket, arguments, ack_id = event
    name = arguments[0]
    if type(name) is not str:
        # JavaScript's emitters know numbers by their text.
        name = str(int(name)) if type(name) is int or name.is_integer() else repr(name)
    # What a handler of the namespace is called with.
    arguments[0] = socket
    answer: Any = None
    returned = False
    failure: BaseException | None = None
    shared, own = socket.namespace.handlers, socket.handlers
    handlers: Handlers | None = shared
    if shared.incoming or (own is not None and (own.incoming or own.filters)):
        failure = _intercept(socket, name, arguments)
        if failure is not None:
            handlers = None
    while handlers is not None:
        for entry in handlers.events.get(name, ()):
            if entry.once and not handlers.spend(name, entry):
                continue
            try:
                value = entry.call(*arguments)
            except PayloadError as error:
                failure = error
                _on_mismatch(socket, error, ack_id)
            except Failure as error:
                failure = error
                report(socket, name, error)
            else:
                returned = True
                if answer is None:
                    answer = value
        if handlers is socket.handlers:
            break
        handlers = socket.handlers
        if handlers is not None:
            arguments = arguments[1:]
    if not returned and failure is None and (shared.fallback is not None or own is not None):
        answer, failure = _run_fallback(socket, name, event[1][1:])
        returned = answer is not NotImplemented and failure is None
    if returned:
        if ack_id is not None:
            if not isinstance(answer, tuple):
                answer = () if answer is None else (answer,)
            try:
                socket.send_ack(ack_id, answer)
            except Exception as error:
                # Something that can't be encoded: the handler's fault, as if it had raised.
                report(socket, name, error)
    elif failure is None:
        if not shared.incoming and (own is None or not own.incoming):
            _unhandled(socket, name)
    elif ack_id is not None and (socket.options.error_acks or isinstance(failure, PayloadError)):
        error_ack = {"message": str(failure), "type": type(failure).__name__}
        socket.send_ack(ack_id, [{"error": error_ack}])


def _run_fallback(socket: Socket, name: str, arguments: list[Any]) -> tuple[Any, BaseException | None]:
    """Have an event handled by whoever takes those without a handler.

    Returns:
        The answer, ``NotImplemented`` where there isn't anybody; and what was raised.
    """
    own, shared = socket.handlers, socket.namespace.handlers
    answer: Any = NotImplemented
    try:
        if own is not None and own.fallback is not None:
            answer = own.fallback(name, *arguments)
        if answer is NotImplemented and shared.fallback is not None:
            answer = shared.fallback(socket, name, *arguments)
    except Failure as error:
        report(socket, name, error)
        return NotImplemented, error
    return answer, None


def _intercept(socket: Socket, name: str, arguments: list[Any]) -> BaseException | None:
    """Call those who hear of every event, then those who may refuse it; return the refusal.

    The latter may change ``arguments``, of which the first is the socket.
    """
    for handler in socket.namespace.handlers.incoming:
        run_plain(name, handler, socket, name, *arguments[1:])
    own = socket.handlers
    if own is None:
        return None
    for handler in own.incoming:
        run_plain(name, handler, name, *arguments[1:])
    payload = arguments[1:]
    for check in own.filters:
        try:
            check(name, payload)
        except SocketIOError as refusal:
            logger.debug("socket %s: the event %s is refused: %s", socket.id, shown(name), refusal)
            run_lifecycle(socket, "error", str(refusal))
            return refusal
        except Failure as error:
            report(socket, name, error)
            run_lifecycle(socket, "error", "internal error")
            return error
    arguments[1:] = payload
    return None


def _on_mismatch(socket: Socket, error: PayloadError, ack_id: int | None) -> None:
    """Tell the operator, and where the client doesn't hear of it the application, what it sent wrongly."""
    text = str(error)
    logger.debug("socket %s: not what the handler takes: %s", socket.id, shown(text))
    known = f"{error.event}: {_without_values(error.message)}"
    problems.warning("payload", "socket %s: not what the handler takes: %s", socket.id, shown(known))
    if ack_id is None:
        run_lifecycle(socket, "error", str(error))


def _without_values(text: str) -> str:
    """Return the reason of a mismatch without what the client sent: that is for level DEBUG only.

    What converters of the application's own say may repeat that anywhere.
    """
    reason, mark, place = text.rpartition(" - at `")
    if not mark:
        reason, place = text, ""
    repeating = [known for known in _REPEATING if reason.startswith(known)]
    if repeating:
        reason = repeating[0]
    elif not _HARMLESS.fullmatch(reason):
        reason = "a value that isn't allowed"
    return f"{reason}{mark}{place}" if _PLACE.fullmatch(place) else reason


def run_outgoing(socket: Socket, event: Sequence[Any]) -> None:
    """Call those who hear of every event to clients, with the name and the arguments."""
    name = event[0]
    for handler in socket.namespace.handlers.outgoing:
        run_plain(name, handler, socket, *event)
    if socket.handlers is not None:
        for handler in socket.handlers.outgoing:
            run_plain(name, handler, *event)


def run_plain(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the application that nobody waits for; log what it raises."""
    try:
        return function(*arguments)
    except Failure as error:
        problems.error(error, "the handler of %s raised", shown(what))
        return None


def run_server_event(handlers: Handlers, event: str, *arguments: Any) -> None:
    """Run the handlers of an event of the server's own life."""
    for entry in handlers.of_lifecycle(event):
        if not entry.once or handlers.spend(event, entry):
            run_plain(event, entry.call, *arguments)


def run_server_side(namespace: Namespace, event: str, arguments: Sequence[Any]) -> Any:
    """Run the handlers of what another server has emitted; the first answer that isn't None counts."""
    answer: Any = None
    for handler in namespace.hooks.server_side.functions(event):
        value = run_plain(event, handler, *arguments)
        if answer is None:
            answer = value
    return answer


def run_matcher(matches: Callable[[str, Any], Any], name: str, auth: Any) -> bool:
    """Ask the application whether a namespace of this name is to be made; an error is a no."""
    return bool(run_plain("a namespace's name", matches, name, auth))


def run_lifecycle(socket: Socket, event: str, *arguments: Any) -> None:
    """Run the handlers of an event of a socket's life: its namespace's, then its own."""
    _run_lifecycle(socket.namespace.handlers, socket, event, (socket, *arguments))
    if socket.handlers is not None:
        _run_lifecycle(socket.handlers, socket, event, arguments)


def _run_lifecycle(handlers: Handlers, socket: Socket, event: str, arguments: tuple[Any, ...]) -> None:
    for entry in handlers.of_lifecycle(event):
        if entry.once and not handlers.spend(event, entry):
            continue
        try:
            entry.call(*arguments)
        except Failure as error:
            report(socket, event, error)


def run_middlewares(socket: Socket, middlewares: Sequence[Middleware]) -> ConnectionRefused | None:
    """Run middlewares in order; return the refusal, None to admit."""
    for middleware in tuple(middlewares):
        try:
            middleware(socket)
        except ConnectionRefused as refusal:
            return refusal
        except Failure as error:
            report(socket, "connect", error, "a middleware")
            # The text of an unexpected error isn't for strangers.
            return ConnectionRefused("internal error")
    return None


def run_callback(socket: Socket, callback: Any, values: Sequence[Any]) -> None:
    """Run the callback of an acknowledgement with its values."""
    try:
        callback(*values)
    except Failure as error:
        report(socket, "acknowledgement", error)


def report(socket: Socket, event: Any, error: BaseException, what: str = "") -> None:
    """Log what a handler raised, with its traceback, and tell the ``on_error`` handlers.

    Clients may make one raise as often as they like: as all that is their fault, it is counted then.
    """
    problems.error(
        error,
        "%s raised (namespace %s, socket %s)",
        # Where somebody handles whatever comes, both are the client's own words.
        what or f"the handler of {shown(event, 100)}",
        shown(socket.namespace.name, 60),
        socket.id,
    )
    for handler in tuple(socket.namespace.hooks.error_handlers):
        try:
            handler(socket, event, error)
        except Failure as another:
            problems.error(another, "an error handler raised")


def _unhandled(socket: Socket, name: Any) -> None:
    problems.warning(
        "unhandled event",
        "nobody handles the event %s of namespace %s%s",
        shown(name),
        socket.namespace.name,
        _Hint(socket, name),
    )


class _Hint:
    """The name that was meant. Looked for when the line is written, as that takes its time."""

    __slots__ = ("_name", "_socket")

    def __init__(self, socket: Socket, name: Any) -> None:
        self._socket = socket
        self._name = name

    def __str__(self) -> str:
        name, own = str(self._name), self._socket.handlers
        close = self._socket.namespace.handlers.nearest(name)
        if close is None and own is not None:
            close = own.nearest(name)
        return f"; did you mean {close!r}?" if close is not None else ""
