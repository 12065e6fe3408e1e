"""Runs the contestants, interleaved, and writes down what each did."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.contestants import Contestant
from benchmarks.load.peers import CACHE, HERE, Installed, compiled, ensure
from benchmarks.load.process import ServerFailed, serving
from benchmarks.load.scenarios import Scenario, figures_of
from benchmarks.load.stats import QUIET, noise

# Far beyond what any scenario takes: a run that hangs ends by itself.
LOAD_TIMEOUT = 240.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure.

    Attributes:
        server_core: The core of the servers.
        load_core: The core of the load generator.
        seconds: The length of a measured window.
        rounds: How often everything is measured.
        attempts: How often a cell is measured at most until the machine was quiet meanwhile.
    """

    server_core: int
    load_core: int
    seconds: float
    rounds: int
    attempts: int = 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the machine's lock of measurements: two runs never overlap. ``BENCH_LOCK`` names its file."""
    path = Path(os.environ.get("BENCH_LOCK", CACHE / "lock"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def raise_descriptor_limit() -> int:
    """Allow as many open sockets as this process may; servers and generator inherit it. Return the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def load(arguments: str, *, port: int, pids: Sequence[int], core: int) -> dict[str, Any]:
    """Run the load generator; return its output.

    Raises:
        ServerFailed: It has no output.
    """
    program = compiled(HERE / "sioload.c")
    sampled = ",".join(str(pid) for pid in pids)
    command = [
        "taskset",
        "-c",
        str(core),
        str(program),
        *arguments.split(),
        "-p",
        str(port),
        "--pids",
        sampled,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise ServerFailed(f"the load didn't end within {LOAD_TIMEOUT:.0f} s") from None
    if done.returncode not in (0, 3):
        raise ServerFailed(f"the load generator failed: {done.stderr.strip()}")
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return output


def measure(
    contestant: Contestant,
    arguments: str,
    settings: Settings,
    *,
    installed: Installed | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Start a server, put the load on it, end it; return the generator's output.

    Raises:
        Missing: The contestant can't be installed.
        ServerFailed: The server doesn't start, or the generator fails.
    """
    with (
        alone(),
        serving(
            contestant,
            installed or ensure(contestant.installation),
            core=settings.server_core,
            environment=environment or {},
        ) as (port, pids),
    ):
        return load(arguments, port=port, pids=pids, core=settings.load_core)


def cell(contestant: Contestant, scenario: Scenario, settings: Settings) -> dict[str, Any]:
    """Measure one contestant in one scenario; a failure is part of the result.

    Returns:
        ``{"ok": bool, "error": str, ...figures}`` of the quietest attempt, or of the one that
        failed; an error of the generator's checks leaves the figures.

    Raises:
        Missing: The contestant can't be installed.
    """
    results = []
    for _ in range(settings.attempts):
        results.append(_attempt(contestant, scenario, settings))
        # A failed check is a result: it isn't tried again until it passes.
        if not results[-1]["ok"] or noise(results[-1]) <= QUIET:
            break
    return min(results, key=lambda result: (result["ok"], noise(result)))


def _attempt(contestant: Contestant, scenario: Scenario, settings: Settings) -> dict[str, Any]:
    arguments = scenario.arguments.format(seconds=settings.seconds)
    try:
        output = measure(contestant, arguments, settings, environment=scenario.environment())
    except ServerFailed as error:
        return {"ok": False, "error": str(error)}
    result = {"ok": output["ok"], **figures_of(output)}
    if not output["ok"]:
        result["error"] = output.get("first_error", "a check of the load generator failed")
    return result


def turns(
    contestants: Sequence[Contestant], scenarios: Sequence[Scenario], *, rounds: int
) -> Iterator[tuple[int, Scenario, Contestant]]:
    """Yield the round, from 1 on, the scenario and the contestant of each result.

    All contestants come after one another in each scenario; who is first moves on by one at each scenario
    and each round.
    """
    for round_number in range(rounds):
        for position, scenario in enumerate(scenarios):
            able = [each for each in contestants if scenario.kind not in each.lacks]
            first = (round_number + position) % len(able) if able else 0
            for contestant in able[first:] + able[:first]:
                yield round_number + 1, scenario, contestant


def run(
    contestants: Sequence[Contestant],
    scenarios: Sequence[Scenario],
    settings: Settings,
    *,
    on_cell: Callable[[dict[str, Any]], None],
) -> None:
    """Measure everything, in the order of :func:`turns`.

    Args:
        contestants: In the order of the report.
        scenarios: In the order of the report.
        settings: How.
        on_cell: Is given each result as it comes.

    Raises:
        Missing: A contestant can't be installed.
    """
    for round_number, scenario, contestant in turns(contestants, scenarios, rounds=settings.rounds):
        started = time.monotonic()
        result = cell(contestant, scenario, settings)
        names = {"round": round_number, "scenario": scenario.name, "contestant": contestant.name}
        on_cell({**names, "seconds": round(time.monotonic() - started, 1), **result})
