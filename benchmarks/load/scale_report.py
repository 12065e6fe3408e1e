"""The report of what the number of connections does, as text, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.load import report, svg
from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.stats import Table

WIDTH, HEIGHT, COLUMNS, GAP = 880.0, 250.0, 2, 32.0

# What is measured at each number of connections: scenario, figure, title, unit.
FIGURES = (
    ("echo", "per_cpu_s", "Echo on 100 of the connections", "messages per server CPU second"),
    ("echo", "per_s", "Echo on 100 of the connections", "messages per second"),
    ("echo", "p50_us", "Median latency of these echoes", "µs"),
    ("echo", "p99_us", "p99 latency of these echoes", "µs"),
    ("broadcast", "per_cpu_s", "Broadcast to all, four in flight", "deliveries per server CPU second"),
    ("single", "cpu_us", "Broadcast to all, one at a time: each recipient", "server CPU, µs"),
    ("idle", "heartbeat_us", "Heartbeat of an idle connection", "server CPU, µs"),
    ("idle", "rss_kib", "Resident memory of an idle connection", "KiB"),
)

INTRODUCTION = """\
Written by `make bench-scale`, over WebSocket: server and load generator on a core each, the contestants
in turn at each number of connections. Rounds: {rounds}; with more than one, figures are medians, with
the least and the greatest in parentheses. Echoes: 100 connections send, each when it has its answer; the
others are idle. Broadcasts: to all connections, by one of them. Heartbeats: the server's CPU while all
are idle, divided by the pings, at one every 5 s instead of the default 25 s. Memory: what the server has
grown by since it started, by connection; with few of them that says more about garbage than about
connections, and may be negative, which the plot leaves out. Everything that comes back is checked."""


def sizes(table: Table) -> list[int]:
    """Return the numbers of connections, rising."""
    found = {int(name.partition("-")[2]) for name in table.scenarios if not name.startswith("held-")}
    return sorted(found)


def measured(table: Table) -> list[tuple[str, str, str, str]]:
    """Return those of the figures that were measured."""
    kinds = {name.partition("-")[0] for name in table.scenarios}
    return [figure for figure in FIGURES if figure[0] in kinds]


def figure_table(table: Table, scenario: str, key: str) -> list[list[str]]:
    """Return a figure of every contestant at every number of connections."""
    rows = [["connections", *(f"{size:,}" for size in sizes(table))]]
    for contestant in table.contestants:
        cells = [table.get(contestant, f"{scenario}-{size}", key) for size in sizes(table)]
        rows.append([report.title(contestant), *(report.ranged(cell, short=True) for cell in cells)])
    return rows


def held(table: Table) -> list[list[str]]:
    """Return what came of holding many connections; empty if that wasn't measured."""
    head = ["connections", "server", "heartbeats", "broadcasts", "deliveries", "CPU, share of a core"]
    rows = [[*head, "p50 to the last, ms", "p99, ms", "RSS, MiB", "checks"]]
    for name in table.scenarios:
        for contestant in table.contestants:
            if not name.startswith("held-") or not table.was_run(contestant, name):
                continue
            keys = ("pings", "broadcasts", "deliveries", "cpu", "p50_ms", "p99_ms", "rss_mib")
            got = [table.get(contestant, name, key) for key in keys]
            failed = any(
                cell["contestant"] == contestant and cell["scenario"] == name for cell in table.failures
            )
            connected = table.get(contestant, name, "connected")
            cells = [
                report.median(connected),
                report.title(contestant),
                *(report.median(each) for each in got),
            ]
            rows.append([*cells, "failed" if failed else "all held"])
    return rows if len(rows) > 1 else []


def text(table: Table) -> str:
    """Return the report for a terminal."""
    parts = [
        f"{title}, {unit}\n{report.aligned(figure_table(table, scenario, key))}"
        for scenario, key, title, unit in measured(table)
    ]
    rows = held(table)
    parts += [report.aligned(rows)] if rows else []
    failed = report.failures(table)
    parts += ["Failed checks:\n" + "\n".join(failed)] if failed else []
    return "\n\n".join(parts)


def page(results: Mapping[str, Any], table: Table) -> str:
    """Return SCALE.md."""
    parts = [
        "# The number of connections",
        INTRODUCTION.format(rounds=results["rounds"]),
        report.markdown(report.facts(results)),
        report.disturbed(table),
        "![plots](scale.svg)",
    ]
    for scenario, key, title, unit in measured(table):
        parts += [f"## {title}: {unit}", report.markdown(figure_table(table, scenario, key))]
    rows = held(table)
    if rows:
        parts += ["## Held for a minute, with heartbeats and a broadcast every second", report.markdown(rows)]
    failed = report.failures(table)
    parts += ["## Failed checks", "\n".join(f"- {line}" for line in failed) if failed else "None."]
    parts += ["## Versions", report.markdown(report.versions(results))]
    return "\n\n".join(parts) + "\n"


def _lines(table: Table, scenario: str, key: str) -> list[svg.Line]:
    colors = iter(svg.OTHERS[1:] * len(table.contestants))
    found = []
    for contestant in table.contestants:
        known = CONTESTANTS.get(contestant)
        spreads = ((size, table.get(contestant, f"{scenario}-{size}", key)) for size in sizes(table))
        points = [(float(size), got.median) for size, got in spreads if got is not None and got.median >= 0]
        color = svg.ACCENT if contestant == "ours" else next(colors)
        found.append(svg.Line(contestant if known is None else known.short, color, points))
    return found


def chart(table: Table) -> str:
    """Return the picture: a panel of lines for each figure."""
    steps: Sequence[float] = sizes(table)
    width = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS
    top = 28.0
    panels = [(figure, _lines(table, figure[0], figure[1])) for figure in measured(table)]
    parts = svg.legend(0, 14, panels[0][1]) if panels else []
    for index, ((_, _, title, unit), items) in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        box = (column * (width + GAP), top + row * HEIGHT, width, HEIGHT)
        parts += svg.lines(box, title=title, unit=f"{unit}, by connections", items=items, steps=steps)
    rows = -(-len(panels) // COLUMNS)
    return svg.document(WIDTH, top + rows * HEIGHT, parts, description="Figures by number of connections")
