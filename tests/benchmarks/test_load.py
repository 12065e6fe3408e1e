"""The comparison of servers: what is read from single runs, and one short run of our own server."""

from __future__ import annotations

import argparse
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.load import __main__ as program
from benchmarks.load import chart, report, results, run, scale, scale_report
from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.peers import SERVERS
from benchmarks.load.scenarios import SCENARIOS, TARGETS, figures_of
from benchmarks.load.stats import Spread, Table
from tests.support.tools import lacking


@pytest.fixture
def tools() -> None:
    """Have what the load generator is compiled with and pinned by."""
    for name, package in (("gcc", "gcc"), ("taskset", "util-linux")):
        if shutil.which(name) is None:
            lacking(name, package)


def result(contestant: str, scenario: str, *, ok: bool = True, **figures: Any) -> dict[str, Any]:
    return {"round": 1, "contestant": contestant, "scenario": scenario, "ok": ok, **figures}


ECHOES = [
    result("ours", "echo1", per_cpu_s=30_000, p99_us=900, per_s=29_000),
    result("ours", "echo1", per_cpu_s=10_000, p99_us=700, per_s=9_000),
    result("ours", "echo1", per_cpu_s=20_000, p99_us=800, per_s=19_000),
    result("node", "echo1", per_cpu_s=10_000, p99_us=1_600, per_s=9_500),
    result("bun", "echo1", ok=False, per_cpu_s=99_999, error="client 1: ack with other data"),
]

FOUND = {
    "date": "2026-11-23 08:00 UTC",
    "command": "python -m benchmarks.load",
    "machine": {"CPU": "a fast one", "cores": 2},
    "versions": {"node": {"socket.io": "4.8.4"}},
    "rounds": 3,
    "window": 2.0,
    "load_before": "0.10 0.20 0.30",
    "load_after": "1.10 1.20 1.30",
}


def test_a_figure_is_the_median_of_its_rounds_with_its_range() -> None:
    table = Table(ECHOES)
    assert table.get("ours", "echo1", "per_cpu_s") == Spread(20_000, 10_000, 30_000)
    assert table.ratio("ours", "echo1", "per_cpu_s") == 2.0
    assert table.ratio("ours", "echo1", "p99_us") == 0.5


def test_a_failed_check_counts_in_no_figure_and_is_reported() -> None:
    table = Table(ECHOES)
    assert table.get("bun", "echo1", "per_cpu_s") is None
    assert table.ratio("bun", "echo1", "per_cpu_s") is None
    (line,) = report.failures(table)
    assert "Bun" in line
    assert "client 1: ack with other data" in line
    assert line in report.text(table)
    assert line in report.page(FOUND, table)


def test_what_was_not_measured_has_no_figure() -> None:
    table = Table(ECHOES)
    assert table.get("ours", "polling", "per_cpu_s") is None
    assert table.ratio("ours", "echo1", "per_cpu_s", to="flask-socketio") is None


def test_the_targets_are_held_against_node() -> None:
    head, *rows = report.targets(Table(ECHOES))
    assert head[:4] == ["figure", "socketio_sync", "Node", "ratio"]
    assert [row[1:6] for row in rows] == [
        ["20,000 (10,000-30,000)", "10,000 (10,000-10,000)", "2.00x", "1.6x", "3x"],
        ["800 (700-900)", "1,600 (1,600-1,600)", "0.50x", "1x", "0.4x"],
    ]


def test_the_page_says_what_the_figures_depend_on() -> None:
    page = report.page(FOUND, Table(ECHOES))
    for part in (
        "a fast one",
        "0.10 0.20 0.30",
        "1.10 1.20 1.30",
        "socket.io 4.8.4",
        "python -m benchmarks.load",
    ):
        assert part in page


def test_a_result_that_others_disturbed_is_counted() -> None:
    disturbed = [result("ours", "echo1", other_cpu=0.5, steal=0.25), result("ours", "echo1", other_cpu=0.01)]
    assert report.disturbed(Table(disturbed)).startswith("During 1 of 2 results")
    assert "75%" in report.disturbed(Table(disturbed))
    assert report.disturbed(Table(disturbed[1:])).startswith("No other process")


def test_the_chart_has_a_bar_for_each_figure_that_counts() -> None:
    root = ElementTree.fromstring(chart.chart(Table(ECHOES)))
    texts = ["".join(element.itertext()) for element in root]
    assert texts.count("socketio_sync") == 1
    assert "20k" in texts
    assert "Node" in texts
    assert "Bun" not in texts


def test_every_target_names_a_scenario() -> None:
    assert {target.scenario for target in TARGETS} <= set(SCENARIOS)


def test_everyone_takes_part_in_each_scenario_of_each_round_and_comes_first_in_turn() -> None:
    contestants = [CONTESTANTS[name] for name in ("ours", "node", "bun")]
    scenarios = [SCENARIOS["echo1"], SCENARIOS["polling"]]
    turns = list(run.turns(contestants, scenarios, rounds=3))
    assert len(turns) == len(set(turns)) == 3 * 2 * 3
    first = [contestant.name for _, scenario, contestant in turns if scenario.name == "echo1"][::3]
    assert sorted(first) == ["bun", "node", "ours"]


def test_who_lacks_a_scenario_is_left_out_of_it() -> None:
    contestants = [CONTESTANTS["c-bound"], CONTESTANTS["ours"]]
    (idle,) = scale.scenarios([100], ["idle"])
    for scenario in (SCENARIOS["polling"], SCENARIOS["echo-real"], idle):
        turns = run.turns(contestants, [scenario], rounds=2)
        assert [contestant.name for _, _, contestant in turns] == ["ours", "ours"]
    for scenario in (SCENARIOS["echo1"], *scale.scenarios([100], ["echo"])):
        assert len(list(run.turns(contestants, [scenario], rounds=2))) == 4


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    assert results.names("ours, node", CONTESTANTS) == ["ours", "node"]
    with pytest.raises(argparse.ArgumentTypeError, match=r"'nod' is none of ours, .*node"):
        results.names("ours,nod", CONTESTANTS)


def test_results_are_kept_as_they_are(tmp_path: Path) -> None:
    found = {**FOUND, "cells": ECHOES}
    results.write(tmp_path / "results.json", found)
    assert results.read(tmp_path / "results.json") == found


def test_every_file_of_a_server_is_there() -> None:
    named = [word for each in CONTESTANTS.values() for word in each.command if word.startswith("{servers}/")]
    assert len(named) >= 6
    assert [word for word in named if not Path(word.format(servers=SERVERS)).is_file()] == []


CONNECT = {
    "mode": "connect",
    "connected": 1_000,
    "connect_per_s": 2_000.0,
    "connect_ms": {"p50": 1.5, "p99": 9.0, "max": 10.0},
    "connect_cpu_s": 0.25,
    "cpu_s": 0.25,
    "hold_pings": 500,
    "hold_cpu_s": 0.01,
    "rss_kb_per_conn": 12.0,
}


def test_the_figures_of_a_connection_set_up() -> None:
    figures = figures_of(CONNECT)
    assert figures["cpu_us"] == 250.0
    assert figures["heartbeat_us"] == 20.0
    assert figures["connect_ms"] == 1.5
    assert figures["rss_kib"] == 12.0
    assert "per_cpu_s" not in figures


def test_without_connections_there_is_no_cost_of_one() -> None:
    assert "cpu_us" not in figures_of({**CONNECT, "connected": 0})
    assert "heartbeat_us" not in figures_of({**CONNECT, "hold_pings": 0})


def test_the_figures_of_messages() -> None:
    echo = {"mode": "echo", "per_s": 5.0, "msgs_per_cpu_s": 10.0, "lat_us": {"p50": 1.0, "p99": 2.0}}
    assert figures_of(echo) == {"per_s": 5.0, "per_cpu_s": 10.0, "cpu_us": 1e5, "p50_us": 1.0, "p99_us": 2.0}
    broadcast = {"mode": "broadcast", "per_s": 5.0, "fanout_us": {"p50": 1_000.0, "p99": 2_000.0}}
    assert figures_of(broadcast)["p99_ms"] == 2.0


def test_scaling_measures_each_number_of_connections_and_holds_the_greatest() -> None:
    names = [scenario.name for scenario in scale.scenarios([100, 300])]
    assert names == [
        *("idle-100", "echo-100", "single-100", "broadcast-100"),
        *("idle-300", "echo-300", "single-300", "broadcast-300"),
        "held-300",
    ]
    assert [scenario.name for scenario in scale.scenarios([100], ["echo", "held"])] == [
        "echo-100",
        "held-100",
    ]


def test_scaling_is_reported_by_number_of_connections() -> None:
    table = Table(
        [
            result("ours", "echo-100", per_cpu_s=2_000),
            result("ours", "echo-1000", per_cpu_s=1_000),
            result("node", "echo-100", per_cpu_s=500),
            result("ours", "held-1000", connected=1_000, pings=2_000, deliveries=65_000),
            result("node", "held-1000", ok=False, connected=998, error="client 7: connection lost (EOF)"),
        ]
    )
    assert scale_report.figure_table(table, "echo", "per_cpu_s") == [
        ["connections", "100", "1,000"],
        [CONTESTANTS["ours"].title, "2,000", "1,000"],
        [CONTESTANTS["node"].title, "500", "-"],
    ]
    _, ours, node = scale_report.held(table)
    assert (ours[0], ours[2], ours[-1]) == ("1,000", "2,000", "all held")
    assert node[-1] == "failed"
    assert "client 7: connection lost" in scale_report.page(FOUND, table)
    assert ElementTree.fromstring(scale_report.chart(table)).tag.endswith("svg")


@pytest.mark.usefixtures("tools")
def test_our_server_passes_the_checks_of_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not the machine's: a measurement that is under way needn't end first.
    monkeypatch.setenv("BENCH_LOCK", str(tmp_path / "lock"))
    names = ["echo-real", "polling", "rooms"]
    options = ["--only", "ours", "--scenarios", ",".join(names), "--rounds", "1", "--attempts", "1"]
    assert program.main([*options, "--seconds", "0.3", "--results", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(cell["scenario"], cell["ok"]) for cell in found["cells"]] == [(name, True) for name in names]
    assert all(cell["per_cpu_s"] > 0 for cell in found["cells"])
    page = (tmp_path / "RESULTS.md").read_text()
    assert program.main(["--report-only", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "RESULTS.md").read_text() == page


class NotFound(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def without_socketio() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), NotFound) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("tools")
def test_the_generator_says_what_failed(without_socketio: int) -> None:
    core = results.default_cores()[1]
    output = run.load("connect -n 3 -c 1", port=without_socketio, pids=[], core=core)
    assert output["ok"] is False
    assert output["failed"] == 3
    assert "404" in output["first_error"]
