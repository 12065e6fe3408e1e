"""``python -m benchmarks.micro``: measure the layers, print a table, keep the results in one file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyperf

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
LAYERS = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def main() -> None:
    """Run as the options say."""
    parser = argparse.ArgumentParser(prog="benchmarks.micro", description=__doc__)
    parser.add_argument("layers", nargs="*", metavar="layer", help=f"of {', '.join(LAYERS)}; all by default")
    parser.add_argument("--thorough", action="store_true", help="take several times as long, for less noise")
    parser.add_argument("--output", type=Path, default=ROOT / ".cache" / "micro" / "latest.json")
    options = parser.parse_args()
    unknown = sorted(set(options.layers) - set(LAYERS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such layer")
    suites = []
    for layer in options.layers or LAYERS:
        print(f"measuring {layer} ...", file=sys.stderr, flush=True)
        suites.append(measure(layer, thorough=options.thorough))
    benchmarks = [benchmark for suite in suites for benchmark in suite.get_benchmarks()]
    print_table(benchmarks)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    pyperf.BenchmarkSuite(benchmarks).dump(str(options.output), replace=True)
    print(f"\nwritten to {os.path.relpath(options.output)}")


def measure(layer: str, *, thorough: bool) -> pyperf.BenchmarkSuite:
    """Measure one layer of this source tree, in processes of its own."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, str(FOLDER / f"bench_{layer}.py"), "--quiet", "--output", str(result)]
        if not thorough:
            command += ["--fast", "--processes", "5"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, check=True)
        return pyperf.BenchmarkSuite.load(str(result))


def print_table(benchmarks: list[pyperf.Benchmark]) -> None:
    """Print mean and standard deviation of each benchmark."""
    width = max(len(benchmark.get_name()) for benchmark in benchmarks)
    for benchmark in benchmarks:
        mean, deviation = benchmark.format_values((benchmark.mean(), benchmark.stdev()))
        print(f"{benchmark.get_name():{width}} {mean:>10} +- {deviation}")


if __name__ == "__main__":
    main()
