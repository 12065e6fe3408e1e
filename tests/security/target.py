"""The server that is attacked, a program of its own; its page ``/stats`` tells what became of it.

Usage: python -m tests.security.target OPTIONS, the options of server and runner as JSON; "dynamic" makes
namespaces for whoever asks. It says its port,
and at its end how many clients have left for which reason.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from io import TextIOBase
from pathlib import Path
from typing import Any

import gevent
from gevent.hub import Hub
from greenlet import greenlet

from socketio_sync import Server, Socket, WSGIApp
from socketio_sync.http_head import RequestLimits
from socketio_sync.run import Runner
from socketio_sync.types import Environ, StartResponse

libc = ctypes.CDLL(None)


class Errors(TextIOBase):
    """The standard error stream, where gevent reports by itself: tracebacks count there as well."""

    def write(self, text: str) -> int:
        log.tracebacks += text.count("Traceback")
        log.full.append(text)
        return ERRORS.write(text)


class Lines(logging.Handler):
    """Keeps what is logged, and counts tracebacks.

    Attributes:
        lines: The messages, of a traceback its last line.
        full: All text, as it would stand in a file.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.full: list[str] = []
        self.tracebacks = 0

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.tracebacks += error is not None
        self.full.append(self.format(record))
        self.lines.append(record.getMessage() + (f": {error}" if error is not None else ""))


ERRORS = sys.stderr
# How much CPU time it has taken to tell about it all.
told = 0.0
options = json.loads(sys.argv[1])
dynamic = options.pop("dynamic", False)
limits = RequestLimits(**options.pop("limits", {}))
log = Lines()
vars(gevent.get_hub())["exception_stream"] = sys.stderr = Errors()
logging.getLogger().addHandler(log)
io = Server(**options)
connects: Counter[str] = Counter()
disconnects: Counter[str] = Counter()
handled: Counter[str] = Counter()


def memory() -> dict[str, int]:
    """Return memory now and at its peak since the last call, in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    figures = {
        name: int(status[key].split()[0]) * 1024 for name, key in (("rss", "VmRSS"), ("peak", "VmHWM"))
    }
    Path("/proc/self/clear_refs").write_text("5")
    return figures


def stats() -> dict[str, Any]:
    """Return what there is at this moment; the time that takes isn't counted."""
    global told
    began = time.process_time()
    before = memory()
    gc.collect()
    # What the allocator keeps for later is nobody's.
    libc.malloc_trim(0)
    lines, log.lines = log.lines, []
    full, log.full = log.full, []
    found = {
        "pid": os.getpid(),
        "rss": memory()["rss"],
        "peak": before["peak"],
        "files": len(os.listdir("/proc/self/fd")),
        "greenlets": sum(
            isinstance(each, greenlet) and not isinstance(each, Hub) for each in gc.get_objects()
        ),
        "sessions": io.engine.clients_count,
        "sockets": sum(len(namespace.sockets) for namespace in io.namespaces.values()),
        "connects": connects.total(),
        "disconnects": disconnects,
        "handled": handled,
        "log": lines,
        "full": full,
        "tracebacks": log.tracebacks,
        "cpu": began - told,
    }
    told += time.process_time() - began
    return found


def page(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer ``/stats``; anything else is a page of the application."""
    body = json.dumps(stats()).encode() if environ["PATH_INFO"] == "/stats" else b"page"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@io.on("fail")
def fail(socket: Socket, *values: Any) -> None:
    raise ValueError("on purpose")


if dynamic:
    # Namespaces for whoever asks, by the name that he likes.
    io.of(re.compile(r"(?s)/made.*")).on("fail", fail)


@io.on("connection")
def connection(socket: Socket) -> None:
    connects["/"] += 1


@io.on("disconnect")
def disconnect(socket: Socket, reason: str) -> None:
    disconnects[reason] += 1


@io.on_any
def any_event(socket: Socket, event: str, *arguments: Any) -> None:
    handled[event if len(event) < 20 else "long"] += 1


@io.on("echo")
def echo(socket: Socket, *values: Any) -> Any:
    return values


@io.on("nothing")
def nothing(socket: Socket, *values: Any) -> None:
    pass


@io.on("relay")
def relay(socket: Socket, *values: Any) -> None:
    socket.broadcast.emit("relayed", *values)


@io.on("big")
def big(socket: Socket, size: int, count: int) -> None:
    for _ in range(count):
        socket.emit("big", "x" * size)


@io.on("ask")
def ask(socket: Socket) -> None:
    socket.emit("question", ack=lambda *values: None)


@io.on("rooms")
def rooms(socket: Socket, count: int) -> None:
    socket.join(*range(count))


@io.on("tell")
def tell(socket: Socket, room: str | int, *values: Any) -> None:
    socket.to(room).emit("told", *values)


@io.on("subscribe")
def subscribe(socket: Socket) -> None:
    socket.join("subscribers")


@io.on("publish")
def publish(socket: Socket, rate: int, seconds: float, size: int) -> dict[str, Any]:
    """Broadcast numbered messages; tell how many, and how long the slowest emit took, in seconds."""
    begin = time.monotonic()
    number, slowest = 0, 0.0
    while number < rate * seconds:
        # Where it can't keep up it is late, and keeps nobody waiting.
        for _ in range(
            min(int((time.monotonic() - begin) * rate) - number, int(rate * seconds) - number, 20)
        ):
            before = time.monotonic()
            io.to("subscribers").emit("news", f"{number:08}", "x" * size)
            slowest = max(slowest, time.monotonic() - before)
            number += 1
        gevent.sleep(0.002)
    return {"count": number, "slowest": slowest, "dropped": sum(s.conn.dropped for s in io.sockets.values())}


@io.on("stall")
def stall(socket: Socket, seconds: float) -> None:
    # Natively: nobody is served meanwhile.
    time.sleep(seconds)


if __name__ == "__main__":
    runner = Runner(
        WSGIApp(io, page), port=0, socketio_path_matches=io.matches, on_stop=io.close, limits=limits
    )
    io.engine.runtime_of(gevent.get_hub())
    runner.start()
    print(runner.address[1], flush=True)
    runner.serve_forever()
    print(json.dumps(disconnects), flush=True)
