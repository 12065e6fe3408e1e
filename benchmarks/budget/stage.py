"""A real server in the calling thread, and real clients in another one, which costs the server nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import gevent

from benchmarks.budget.client import DEADLINE
from benchmarks.budget.counting import CallCounter, Calls, per_unit
from socketio_sync import Server
from socketio_sync.run import Runner
from socketio_sync.transports import outbox, polling, workers


class Closable(Protocol):
    """A client."""

    def close(self) -> None:
        """Drop its connections."""


T = TypeVar("T")
C = TypeVar("C", bound=Closable)

WARM_UP = 20
GROUPS = 5

# How long a reader or a handler may run before something is done about it, in seconds.
_LIMITS = (
    (outbox, "STALE"),
    (polling, "SLICE_SECONDS"),
    (workers, "SLICE_SECONDS"),
    (workers, "TURN_SECONDS"),
)


def echo(socket: Any, *values: Any) -> Any:
    """Acknowledge an event with its arguments."""
    return values


@contextmanager
def patience() -> Iterator[None]:
    """Let nobody give way because it takes long: counting, and other processes, take long."""
    before = [(module, name, getattr(module, name)) for module, name in _LIMITS]
    for module, name in _LIMITS:
        setattr(module, name, 60.0)
    try:
        yield
    finally:
        for module, name, seconds in before:
            setattr(module, name, seconds)


class Stage:
    """A server on a free port, and the counter of what it does."""

    def __init__(self, handler: Callable[..., Any] = echo, **options: Any) -> None:
        """Serve with ``handler`` for the event ``echo``; in the thread whose hub is to serve."""
        self.io = Server(**options)
        self.io.on("echo", handler)
        self.io.on("news", lambda socket, text: self.io.emit("news", text))
        self.counter = CallCounter()
        self.port = 0
        self._clients: list[Closable] = []
        self._runner = Runner(self.io, port=0, socketio_path_matches=self.io.matches)
        # Passed from the hub to the clients' thread by functions in C, which nothing counts.
        self._idle = threading.Lock()
        self._idle.acquire()
        self._asked: Any = gevent.get_hub().loop.async_()
        self._asked.start(self._idle.release)

    def play(self, scene: Callable[[Stage], T]) -> T:
        """Run the clients' side of a scene, ``scene(self)``, in another thread; return what it returns."""
        try:
            self._runner.start()
            self.port = self._runner.address[1]
            with patience():
                result: T = gevent.get_hub().threadpool.apply(scene, (self,))
        finally:
            for client in self._clients:
                client.close()
            self.io.close()
            self._runner.stop(timeout=1.0)
            self._asked.stop()
            self._asked.close()
        return result

    def play_counted(self, scene: Callable[[Stage], T]) -> T:
        """Do the same while the calls of this thread are counted."""
        self.counter.start()
        try:
            return self.play(scene)
        finally:
            self.counter.stop()

    # -- in the clients' thread -------------------------------------------------------------------

    def join(self, kind: Callable[[int, Callable[[], None]], C]) -> C:
        """Return a new client of this kind, which is closed at the end."""
        client = kind(self.port, self.settle)
        self._clients.append(client)
        return client

    def count(self, work: Callable[[], object], group: int = 10) -> Calls:
        """Return the calls of the server for each unit of ``work``, done in groups of so many."""
        for _ in range(WARM_UP):
            work()
        self.settle()
        snapshots = [self.counter.snapshot()]
        for _ in range(GROUPS):
            for _ in range(group):
                work()
                self.settle()
            snapshots.append(self.counter.snapshot())
        return per_unit(snapshots, group)

    def settle(self) -> None:
        """Wait until the server has nothing to do."""
        # Once may be in the turn in which something begins; what follows from it comes in the next one.
        for _ in range(2):
            self._asked.send()
            if not self._idle.acquire(timeout=DEADLINE):
                raise TimeoutError("the server is never idle")
