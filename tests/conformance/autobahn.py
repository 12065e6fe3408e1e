"""Autobahn's test suite, the whole of it, against the WebSocket layer as a raw echo.

The suite runs on Python 2.7 only: a ``python2.7`` on PATH, or the one that the variable PYTHON2 names. It is
installed into .cache/conformance, once; its reports are left there, in ``reports``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tests.conformance.suite import CACHE, SuiteMissing, all_cases, command
from tests.security.arena import Program

# The sections that are about compression. They are run by subsections: the suite writes its report at the
# end only, and each of those takes a minute and more.
COMPRESSED = ("12", "13")
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
COLUMNS = ("section", "cases", "passed", "non-strict", "informational", "failed", "seconds")
REPORTS = CACHE / "reports"

# What the suite says of each case.
Report = dict[str, dict[str, str]]


class Result(NamedTuple):
    """What came of a section.

    Attributes:
        section: Its number, or that of the subsection.
        behaviors: What the suite says of each case; FAILED for one that didn't run.
        failures: A line for each case that failed.
        seconds: How long it took.
    """

    section: str
    behaviors: dict[str, str]
    failures: list[str]
    seconds: float

    def row(self) -> list[str]:
        """Return its line of the table."""
        counts = Counter(self.behaviors.values())
        good = [counts[name] for name in GOOD]
        total = len(self.behaviors)
        return [self.section, *map(str, [total, *good, total - sum(good), round(self.seconds)])]


def chosen(patterns: Sequence[str], cases: Iterable[str]) -> dict[str, list[str]]:
    """Return the cases that somebody asks for, by the section or subsection that they are run with.

    Args:
        patterns: Sections, subsections, cases or patterns: "9", "12.1", "6.4.3", "13.*.1"; none for all.
        cases: What there is, in order.

    Raises:
        ValueError: Nothing fits a pattern.
    """
    found: dict[str, list[str]] = {}
    missed = set(patterns)
    for case in cases:
        fitting = [name for name in patterns if f"{case}.".startswith(f"{name}.") or fnmatchcase(case, name)]
        missed.difference_update(fitting)
        if fitting or not patterns:
            numbers = case.split(".")
            section = ".".join(numbers[:2]) if numbers[0] in COMPRESSED else numbers[0]
            found.setdefault(section, []).append(case)
    if missed:
        raise ValueError(f"no case is named {', '.join(sorted(missed))}")
    return found


def judged(section: str, cases: Iterable[str], report: Report, seconds: float) -> Result:
    """Judge a report: each case must have run well, and have ended well."""
    behaviors: dict[str, str] = {}
    failures = []
    for case in cases:
        told = report.get(case, {})
        behavior, closing = told.get("behavior", "not run"), told.get("behaviorClose", "not run")
        good = behavior in GOOD and closing in GOOD
        behaviors[case] = behavior if good else "FAILED"
        if not good:
            failures.append(f"{case}: {behavior}; its end: {closing}")
    return Result(section, behaviors, failures, seconds)


def run(section: str, cases: list[str], *, port: int, limit: float) -> Result:
    """Run cases against the server at a port, for a limited time."""
    folder = REPORTS / section
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = {"agent": "echo", "url": f"ws://127.0.0.1:{port}"}
    spec = {"outdir": str(folder), "servers": [server], "cases": cases, "exclude-cases": []}
    (folder / "spec.json").write_text(json.dumps(spec))
    arguments = ["--mode", "fuzzingclient", "--spec", str(folder / "spec.json")]
    started = time.monotonic()
    with (folder / "suite.log").open("w") as log:
        process = subprocess.Popen([*command(), *arguments], cwd=folder, stdout=log, stderr=log)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            print(f"{section} took more than {limit:g} s", file=sys.stderr, flush=True)
        finally:
            process.kill()
            process.wait()
    index = folder / "index.json"
    report = json.loads(index.read_text()).get("echo", {}) if index.is_file() else {}
    return judged(section, cases, report, time.monotonic() - started)


def results(sections: dict[str, list[str]], *, limit: float) -> Iterator[Result]:
    """Run one section after the other, each against a server of its own."""
    for section, cases in sections.items():
        compressed = section.split(".")[0] in COMPRESSED
        echo = Program("tests.conformance.echo", "deflate" if compressed else "plain")
        try:
            yield run(section, cases, port=int(echo.line()), limit=limit)
        finally:
            echo.process.kill()
            echo.wait()


def show(row: Iterable[str]) -> None:
    print("  ".join(cell.rjust(len(name)) for cell, name in zip(row, COLUMNS, strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.autobahn", description=__doc__)
    parser.add_argument(
        "--cases",
        nargs="+",
        default=[],
        metavar="NAME",
        help="such as 9, 12.1, 6.4.3, '13.*.1'; by default all",
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="for each line of the table; 900 by default",
    )
    options = parser.parse_args()
    try:
        sections = chosen(options.cases, all_cases())
    except (ValueError, SuiteMissing) as error:
        print(error, file=sys.stderr)
        return 2
    show(COLUMNS)
    behaviors: dict[str, str] = {}
    failures: list[str] = []
    seconds = 0.0
    for result in results(sections, limit=options.limit):
        show(result.row())
        behaviors |= result.behaviors
        failures += result.failures
        seconds += result.seconds
    show(Result("all", behaviors, failures, seconds).row())
    print("\n".join(failures), end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
