"""Flask-SocketIO on gevent, started by its own ``run``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
from typing import Annotated, Any

import flask
import msgspec
from flask_socketio import ConnectionRefusedError, SocketIO, emit, join_room

app = flask.Flask(__name__)
app.config["SECRET_KEY"] = "not a secret"
socketio = SocketIO(
    app, async_mode="gevent", ping_interval=float(os.environ.get("BENCH_PING_INTERVAL", "25"))
)


class Message(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=0)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


def echo(data: Any) -> Any:
    return data


def typed_echo(data: Any) -> Any:
    message = msgspec.convert(data, Message)
    flask.session["messages"] += 1
    return {"n": message.n, "text": message.text}


def connect(auth: Any) -> None:
    # There is no middleware: both checks are made here.
    if "banned" in flask.request.args:
        raise ConnectionRefusedError("banned")
    name = (auth or {}).get("name", "somebody")
    flask.session.update(name=name, messages=0)
    for each in ("everybody", f"name:{name}", f"own:{flask.request.sid}"):
        join_room(each)


@socketio.on("bcast")
def bcast(data: Any) -> None:
    emit("msg", data, broadcast=True)


@socketio.on("join")
def join(name: str) -> str:
    join_room(name)
    return name


@socketio.on("room")
def room(name: str, data: Any) -> None:
    emit("msg", data, to=name)


if os.environ.get("BENCH_REAL"):
    socketio.on_event("connect", connect)
    socketio.on_event("echo", typed_echo)
else:
    socketio.on_event("echo", echo)


if __name__ == "__main__":
    socketio.run(app, port=int(sys.argv[1]), log_output=False)
