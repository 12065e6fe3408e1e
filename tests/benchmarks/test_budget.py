"""The hot path costs no more than its budget says, and whatever grows is named.

The measuring runs in a process of its own, where nothing else has been imported, warmed up or configured.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.budget.cost import (
    PYTHON,
    TOLERANCES,
    TURNS,
    Budget,
    Cost,
    excess,
    from_json,
    load,
    most,
    to_json,
)
from benchmarks.budget.counting import CallCounter, Calls, cost_of, per_unit
from benchmarks.budget.scenes import IDLE, SCENES

ROOT = Path(__file__).parent.parent.parent
COUNTED = ("own calls", "calls out", "calls beyond", "receives", "sends")


def measured(tree: Path) -> dict[str, Cost]:
    """Return what everything costs in a source tree."""
    command = [sys.executable, "-m", "benchmarks.budget", "--json"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return from_json(done.stdout).costs


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    """Return what everything costs now."""
    return measured(ROOT)


@pytest.mark.parametrize("scene", [IDLE, *SCENES])
def test_it_costs_no_more_than_its_budget(costs: dict[str, Cost], scene: str) -> None:
    lines = excess(load(), scene, costs[scene])
    if lines:
        hint = "if it has to be so: make budget UPDATE=1"
        pytest.fail("\n".join([f"over budget: {scene}", *lines, hint]), pytrace=False)


def test_there_is_a_budget_for_every_figure_of_every_scene_and_for_nothing_else(
    costs: dict[str, Cost],
) -> None:
    assert {scene: list(cost.totals) for scene, cost in load().costs.items()} == {
        scene: list(cost.totals) for scene, cost in costs.items()
    }
    assert {what for cost in costs.values() for what in cost.totals} == set(TOLERANCES)


@pytest.mark.parametrize("scene", ["echo", "burst of 16 echoes", "binary echo"])
def test_what_comes_in_one_segment_takes_one_receive_and_one_send(costs: dict[str, Cost], scene: str) -> None:
    assert costs[scene].totals["receives"] == 1
    assert costs[scene].totals["sends"] == 1


def test_a_recipient_of_a_broadcast_takes_one_send(costs: dict[str, Cost]) -> None:
    assert costs["broadcast recipient"].totals["sends"] == 1


# At the end of a module of the library: it does what it did, with one more call.
DETOUR = """
_direct = JSONDecoder.feed

def feed(self: JSONDecoder, data: str | bytes) -> Packet | None:
    return _direct(self, data)

JSONDecoder.feed = feed
"""


def test_one_more_call_for_each_event_is_over_the_budget_and_named(
    costs: dict[str, Cost], tmp_path: Path
) -> None:
    for package in ("socketio_sync", "benchmarks"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "socketio_sync" / "protocol" / "socketio" / "json_codec.py").open("a") as file:
        file.write(DETOUR)
    slower = measured(tmp_path)
    name = "socketio_sync.protocol.socketio.json_codec.feed"
    budget = Budget(PYTHON, costs)
    title, *names = excess(budget, "echo", slower["echo"])
    assert title.startswith("own calls: ")
    assert f"  +1 {name} (1 -> 2)" in names
    assert f"  +16 {name} (16 -> 32)" in excess(budget, "burst of 16 echoes", slower["burst of 16 echoes"])
    # A heartbeat parses nothing.
    assert not any(name in line for line in excess(budget, "heartbeat", slower["heartbeat"]))


def extra() -> None:
    """Do nothing, and be counted."""


def work(times: int) -> None:
    for _ in range(times):
        extra()
        len("")


def counted(*amounts: int, size: int = 1) -> Calls:
    """Count groups of units of ``work``; the names are shortened."""
    counter = CallCounter()
    snapshots = [counter.snapshot()]
    for amount in amounts:
        counter.start()
        work(amount)
        counter.stop()
        snapshots.append(counter.snapshot())
    return {name.replace(f"{__name__}.", ""): calls for name, calls in per_unit(snapshots, size).items()}


def test_functions_are_counted_by_name_and_those_in_c_with_their_caller() -> None:
    calls = {name: number for name, number in counted(3).items() if "counting.stop" not in name}
    assert calls == {"work": 1, "extra": 3, "work > len": 3}


def test_calls_are_those_of_one_unit() -> None:
    assert counted(20, size=10)["extra"] == 2
    assert counted(1, size=20)["extra"] == 0.1
    assert "extra" not in counted(1, size=30)


def test_what_happens_in_few_groups_is_left_out() -> None:
    assert counted(2, 2, 2, 90)["extra"] == 2
    assert "extra" not in counted(0, 0, 5)


def test_calls_are_summed_up_by_who_makes_them() -> None:
    calls = {
        "socketio_sync.a.f": 2.0,
        "socketio_sync.a.f > socket.send": 1.0,
        "socketio_sync.a.f > json.dumps": 4.0,
        "gevent.b.g": 8.0,
        "gevent.b.g > _wrefsocket.recv": 16.0,
    }
    assert cost_of(calls) == Cost(dict(zip(COUNTED, (2.0, 5.0, 24.0, 16.0, 1.0), strict=True)), calls)


def budget_of(cost: Cost, *, scene: str = "echo", python: str = PYTHON) -> Budget:
    return Budget(python, {scene: cost})


@pytest.mark.parametrize("scene", ["echo", *TURNS])
@pytest.mark.parametrize("python", [PYTHON, "2.7"])
@pytest.mark.parametrize("what", TOLERANCES)
def test_a_total_is_accepted_up_to_its_tolerance(what: str, python: str, scene: str) -> None:
    budget = budget_of(Cost({what: 100}, {"f": 100}), scene=scene, python=python)
    bound = most(what, 100, scene=scene, python=python)
    assert excess(budget, scene, Cost({what: bound}, {"f": bound})) == []
    over = round(bound + 0.1, 1)
    assert excess(budget, scene, Cost({what: over}, {"f": over})) == [
        f"{what}: {over:g}, budget 100",
        f"  +{over - 100:g} f (100 -> {over:g})",
    ]


@pytest.mark.parametrize("what", ["own calls", "calls out", "receives", "sends", "objects"])
def test_one_more_is_too_many(what: str) -> None:
    assert excess(budget_of(Cost({what: 100}, {})), "echo", Cost({what: 101}, {})) != []


def test_what_another_version_of_python_takes_is_no_growth() -> None:
    assert most("bytes", 100, scene="echo", python="2.7") > most("bytes", 100, scene="echo", python=PYTHON)
    assert most("sends", 1, scene="echo", python="2.7") < 2


def test_what_grew_is_named_in_order_of_growth_and_what_shrank_is_not() -> None:
    budget = budget_of(Cost({"own calls": 10}, {"same": 3, "more": 2, "less": 5}))
    now = Cost({"own calls": 15}, {"same": 3, "more": 4, "less": 1, "new": 7})
    assert excess(budget, "echo", now) == [
        "own calls: 15, budget 10",
        "  +7 new (0 -> 7)",
        "  +2 more (2 -> 4)",
    ]


def test_what_has_no_budget_is_over_it() -> None:
    now = Cost({"sends": 1}, {"f": 1})
    assert excess(budget_of(Cost({}, {})), "echo", now) == ["sends: 1, budget 0", "  +1 f (0 -> 1)"]
    assert excess(Budget(PYTHON, {}), "echo", now) == ["sends: 1, budget 0", "  +1 f (0 -> 1)"]


def test_costs_are_read_as_they_were_written() -> None:
    costs = {"echo": Cost({"sends": 1.0}, {"f > socket.send": 1.0})}
    assert from_json(to_json(costs)) == Budget(PYTHON, costs)
