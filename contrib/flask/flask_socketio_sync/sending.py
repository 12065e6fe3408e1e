"""Sending, in the terms of ``emit(event, *args, to=..., broadcast=..., callback=...)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from socketio_sync import AckTimeout, Namespace, NotConnected, Server, Socket

Rooms = str | int | Iterable[str | int] | None


class CallTimeout(AckTimeout, TimeoutError):
    """A client hasn't answered in time; it may be caught as the standard ``TimeoutError``."""


def payload(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of an event: a single tuple is several, a single None none at all."""
    if len(arguments) != 1:
        return arguments
    (value,) = arguments
    if isinstance(value, tuple):
        return value
    return () if value is None else (value,)


def names(rooms: Rooms) -> tuple[str | int, ...]:
    """Return rooms as a tuple."""
    if rooms is None:
        return ()
    return (rooms,) if isinstance(rooms, str | int) else tuple(rooms)


def namespace_of(server: Server, name: str) -> Namespace | None:
    """Return a namespace; None if nobody has ever been there."""
    return server.namespaces.get(name if name.startswith("/") else f"/{name}")


def socket_of(server: Server, sid: str, namespace: str) -> Socket:
    """Return a client's socket.

    Raises:
        NotConnected: It isn't there.
    """
    found = namespace_of(server, namespace)
    socket = found.sockets.get(sid) if found is not None else None
    if socket is None:
        raise NotConnected(f"no client {sid!r} in namespace {namespace!r}")
    return socket


def emit(
    server: Server,
    event: str,
    arguments: tuple[Any, ...],
    *,
    namespace: str,
    to: Rooms = None,
    skip: Rooms = None,
    callback: Callable[[Socket, tuple[Any, ...]], None] | None = None,
) -> None:
    """Emit to everybody in rooms, or in the namespace if there are none, but for ``skip``.

    ``callback(socket, values)`` is called with the acknowledgement of each client.
    """
    found = namespace_of(server, namespace)
    if found is None:
        return
    rooms, skipped = names(to), names(skip)
    if to is not None and not rooms:
        # A list of nobody isn't everybody.
        return
    single = found.sockets.get(str(rooms[0])) if len(rooms) == 1 and not skipped else None
    values = payload(arguments)
    if callback is None:
        if single is not None:
            single.emit(event, *values)
        else:
            found.to(*rooms).except_(*skipped).emit(event, *values)
        return
    chosen = [single] if single is not None else _chosen(found, rooms, skipped)
    for socket in chosen:
        socket.emit(event, *values, ack=_acknowledged(callback, socket))


def _chosen(namespace: Namespace, rooms: Iterable[str | int], skipped: Iterable[str | int]) -> list[Socket]:
    fetched = namespace.to(*rooms).except_(*skipped).local.fetch_sockets()
    sockets = [namespace.sockets.get(remote.id) for remote in fetched]
    return [socket for socket in sockets if socket is not None]


def _acknowledged(callback: Callable[[Socket, tuple[Any, ...]], None], socket: Socket) -> Callable[..., None]:
    return lambda *values: callback(socket, values)


def call(
    server: Server, event: str, arguments: tuple[Any, ...], *, namespace: str, to: str, timeout: float
) -> Any:
    """Emit to one client, and wait for its acknowledgement.

    Raises:
        CallTimeout: None came within ``timeout`` seconds.
        Disconnected: The client left meanwhile.
        NotConnected: It isn't there.
    """
    try:
        return socket_of(server, to, namespace).call(event, *payload(arguments), timeout=timeout)
    except AckTimeout as error:
        raise CallTimeout(str(error), error.responses) from None
