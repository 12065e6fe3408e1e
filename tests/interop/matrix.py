"""The matrix of the interop tests: cells, and how all cells of one host are run side by side."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.interop.clients import environment, node
from tests.interop.hosts import HOSTS, Host, HostFailed, HostServer

DRIVER = Path(__file__).parent / "driver.js"

# The names of package.json, and the generations that they stand for.
CLIENTS = {"sio17": "1.7", "sio25": "2.5", "sio31": "3.1", "sio48": "4.8"}
MODES = ("polling", "websocket", "upgrade")

# A driver that passes needs a few seconds; this is for one that hangs.
DRIVER_TIMEOUT = 120.0


class Cell(NamedTuple):
    """One generation of the client in one transport mode."""

    client: str
    mode: str


ALL_CELLS = [Cell(client, mode) for client in CLIENTS for mode in MODES]


@dataclass(kw_only=True, slots=True)
class CellResult:
    """What a driver said.

    Attributes:
        cell: Which one it was.
        plan: The names of the checks that it meant to do.
        checks: Those that it did, as ``{"name": str, "ok": bool, "detail": str, "ms": int}``.
        output: All that it wrote.
        exit_code: How it ended; negative for the signal that ended it.
    """

    cell: Cell
    plan: list[str] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    exit_code: int | None = None

    def failures(self) -> list[str]:
        """Return what failed or wasn't done, a line each; empty if the cell is green."""
        lines = [f"{check['name']}: {check['detail']}" for check in self.checks if not check["ok"]]
        done = {check["name"] for check in self.checks}
        lines += [f"{name}: not done" for name in self.plan if name not in done]
        if not self.plan or self.exit_code != 0:
            lines.append(f"the driver ended with {self.exit_code}")
        return lines


@dataclass(kw_only=True, slots=True)
class HostResult:
    """What came of the cells of one host.

    Attributes:
        cells: The results by cell; empty if the server didn't start.
        log: What the server wrote.
        problem: Why it didn't start, or not again; empty if it did.
        seconds: How long all took.
    """

    cells: dict[Cell, CellResult] = field(default_factory=dict)
    log: str = ""
    problem: str = ""
    seconds: float = 0.0


class Restart:
    """Lets the drivers wait for each other and for the restart of their server, which is one for all of them.

    Attributes:
        down: Set when the server has been killed.
        up: Set when it serves again.
    """

    def __init__(self, parties: int) -> None:
        """Wait for so many drivers."""
        self.down = threading.Event()
        self.up = threading.Event()
        self._missing = threading.Semaphore(0)
        self._parties = parties

    def arrive(self) -> None:
        """Say that a driver is ready, or has ended; once for each."""
        self._missing.release()

    def wait_for_all(self) -> None:
        """Wait until every driver has arrived."""
        for _ in range(self._parties):
            self._missing.acquire()


class _Driver:
    """One driver process, served by one thread."""

    def __init__(self, cell: Cell, url: str, modules: Path, restart: Restart) -> None:
        self.result = CellResult(cell=cell)
        self._restart = restart
        self._arrived = False
        arguments = ["--client", cell.client, "--mode", cell.mode, "--url", url]
        self._process = subprocess.Popen(
            [node(), str(DRIVER), *arguments],
            env=environment(NODE_PATH=str(modules)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def run(self) -> None:
        """Fill ``result``; returns when the driver has ended."""
        timer = threading.Timer(DRIVER_TIMEOUT, self.stop)
        timer.start()
        try:
            with self._process:
                for line in self._lines():
                    self._take(line)
        finally:
            timer.cancel()
            timer.join()
            self._arrive()
        self.result.exit_code = self._process.returncode

    def stop(self) -> None:
        """End the driver; ``run`` returns then. From any thread."""
        self._process.kill()

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.result.output.append(line.rstrip("\n"))
            yield line

    def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            # Node's own words, on the standard error output.
            return
        if "plan" in said:
            self.result.plan = said["plan"]
        elif "ready" in said:
            self._arrive()
            self._restart.down.wait()
            self._tell("down")
            self._restart.up.wait()
            self._tell("up")
        else:
            self.result.checks.append(said)

    def _arrive(self) -> None:
        if not self._arrived:
            self._arrived = True
            self._restart.arrive()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        # It may have given up meanwhile.
        with suppress(OSError):
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()


def _run_drivers(server: HostServer, drivers: Sequence[_Driver], restart: Restart) -> None:
    """Run drivers side by side, and restart the server when all of them are ready for it.

    Raises:
        HostFailed: It didn't start again; the drivers have ended.
    """
    with ThreadPoolExecutor(len(drivers)) as threads:
        running = [threads.submit(driver.run) for driver in drivers]
        try:
            restart.wait_for_all()
            server.kill()
            restart.down.set()
            server.start()
            restart.up.set()
            for future in running:
                future.result()
        finally:
            # Whatever ended this, an impatient user too: nothing is waited for any more.
            restart.down.set()
            restart.up.set()
            for driver in drivers:
                driver.stop()


def run_host(host: Host, cells: Sequence[Cell], *, modules: Path, log: Path) -> HostResult:
    """Run cells side by side against one server, which is killed and started again once, for all of them.

    Args:
        host: The kind of server.
        cells: The cells, each once.
        modules: The folder of the installed clients.
        log: Where the server's output goes.
    """
    started = time.monotonic()
    result = HostResult()
    server = HostServer(host, log)
    restart = Restart(len(cells))
    try:
        server.start()
        drivers = [_Driver(cell, server.url, modules, restart) for cell in cells]
        result.cells = {driver.result.cell: driver.result for driver in drivers}
        _run_drivers(server, drivers, restart)
    except HostFailed as error:
        result.problem = str(error)
    finally:
        server.kill()
    result.log = server.log()
    result.seconds = time.monotonic() - started
    return result


class Matrix:
    """The hosts' results, each made when the first of its cells is asked for."""

    def __init__(
        self,
        results: dict[str, HostResult],
        selected: Mapping[str, Sequence[Cell]],
        *,
        modules: Path,
        logs: Path,
    ) -> None:
        """Keep the results in ``results``; run of each host only the cells in ``selected``."""
        self._results = results
        self._selected = selected
        self._modules = modules
        self._logs = logs

    def host(self, name: str) -> HostResult:
        """Run those cells of a host that are selected, or all if none is; once."""
        if name not in self._results:
            cells = self._selected.get(name) or ALL_CELLS
            log = self._logs / f"{name}.log"
            self._results[name] = run_host(HOSTS[name], cells, modules=self._modules, log=log)
        return self._results[name]
