"""The layers: who may import whom, in one table. An import under ``TYPE_CHECKING`` counts like any other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "socketio_sync"

FOUNDATION = frozenset({"exceptions", "options", "types", "logs"})
# The protocols are pure: they don't log.
PROTOCOLS = frozenset({"protocol.websocket", "protocol.engineio", "protocol.socketio"})
# Reading HTTP requests strictly; knows nothing of Socket.IO.
RUNNER = frozenset(
    {"http_head", "http_known", "http_body", "http_connection", "http_answers", "http_handler"}
)

MAY_IMPORT: dict[str, frozenset[str]] = {
    "_version": frozenset(),
    "exceptions": frozenset(),
    "types": frozenset(),
    "logs": frozenset(),
    "option_groups": frozenset({"types"}),
    "options": frozenset({"types", "exceptions", "option_groups"}),
    "protocol": frozenset(),
    "protocol.websocket": frozenset({"exceptions", "types"}),
    "protocol.engineio": frozenset({"exceptions", "types"}),
    "protocol.socketio": frozenset({"exceptions", "types"}),
    "adapters": FOUNDATION | PROTOCOLS,
    "transports": FOUNDATION | PROTOCOLS,
    "engine": FOUNDATION | PROTOCOLS | {"transports"},
    "http_head": frozenset({"exceptions", "types", "option_groups"}),
    "http_body": frozenset({"exceptions", "types", "http_head"}),
    "http_known": frozenset({"exceptions", "types", "http_head"}),
    "http_connection": frozenset({"exceptions", "types"}),
    "http_answers": frozenset({"exceptions", "types", "http_body", "http_connection"}),
    "http_handler": frozenset({"exceptions", "types", "logs"}) | (RUNNER - {"http_handler"}),
    # The runner is handed callables and imports no server, so that a server may offer it as a method.
    "run": FOUNDATION | RUNNER,
    "bundle": FOUNDATION | {"engine"},
    "server": FOUNDATION | PROTOCOLS | {"transports", "adapters", "engine", "bundle", "run"},
    "wsgi": FOUNDATION | PROTOCOLS | {"transports", "adapters", "engine", "bundle", "run", "server"},
    "testing": FOUNDATION | PROTOCOLS | {"server", "wsgi", "run", "http_head"},
}

# Where gevent may be imported: in the transports, in what stands above them, and in the room index (only for
# the unpatched lock).
GEVENT = frozenset(
    {
        "transports",
        "engine",
        "server",
        "wsgi",
        "run",
        "testing.wire",
        "testing.link",
        "testing.channel",
        "testing.factory",
        "testing.ports",
        "http_handler",
        "http_answers",
        "http_connection",
        "adapters.rooms",
    }
)

# What the protocols may not touch: input and output, the clock, locks, logging.
IMPURE = frozenset({"asyncio", "gevent", "logging", "random", "select", "socket", "ssl", "threading", "time"})


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module's dotted name below the package, and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def unit_of(module: str) -> str:
    """Return the row of the table that a module belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "protocol" else parts[0]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides the layer"
            assert node.module is not None
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def own(name: str, known: frozenset[str]) -> str | None:
    """Return the imported module of this package, or None for anything else."""
    if name == "socketio_sync" or not name.startswith("socketio_sync."):
        return None
    module = name.removeprefix("socketio_sync.")
    return module if module in known else None


KNOWN = dict(modules())
MODULES = sorted(module for module in KNOWN if module)
NAMES = frozenset(MODULES)


def faults_of(module: str, source: str) -> list[str]:
    """Return what a module imports against the table, one line each."""
    unit = unit_of(module)
    allowed = MAY_IMPORT.get(unit, frozenset())
    faults = []
    for line, name in imports(source):
        top = name.split(".")[0]
        target = own(name, NAMES)
        if name == "socketio_sync":
            faults.append(f"line {line}: imports the package itself, and with it all layers")
        if target is not None and unit_of(target) not in allowed | {unit}:
            faults.append(f"line {line}: {unit} may not import {target}")
        if top in ("gevent", "greenlet", "geventwebsocket") and not {unit, module} & GEVENT:
            faults.append(f"line {line}: {module} may not import {top}")
        if unit.startswith("protocol") and top in IMPURE:
            faults.append(f"line {line}: {module} is pure, and imports {top}")
    return faults


def test_every_package_and_top_level_module_stands_in_the_table() -> None:
    assert sorted({unit_of(module) for module in MODULES} - set(MAY_IMPORT)) == []


def test_the_table_has_no_circle() -> None:
    below: dict[str, frozenset[str]] = {}

    def reach(unit: str, path: tuple[str, ...]) -> frozenset[str]:
        assert unit not in path, f"a circle: {' -> '.join((*path, unit))}"
        if unit not in below:
            lower = [reach(other, (*path, unit)) for other in MAY_IMPORT[unit]]
            below[unit] = MAY_IMPORT[unit].union(*lower)
        return below[unit]

    for unit in MAY_IMPORT:
        reach(unit, ())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    assert faults_of(module, KNOWN[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("engine.x", "from socketio_sync.server.dispatch import x"),
        ("engine.x", "from socketio_sync import server"),
        ("engine.x", "import socketio_sync"),
        ("protocol.engineio.x", "from socketio_sync.protocol.socketio.packet import Packet"),
        ("protocol.engineio.x", "import gevent.socket"),
        ("protocol.socketio.x", "from time import monotonic"),
        ("adapters.memory", "from gevent.lock import RLock"),
        (
            "transports.x",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socketio_sync.engine",
        ),
        ("logs", "def f():\n    from socketio_sync.types import Environ"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert faults_of(module, source)
