"""The application that is restarted: it answers what clients say, and tells all of them news, numbered.

Usage: python -m tests.reliability.restarted PORT, or under gunicorn. Its environment names the directory in
which it leaves its clients. At its end it says how many news there were, how many clients have left, and when
the last.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from socketio_sync import Server, Socket, WSGIApp
from socketio_sync.types import Environ, StartResponse

io = Server(connection_state_recovery={"directory": os.environ["RECOVERY"]})
state: dict[str, Any] = {"pid": os.getpid(), "news": 0, "left": 0, "last": 0.0, "reasons": []}


def page(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Say that it serves."""
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]


app = WSGIApp(io, page)


@io.on("connection")
def connection(socket: Socket) -> None:
    if not socket.recovered:
        socket.data["said"] = []


@io.on("say")
def say(socket: Socket, number: int) -> int:
    socket.data["said"].append(number)
    # A handler takes its time.
    io.sleep(0.005)
    return number


@io.on("said")
def said(socket: Socket) -> list[int]:
    numbers: list[int] = socket.data["said"]
    return numbers


@io.on("disconnect")
def disconnect(socket: Socket, reason: str) -> None:
    state["left"] += 1
    state["last"] = time.monotonic()
    state["reasons"] = sorted({*state["reasons"], reason})


def tell() -> None:
    """Tell news ten times a second, from before the first client on."""
    while True:
        state["news"] += 1
        io.emit("news", os.getpid(), state["news"])
        io.sleep(0.1)


def begin() -> None:
    """Begin in the process that serves."""
    io.background(tell)
    # Before the library's own, and so after it.
    atexit.register(lambda: print(f"\nEND {json.dumps(state)}", flush=True))


if __name__ == "__main__":
    begin()
    io.run(app, port=int(sys.argv[1]))
