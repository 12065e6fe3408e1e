"""The page of all options, from the docstrings of the dataclasses that declare them."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, fields
from typing import Any

from docs.pages.docstrings import entries, table
from socketio_sync import Server
from socketio_sync.http_head import RequestLimits
from socketio_sync.options import EngineOptions, RateLimits, ServerOptions
from socketio_sync.protocol.socketio.packet import MAX_EVENT_NAME, MAX_ID_DIGITS, MAX_NAMESPACE
from socketio_sync.run import Runner

_TITLES = ["Option", "Type", "Default", "Meaning, and what happens at the limit"]

# A port has no separators.
_LONG = 10_000

_INTRODUCTION = """\
# Options

All options are keyword arguments. Times are in seconds, sizes in bytes. An unknown name is a `TypeError`, a
value that can't work a `ValueError`. What a client does wrong is logged as a WARNING line, at most ten a
second for the same reason.

This page is generated from the docstrings of the code (`make docs`).
"""

_RATES = """\
`True` is all of these defaults; a dict, or a `RateLimits` from `socketio_sync.options`, changes those that it
names. Behind a proxy, set `trusted_proxies`: without it all clients have the proxy's address.
"""

_FIXED = f"""\
## Fixed limits

A client is disconnected (1008) beyond {MAX_EVENT_NAME} characters in the name of an event, {MAX_NAMESPACE} in
that of a namespace, and {MAX_ID_DIGITS} digits in the id of an acknowledgement. A room's name of more than
512 characters is a `ValueError` where the application joins it.

A session has one GET and one POST at a time; a second one gets 400, and the session is closed. It has one
probing WebSocket at a time; a second one gets 400.

## Close codes

A WebSocket is closed with 1001 when the server stops, 1002 for bad framing, 1007 for text that isn't UTF-8,
1008 for what the protocols or a limit don't allow, 1009 for a message that is too long, and 1013 for a client
that doesn't read what is sent to it; otherwise without a code.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _INTRODUCTION,
            "## Of the Socket.IO server: `Server(...)`\n",
            "Besides those of the next section. `path` is `/socket.io` here.\n",
            _of_dataclass(ServerOptions, without=EngineOptions),
            "",
            _of_adapter(),
            "",
            "## Of both servers: `Server(...)` and `EngineServer(...)`\n",
            _of_dataclass(EngineOptions),
            "",
            "## Of the rate limits: `Server(rate_limit={...})`\n",
            _RATES,
            _of_dataclass(RateLimits),
            "",
            "## Of the runner: `io.run(app, ...)`\n",
            "Under another host these are the host's own.\n",
            _of_run(),
            "",
            "## Of each request to the runner: `io.run(app, limits=RequestLimits(...))`\n",
            "`from socketio_sync.run import RequestLimits`\n",
            _of_dataclass(RequestLimits),
            "",
            _FIXED.rstrip("\n"),
            "",
        ]
    )


def _of_dataclass(declared: type[Any], without: type[Any] | None = None) -> str:
    said = entries(declared, "Attributes")
    known = {field.name for field in fields(without)} if without is not None else set()
    rows = [
        [f"`{field.name}`", f"`{field.type}`", _default(field), said[field.name]]
        for field in fields(declared)
        if field.name not in known
    ]
    return table(_TITLES, rows)


def _of_adapter() -> str:
    said = entries(Server.__mro__[1].__init__, "Args")
    return f"`adapter`: {said['adapter']}"


def _of_run() -> str:
    said = entries(Runner.__init__, "Args")
    parameters = inspect.signature(Runner.__init__).parameters
    # These `io.run` itself gives.
    own = ("self", "app", "socketio_path_matches", "on_stop")
    rows = [
        [f"`{name}`", f"`{parameter.annotation}`", _shown(parameter.default), said[name]]
        for name, parameter in parameters.items()
        if name not in own
    ]
    return table(_TITLES, rows)


def _default(field: Field[Any]) -> str:
    return _shown(field.default) if field.default is not MISSING else ""


def _shown(value: Any) -> str:
    """Return a default as one writes it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, int) and value >= _LONG:
        return f"`{value:_}`"
    return f"`{value!r}`"
