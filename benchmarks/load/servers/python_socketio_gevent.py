"""python-socketio on gevent: its pywsgi as a program, or ``gunicorn -k ... python_socketio_gevent:app``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
from typing import Annotated, Any

import msgspec
import socketio
from gevent import pywsgi
from geventwebsocket.handler import WebSocketHandler

sio = socketio.Server(async_mode="gevent", ping_interval=float(os.environ.get("BENCH_PING_INTERVAL", "25")))
app = socketio.WSGIApp(sio)


class Message(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=0)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


def echo(sid: str, data: Any) -> Any:
    return data


def typed_echo(sid: str, data: Any) -> Any:
    message = msgspec.convert(data, Message)
    sio.get_session(sid)["messages"] += 1
    return {"n": message.n, "text": message.text}


def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    # There is no middleware: both checks are made here.
    if "banned" in environ["QUERY_STRING"]:
        raise socketio.exceptions.ConnectionRefusedError("banned")
    name = (auth or {}).get("name", "somebody")
    sio.save_session(sid, {"name": name, "messages": 0})
    for each in ("everybody", f"name:{name}", f"own:{sid}"):
        sio.enter_room(sid, each)


@sio.on("bcast")
def bcast(sid: str, data: Any) -> None:
    sio.emit("msg", data)


@sio.on("join")
def join(sid: str, name: str) -> str:
    sio.enter_room(sid, name)
    return name


@sio.on("room")
def room(sid: str, name: str, data: Any) -> None:
    sio.emit("msg", data, to=name)


if os.environ.get("BENCH_REAL"):
    sio.on("connect", connect)
    sio.on("echo", typed_echo)
else:
    sio.on("echo", echo)


if __name__ == "__main__":
    pywsgi.WSGIServer(
        ("127.0.0.1", int(sys.argv[1])), app, handler_class=WebSocketHandler, log=None
    ).serve_forever()
