"""What is measured: the load of each scenario, and the figures that are read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Something that is measured.

    Attributes:
        key: Its name in the results.
        title: With its unit.
        more_is_better: Otherwise less is.
    """

    key: str
    title: str
    more_is_better: bool


PER_CPU = Figure("per_cpu_s", "messages per server CPU second", True)
DELIVERIES_PER_CPU = Figure("per_cpu_s", "deliveries per server CPU second", True)
CPU_PER_CONNECTION = Figure("cpu_us", "server CPU per connection, µs", False)
TIME_TO_UPGRADED = Figure("connect_ms", "time to upgraded, ms", False)
MEMORY = Figure("rss_kib", "resident memory per connection, KiB", False)
P99 = Figure("p99_us", "p99 latency, µs", False)
P99_FANOUT = Figure("p99_ms", "p99 until the last recipient has it, ms", False)
CPU_PER_HEARTBEAT = Figure("heartbeat_us", "server CPU per heartbeat, µs", False)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of load.

    Attributes:
        name: For the command line.
        title: For reports.
        arguments: Of the load generator; ``{seconds}`` is the length of the measured window.
        figure: What counts in it.
        real: Whether the server runs its real handlers.
        ping_interval: Of the server, in seconds; None leaves the default of all, 25.
    """

    name: str
    title: str
    arguments: str
    figure: Figure
    real: bool = False
    ping_interval: int | None = None

    @property
    def kind(self) -> str:
        """Its name without the number of connections, where the name ends in one."""
        kind, _, number = self.name.rpartition("-")
        return kind if number.isdecimal() else self.name

    def environment(self) -> dict[str, str]:
        """Return what tells the server how to behave."""
        environment = {"BENCH_REAL": "1"} if self.real else {}
        if self.ping_interval is not None:
            environment["BENCH_PING_INTERVAL"] = str(self.ping_interval)
        return environment


_WINDOW = "-d {seconds} --warm 1"

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="echo1",
            title="echo with acknowledgement, 1 in flight",
            arguments=f"echo -n 100 -k 1 -s 32 {_WINDOW}",
            figure=PER_CPU,
        ),
        Scenario(
            name="echo16",
            title="echo with acknowledgement, 16 in flight",
            arguments=f"echo -n 100 -k 16 -s 32 {_WINDOW}",
            figure=PER_CPU,
        ),
        Scenario(
            name="binary",
            title="binary echo, 1 in flight",
            arguments=f"binary -n 100 -k 1 -s 32 {_WINDOW}",
            figure=PER_CPU,
        ),
        Scenario(
            name="broadcast",
            title="broadcast to 1,000, 4 in flight",
            arguments=f"broadcast -n 1000 -s 32 -w 4 {_WINDOW}",
            figure=DELIVERIES_PER_CPU,
        ),
        Scenario(
            name="rooms",
            title="10 rooms of 100, 4 in flight in each",
            arguments=f"rooms -n 1000 -R 10 -s 32 -w 4 {_WINDOW}",
            figure=DELIVERIES_PER_CPU,
        ),
        Scenario(
            name="polling",
            title="long-polling echo, 1 in flight",
            arguments=f"polling -n 100 -k 1 -s 32 {_WINDOW}",
            figure=PER_CPU,
        ),
        Scenario(
            name="connect",
            title="connection set-up, WebSocket at once",
            arguments="connect -n 3000 -c 64",
            figure=CPU_PER_CONNECTION,
        ),
        Scenario(
            name="upgrade",
            title="connection set-up, polling, then upgrade",
            arguments="connect -t upgrade -n 1000 -c 64",
            figure=CPU_PER_CONNECTION,
        ),
        Scenario(
            name="alone",
            title="polling, then upgrade, one client at a time",
            arguments="connect -t upgrade -n 20 -c 1",
            figure=TIME_TO_UPGRADED,
        ),
        Scenario(
            name="memory",
            title="5,000 idle WebSocket connections",
            arguments="connect -n 5000 -c 64 -H 1",
            figure=MEMORY,
        ),
        Scenario(
            name="slow",
            title="broadcast of 1,000 B to 90 readers and 10 that have stopped reading",
            arguments=f"slow -n 100 -x 10 -s 1000 -w 4 {_WINDOW}",
            figure=DELIVERIES_PER_CPU,
        ),
        Scenario(
            name="echo-real",
            title="echo, 1 in flight: middleware, a validated object, three rooms per socket",
            arguments=f"echo -j -n 100 -k 1 -s 32 {_WINDOW}",
            figure=PER_CPU,
            real=True,
        ),
        Scenario(
            name="connect-real",
            title="connection set-up, WebSocket: two middlewares, three rooms per socket",
            arguments="connect -n 3000 -c 64",
            figure=CPU_PER_CONNECTION,
            real=True,
        ),
    )
}

# The figures of a quick comparison.
QUICK = (
    "echo1",
    "echo16",
    "binary",
    "broadcast",
    "rooms",
    "polling",
    "connect",
    "upgrade",
    "alone",
    "memory",
)


@dataclass(frozen=True)
class Target:
    """A figure that is held to a ratio.

    Attributes:
        scenario: Where it's read.
        figure: Which one.
        must: The ratio to Node that it has to reach.
        aim: The ratio hoped for.
    """

    scenario: str
    figure: Figure
    must: float
    aim: float


TARGETS = (
    Target("echo1", PER_CPU, 1.6, 3),
    Target("echo16", PER_CPU, 2, 4),
    Target("binary", PER_CPU, 2, 4),
    Target("broadcast", DELIVERIES_PER_CPU, 3, 5),
    Target("rooms", DELIVERIES_PER_CPU, 3, 5),
    Target("connect", CPU_PER_CONNECTION, 0.7, 0.3),
    Target("alone", TIME_TO_UPGRADED, 0.2, 0.05),
    Target("polling", PER_CPU, 0.8, 2),
    Target("memory", MEMORY, 0.8, 0.45),
    Target("echo1", P99, 1.0, 0.4),
)


def figures_of(output: dict[str, Any]) -> dict[str, float]:
    """Return the figures in one output of the load generator; what it doesn't have is left out."""
    latency = output.get("lat_us") or output.get("fanout_us") or {}
    figures = _connect_figures(output) if output["mode"] == "connect" else {"per_s": output["per_s"]}
    for name, value in (
        ("per_cpu_s", output.get("msgs_per_cpu_s") if output["mode"] != "connect" else None),
        ("p50_us", latency.get("p50")),
        ("p99_us", latency.get("p99")),
        ("rss_kib", output.get("rss_kb_per_conn")),
        ("rss_mib", output.get("rss_peak_mb")),
        ("pings", output.get("pings")),
        ("cpu", output.get("srv_cpu_frac")),
        ("generator_cpu", output.get("gen_cpu_frac")),
        ("other_cpu", output.get("other_cpu_frac")),
        ("steal", output.get("steal_frac")),
        ("connected", output.get("connected")),
        ("broadcasts", output.get("broadcasts")),
        ("deliveries", output.get("deliveries_total")),
    ):
        if value is not None:
            figures[name] = value
    if "fanout_us" in output:
        figures["p50_ms"], figures["p99_ms"] = latency["p50"] / 1e3, latency["p99"] / 1e3
    if figures.get("per_cpu_s"):
        figures["cpu_us"] = round(1e6 / figures["per_cpu_s"], 3)
    return figures


def _connect_figures(output: dict[str, Any]) -> dict[str, float]:
    connected = output["connected"]
    figures = {
        "per_s": output["connect_per_s"],
        "connect_ms": output["connect_ms"]["p50"],
        "connect_p99_ms": output["connect_ms"]["p99"],
    }
    if connected and "cpu_s" in output:
        figures["cpu_us"] = round(output["connect_cpu_s"] * 1e6 / connected, 1)
    if output["hold_pings"] and "cpu_s" in output:
        figures["heartbeat_us"] = round(output["hold_cpu_s"] * 1e6 / output["hold_pings"], 2)
    return figures
