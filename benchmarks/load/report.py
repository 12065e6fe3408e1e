"""The report of a run, as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.scenarios import SCENARIOS, TARGETS
from benchmarks.load.stats import QUIET, Spread, Table, noise

INTRODUCTION = """\
Written by `make bench`: {rounds} rounds, in each of them each scenario by all servers after one another, the
server on one core and the load generator on another, in windows of {window:g} s. Figures are medians of the
rounds, with the least and the greatest in parentheses. The main figure is the work per CPU second of the
server: it depends less on the generator and on the rest of the machine than the throughput and the latencies
beside it. Everything that comes back is checked: a result fails on any message that is lost, double, out of
order, changed or sent to the wrong room. Unless a scenario says otherwise, it has 100 connections and 32 B
messages."""


def number(value: float) -> str:
    """Return a number with about three digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ranged(spread: Spread | None, *, short: bool = False) -> str:
    """Return a median with its range; ``short`` leaves out a range that is no wider than the median."""
    if spread is None:
        return "-"
    if short and spread.least == spread.greatest:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.least)}-{number(spread.greatest)})"


def median(spread: Spread | None) -> str:
    """Return a median alone."""
    return "-" if spread is None else number(spread.median)


def times(ratio: float | None) -> str:
    """Return a ratio."""
    return "-" if ratio is None else f"{ratio:.2f}x"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first row is its head."""
    head, *body = rows
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def title(contestant: str) -> str:
    """Return a contestant's title; its name if it's no longer among them."""
    known = CONTESTANTS.get(contestant)
    return contestant if known is None else known.title


def targets(table: Table) -> list[list[str]]:
    """Return our figures beside Node's, each with the ratio that it is held to."""
    rows = [["figure", "socketio_sync", "Node", "ratio", "must", "aim", "to python-socketio, gevent"]]
    for target in TARGETS:
        ours = table.get("ours", target.scenario, target.figure.key)
        node = table.get("node", target.scenario, target.figure.key)
        if ours is None and node is None:
            continue
        ratio = table.ratio("ours", target.scenario, target.figure.key)
        name = f"{SCENARIOS[target.scenario].title}: {target.figure.title}"
        bounds = [f"{target.must:g}x", f"{target.aim:g}x"]
        other = table.ratio("ours", target.scenario, target.figure.key, to="python-socketio")
        rows.append([name, ranged(ours), ranged(node), times(ratio), *bounds, times(other)])
    return rows


def ratios(table: Table) -> list[list[str]]:
    """Return every contestant's main figures as ratios to Node's."""
    names = [name for name in table.scenarios if name in SCENARIOS]
    rows = [["ratio to Node", *names]]
    for contestant in table.contestants:
        cells = [times(table.ratio(contestant, name, SCENARIOS[name].figure.key)) for name in names]
        rows.append([title(contestant), *cells])
    return rows


def scenario_table(table: Table, scenario: str) -> list[list[str]]:
    """Return all that was measured in a scenario."""
    figure = SCENARIOS[scenario].figure
    connects = SCENARIOS[scenario].arguments.startswith("connect")
    latency = ("connect_ms", "connect_p99_ms", "ms") if connects else ("p50_us", "p99_us", "µs")
    head = [
        figure.title,
        "ratio to Node",
        "per second",
        f"p50, {latency[2]}",
        f"p99, {latency[2]}",
        "RSS, MiB",
    ]
    rows = [["", *head]]
    for contestant in table.contestants:
        if not table.was_run(contestant, scenario):
            continue
        got = [table.get(contestant, scenario, key) for key in ("per_s", *latency[:2], "rss_mib")]
        main = table.get(contestant, scenario, figure.key)
        ratio = times(table.ratio(contestant, scenario, figure.key))
        rows.append([title(contestant), ranged(main), ratio, *(median(each) for each in got)])
    return rows


def failures(table: Table) -> list[str]:
    """Return a line for each contestant and scenario in which a check failed."""
    counted: dict[tuple[str, str], list[str]] = {}
    for cell in table.failures:
        counted.setdefault((cell["contestant"], cell["scenario"]), []).append(str(cell.get("error", "")))
    return [
        f"{title(contestant)}, {scenario}: {len(errors)} failed, first: {' '.join(errors[0].split())[:200]}"
        for (contestant, scenario), errors in counted.items()
    ]


def text(table: Table) -> str:
    """Return the report for a terminal."""
    parts = [aligned(ratios(table)), aligned(targets(table))]
    parts += [
        f"{scenario}: {SCENARIOS[scenario].title}\n{aligned(scenario_table(table, scenario))}"
        for scenario in table.scenarios
        if scenario in SCENARIOS
    ]
    failed = failures(table)
    if failed:
        parts.append("Failed checks:\n" + "\n".join(failed))
    return "\n\n".join(reversed(parts))


def facts(results: Mapping[str, Any]) -> list[list[str]]:
    """Return what the figures depend on."""
    return [
        ["", ""],
        ["date", results["date"]],
        *([name, str(value)] for name, value in results["machine"].items()),
        ["load average before", results["load_before"]],
        ["load average after", results["load_after"]],
        ["command", f"`{results['command']}`"],
    ]


def versions(results: Mapping[str, Any]) -> list[list[str]]:
    """Return what was installed for the contestants."""
    rows = [["installation", "versions"]]
    for installation, packages in results["versions"].items():
        rows.append([installation, ", ".join(f"{name} {version}" for name, version in packages.items())])
    return rows


def disturbed(table: Table) -> str:
    """Say how many results were disturbed by others on the machine, if any."""
    noisy = [cell for cell in table.cells if noise(cell) > QUIET]
    if not noisy:
        return f"No other process used more than {QUIET:.0%} of a core while a result was measured."
    worst = max(noise(cell) for cell in noisy)
    return (
        f"During {len(noisy)} of {len(table.cells)} results others used more than {QUIET:.0%} of a core; "
        f"at most {worst:.0%}."
    )


def page(results: Mapping[str, Any], table: Table) -> str:
    """Return RESULTS.md."""
    parts = [
        "# Results",
        INTRODUCTION.format(rounds=results["rounds"], window=results["window"]),
        markdown(facts(results)),
        disturbed(table),
        "![chart](results.svg)",
        "## Against the targets",
        markdown(targets(table)),
        "## Ratio to Node",
        "Above 1 is better for messages and deliveries, below 1 for CPU, time and memory.",
        markdown(ratios(table)),
        "## Every scenario",
    ]
    for name in table.scenarios:
        parts += [f"### {SCENARIOS[name].title}", f"`{name}`", markdown(scenario_table(table, name))]
    failed = failures(table)
    parts += ["## Failed checks", "\n".join(f"- {line}" for line in failed) if failed else "None."]
    parts += ["## Versions", markdown(versions(results))]
    return "\n\n".join(parts) + "\n"
