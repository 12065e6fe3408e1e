"""The servers that are compared: what each needs, and how it's started."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["own", "c", "npm", "pip"]


@dataclass(frozen=True)
class Installation:
    """Packages that are installed together, by name, into a folder of their own.

    Attributes:
        name: The folder's name.
        kind: ``"own"`` is this checkout and the environment that runs the benchmark, ``"c"`` a compiler.
        packages: As the package manager takes them.
    """

    name: str
    kind: Kind
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One server.

    Attributes:
        name: For the command line.
        title: For reports.
        short: For charts.
        installation: What it needs.
        command: Words with ``{port}``, ``{servers}`` (the folder of the server files) and the programs of
            its installation: ``{python}``, ``{node}``, ``{bun}`` or ``{program}``.
        has_workers: Whether its children do the work; they are measured then instead of it.
        lacks: The kinds of scenarios that it can't run.
        is_bound: Whether it only shows what the machine could do: no Socket.IO server that one could use.
    """

    name: str
    title: str
    short: str
    installation: Installation
    command: tuple[str, ...]
    has_workers: bool = False
    lacks: frozenset[str] = field(default_factory=frozenset)
    is_bound: bool = False


OURS = Installation("ours", "own")
COMPILER = Installation("c", "c")
NODE = Installation("node", "npm", ("socket.io@4.8", "zod@4"))
BUN_PLATFORM = f"@oven/bun-linux-{'aarch64' if platform.machine() == 'aarch64' else 'x64'}"
BUN = Installation("bun", "npm", ("socket.io@4.8", "@socket.io/bun-engine", "zod@4", BUN_PLATFORM))
SYNC_PEER = Installation(
    "python-socketio",
    "pip",
    ("python-socketio>=5.18", "gevent", "gevent-websocket", "gunicorn[gevent]", "msgspec"),
)
ASYNC_PEER = Installation(
    "python-socketio-async", "pip", ("python-socketio>=5.18", "uvicorn[standard]", "msgspec")
)
FLASK_PEER = Installation(
    "flask-socketio", "pip", ("flask-socketio>=5.7", "gevent", "gevent-websocket", "msgspec")
)

# Its own limit of connections is 1,000.
_GUNICORN = (
    *("{python}", "-m", "gunicorn", "--chdir", "{servers}", "-b", "127.0.0.1:{port}", "--no-control-socket"),
    *("--workers", "1", "--worker-connections", "20000", "-k"),
)

# What the bounds leave out: they have WebSocket only, and no handlers.
_BOUND_LACKS = frozenset(
    {"polling", "upgrade", "alone", "slow", "rooms", "echo-real", "connect-real", "idle", "held"}
)

CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(
            name="ours",
            title="socketio_sync, own runner",
            short="socketio_sync",
            installation=OURS,
            command=("{python}", "{servers}/ours.py", "{port}"),
        ),
        Contestant(
            name="ours-gunicorn",
            title="socketio_sync, gunicorn -k gevent",
            short="socketio_sync, gunicorn",
            installation=OURS,
            command=(*_GUNICORN, "gevent", "ours:app"),
            has_workers=True,
        ),
        Contestant(
            name="ours-flask",
            title="socketio_sync, Flask extension",
            short="socketio_sync, Flask",
            installation=OURS,
            command=("{python}", "{servers}/ours_flask.py", "{port}"),
        ),
        Contestant(
            name="node",
            title="Node, socket.io, ws",
            short="Node",
            installation=NODE,
            command=("{node}", "{servers}/node.js", "{port}"),
        ),
        Contestant(
            name="bun",
            title="Bun, socket.io, @socket.io/bun-engine",
            short="Bun",
            installation=BUN,
            command=("{bun}", "{servers}/bun.js", "{port}"),
        ),
        Contestant(
            name="python-socketio",
            title="python-socketio, gevent pywsgi",
            short="python-socketio, gevent",
            installation=SYNC_PEER,
            command=("{python}", "{servers}/python_socketio_gevent.py", "{port}"),
        ),
        Contestant(
            name="python-socketio-gunicorn",
            title="python-socketio, gunicorn, gevent-websocket worker",
            short="python-socketio, gunicorn",
            installation=SYNC_PEER,
            command=(
                *_GUNICORN,
                "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
                "python_socketio_gevent:app",
            ),
            has_workers=True,
        ),
        Contestant(
            name="python-socketio-async",
            title="python-socketio, uvicorn + uvloop",
            short="python-socketio, uvicorn",
            installation=ASYNC_PEER,
            command=("{python}", "{servers}/python_socketio_uvicorn.py", "{port}"),
        ),
        Contestant(
            name="flask-socketio",
            title="Flask-SocketIO, gevent",
            short="Flask-SocketIO, gevent",
            installation=FLASK_PEER,
            command=("{python}", "{servers}/flask_socketio_gevent.py", "{port}"),
        ),
        Contestant(
            name="c-bound",
            title="bare C: one read, one write per wake-up",
            short="bare C",
            installation=COMPILER,
            command=("{program}", "{port}"),
            lacks=_BOUND_LACKS,
            is_bound=True,
        ),
        Contestant(
            name="gevent-bound",
            title="bare gevent: a greenlet per connection",
            short="bare gevent",
            installation=OURS,
            command=("{python}", "{servers}/gevent_bound.py", "{port}"),
            lacks=_BOUND_LACKS,
            is_bound=True,
        ),
    )
}
