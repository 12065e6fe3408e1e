"""python-socketio's asynchronous server under uvicorn, with uvloop."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import msgspec
import socketio
import uvicorn

sio = socketio.AsyncServer(
    async_mode="asgi", ping_interval=float(os.environ.get("BENCH_PING_INTERVAL", "25"))
)
app = socketio.ASGIApp(sio)


class Message(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=0)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


async def echo(sid: str, data: Any) -> Any:
    return data


async def typed_echo(sid: str, data: Any) -> Any:
    message = msgspec.convert(data, Message)
    session = await sio.get_session(sid)
    session["messages"] += 1
    return {"n": message.n, "text": message.text}


async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    # There is no middleware: both checks are made here.
    if "banned" in environ["QUERY_STRING"]:
        raise socketio.exceptions.ConnectionRefusedError("banned")
    name = (auth or {}).get("name", "somebody")
    await sio.save_session(sid, {"name": name, "messages": 0})
    for each in ("everybody", f"name:{name}", f"own:{sid}"):
        await sio.enter_room(sid, each)


@sio.on("bcast")
async def bcast(sid: str, data: Any) -> None:
    await sio.emit("msg", data)


@sio.on("join")
async def join(sid: str, name: str) -> str:
    await sio.enter_room(sid, name)
    return name


@sio.on("room")
async def room(sid: str, name: str, data: Any) -> None:
    await sio.emit("msg", data, to=name)


if os.environ.get("BENCH_REAL"):
    sio.on("connect", connect)
    sio.on("echo", typed_echo)
else:
    sio.on("echo", echo)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", log_level="error", access_log=False)
