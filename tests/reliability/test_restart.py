"""R13: SIGTERM with many clients: each is told, comes back to the next process, and has missed nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.interop.clients import environment, install, node
from tests.interop.hosts import free_port, running
from tests.reliability.conftest import Scale

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SETTINGS = str(HERE / "restarted_settings.py")
APPLICATION = "tests.reliability.restarted"


def command(host: str, port: int) -> list[str]:
    if host == "runner":
        return [sys.executable, "-m", APPLICATION, str(port)]
    address = f"127.0.0.1:{port}"
    return [sys.executable, "-m", "gunicorn", "-c", SETTINGS, "-k", host, "-b", address, f"{APPLICATION}:app"]


class Clients:
    """The program that has all clients."""

    def __init__(self, port: int, count: int) -> None:
        self._process = subprocess.Popen(
            [node(), str(HERE / "restart.js"), str(port), str(count)],
            env=environment(NODE_PATH=str(install())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> Any:
        """Return what it says next."""
        output: Any = self._process.stdout
        with gevent.Timeout(120):
            return json.loads(gevent.get_hub().threadpool.apply(output.readline))

    def finish(self, count: int) -> list[dict[str, Any]]:
        """Have each client tell what it has seen."""
        assert self._process.stdin is not None
        self._process.stdin.write("finish\n")
        self._process.stdin.flush()
        return [self.line() for _ in range(count)]

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def last_words(log: Path) -> dict[str, Any]:
    """Return what the application has said at its end."""
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("END ")]
    words: dict[str, Any] = json.loads(line.removeprefix("END "))
    return words


@pytest.mark.parametrize("host", ["runner", "gevent", "gevent_pywsgi"])
def test_clients_go_on_with_the_next_process_and_have_missed_nothing(
    tmp_path: Path, scale: Scale, figure: Callable[[str], None], host: str
) -> None:
    count = scale(60, 1_000)
    port = free_port()
    logs = tmp_path / "first", tmp_path / "second"
    variables = {"PYTHONPATH": str(ROOT), "RECOVERY": str(tmp_path / "recovery")}
    with running(command(host, port), port, logs[0], tmp_path, **variables) as process:
        clients = Clients(port, count)
        try:
            assert clients.line() == "ready"
            process.terminate()
            assert process.wait(timeout=20) == 0
            ended = time.monotonic()
            with running(command(host, port), port, logs[1], tmp_path, **variables):
                reports = clients.finish(count)
        finally:
            clients.end()
    first, second = map(last_words, logs)
    # Everybody was told, and heard of; then it takes no longer to end.
    assert first["left"] == count
    assert first["reasons"] == ["server shutting down"]
    assert ended - first["last"] < 3
    # gunicorn takes no new connection any more: who polls on one can't be told.
    closes = {report["reasons"][0] for report in reports}
    allowed = {"transport close"} if host == "runner" else {"transport close", "transport error"}
    assert closes <= allowed
    for report in reports:
        _check_client(report, first, second)
    attempts = [report["attempts"][0] for report in reports]
    most = max(Counter(when // 100 for when in attempts).values())
    # Not all in one moment.
    assert most <= count / 2
    returns = [report["connects"][1][0] for report in reports]
    failed = sum(report["failed"] for report in reports)
    answered = sum(len(report["acked"]) for report in reports)
    heard = sum(len(report["news"]) for report in reports)
    figure(
        f"restart of {host} with {count:,} JavaScript clients: they tried again over "
        f"{(max(attempts) - min(attempts)) / 1000:.1f} s, at most {most:,} in 0.1 s, and all were recovered "
        f"{(max(returns) - min(attempts)) / 1000:.1f} s after the first try; "
        f"{heard:,} events, each once; {answered:,} asked and answered, {failed:,} told that they weren't; "
        f"the process ended {ended - first['last']:.1f} s after the last disconnect"
    )


def _check_client(report: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    (_, _, sid), (_, recovered, same) = report["connects"]
    assert recovered
    assert same == sid
    # What was answered was handled once, and is in the data that was carried over.
    assert len(set(report["said"])) == len(report["said"])
    assert set(report["acked"]) <= set(report["said"])
    assert len(report["said"]) - len(report["acked"]) <= report["failed"]
    of_first = [number for process, number in report["news"] if process == first["pid"]]
    of_second = [number for process, number in report["news"] if process == second["pid"]]
    assert [process for process, _ in report["news"]] == [first["pid"]] * len(of_first) + [
        second["pid"]
    ] * len(of_second)
    # All of the first process since the client came, and all of the second.
    assert of_first == list(range(of_first[0], first["news"] + 1))
    assert of_second == list(range(1, len(of_second) + 1))
