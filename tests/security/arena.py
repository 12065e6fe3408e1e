"""The target and its bystander, and what must hold behind an attack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from tests.support.client import Connection, close_all
from tests.support.server import eventually
from tests.support.ws_client import WebSocket

ROOT = Path(__file__).resolve().parent.parent.parent
MEGABYTE = 2**20
# How long anybody else may wait for an answer meanwhile.
BYSTANDER_SECONDS = 1.0
# For attacks by many: the allocator keeps what it has needed; from the third time on nothing is added.
ROUNDS = (8 * MEGABYTE, 4 * MEGABYTE, MEGABYTE)
# How much CPU time an attack may cost the server, the bystander's answers meanwhile included: ten times what
# most take, on a slow machine.
CPU_SECONDS = 0.5
# For loads whose length is chosen.
ANY = float("inf")
# How long a line of the log may be, in bytes.
LINE = 300
# What must be as before when the attackers are gone.
COUNTED = ("rss", "sessions", "sockets", "files", "greenlets")
# So many of a kind are logged each second; the others are counted.
BURST = 10


class Program:
    """A program that talks in lines, run until :meth:`end`."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        """Return its next line; the hub goes on meanwhile."""
        assert self.process.stdout is not None
        line: str = gevent.get_hub().threadpool.apply(self.process.stdout.readline)
        assert line, f"the program has ended with code {self.process.poll()}"
        return line

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """End it as a service is ended; return its exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        process = self.process
        try:
            return int(gevent.get_hub().threadpool.apply(process.wait, (20,)))
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


class Outcome:
    """What an attack has led to; filled in when it is over.

    Attributes:
        disconnects: How many clients left, by reason.
        handled: How many events reached a handler, by name, but for the bystander's.
        log: The lines of level WARNING and above.
        full: The same, and whatever else was written, with tracebacks.
        peak: How much more memory than before there was at most, in bytes.
        cpu: How much CPU time the server took, in seconds.
        slowest: How long the bystander waited for an answer at most, in seconds.
    """

    disconnects: dict[str, int]
    handled: dict[str, int]
    log: list[str]
    full: str
    peak: int
    cpu: float
    slowest: float


class Arena:
    """A server under attack, and an ordinary client of it.

    Attributes:
        port: Where it listens.
        log: The lines of level WARNING and above since the attack began.
        full: The same with their tracebacks, and whatever else was written to the standard error stream.
        peak: How much memory there was at most since then, in bytes.
    """

    def __init__(self, **options: Any) -> None:
        self.log: list[str] = []
        self.full, self.peak = "", 0
        self._target = Program("tests.security.target", json.dumps(options))
        self.port = int(self._target.line())
        self._bystander = Program("tests.security.bystander", str(self.port), "websocket")
        assert self._bystander.line() == "ready\n"
        # What is made once and kept is made now: the greenlets of the pool, for one.
        client = WebSocket(self.port).open()
        client.join()
        client.bytes.send(b"\x81\x01x")
        client.closed()
        client.close()
        self.stats()

    def end(self) -> None:
        """End both, and see that the server ends well."""
        self._bystander.end()
        assert self._target.end() == 0

    def stats(self) -> dict[str, Any]:
        """Ask the target what there is; see its ``stats``."""
        connection = Connection(self.port)
        try:
            answer = connection.get("/stats", headers=[("Connection", "close")])
        finally:
            connection.close()
        found = dict(json.loads(answer.content))
        # It tells of each line once.
        self.log += found["log"]
        self.full += "".join(found["full"])
        # Each time it is measured anew.
        self.peak = max(self.peak, found["peak"])
        return found

    def report(self) -> dict[str, Any]:
        """Ask the bystander how it has fared since it was asked last; see its ``report``."""
        self._bystander.tell("report")
        return dict(json.loads(self._bystander.line()))

    @contextmanager
    def attack(
        self,
        *,
        leaves: int = 4 * MEGABYTE,
        tracebacks: int = 0,
        slowest: float = BYSTANDER_SECONDS,
        cpu: float = CPU_SECONDS,
        within: float = 10.0,
    ) -> Iterator[Outcome]:
        """Attack in the block, and see behind it that nobody else has noticed and that nothing is left.

        Args:
            leaves: By how much memory may have grown, in bytes.
            tracebacks: How many there must be in the log, but for those that are only counted there.
            slowest: How long the bystander may have waited for an answer, in seconds.
            cpu: How much CPU time the server may have taken, in seconds.
            within: How soon all must be let go when the attackers have closed, in seconds.
        """
        before = self.stats()
        self.log, self.full, self.peak = [], "", 0
        self.report()
        outcome = Outcome()
        yield outcome
        close_all()

        left: dict[str, int] = {}

        def is_over() -> dict[str, Any] | None:
            now = self.stats()
            left.update({name: now[name] - before[name] for name in COUNTED})
            gone = all(left[name] <= 0 for name in COUNTED[1:]) and left["rss"] <= leaves
            return now if gone else None

        try:
            after = eventually(is_over, deadline=within)
        except AssertionError:
            raise AssertionError(f"left after {within:g} s: {left}") from None
        outcome.log, outcome.full, outcome.peak = self.log, self.full, self.peak - before["rss"]
        outcome.disconnects = _difference(before["disconnects"], after["disconnects"])
        outcome.handled = _difference(before["handled"], after["handled"])
        outcome.handled.pop("echo", None)
        outcome.cpu = after["cpu"] - before["cpu"]
        outcome.slowest = self._slowest()
        # pytest shows it with -rP.
        print(
            f"cpu {outcome.cpu:.3f} s, memory {outcome.peak / MEGABYTE:.1f} MB at most, "
            f"bystander {outcome.slowest:.3f} s at most"
        )
        assert after["pid"] == before["pid"]
        assert outcome.slowest <= slowest
        assert outcome.cpu <= cpu
        for line in outcome.log:
            assert line.isprintable(), line
            assert len(line.encode()) <= LINE, line
        found = after["tracebacks"] - before["tracebacks"]
        assert min(tracebacks, BURST) <= found <= tracebacks, outcome.log
        # Promise 1: whoever has connected is disconnected, once.
        assert after["connects"] - before["connects"] == sum(outcome.disconnects.values())

    def _slowest(self) -> float:
        """Wait until the bystander is answered again; return how long it has waited for an answer at most."""
        reports: list[dict[str, Any]] = []
        while not reports or not reports[-1]["answers"]:
            reports.append(self.report())
            assert reports[-1]["here"]
            assert len(reports) < 1000
        return float(max(report["slowest"] for report in reports))


def _difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
