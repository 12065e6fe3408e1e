"""The WebSocket layer as a raw echo, against a second independent client: Node's ``ws``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import gevent
import pytest

from tests.interop.clients import environment, install, node
from tests.security.arena import Program

HERE = Path(__file__).parent


@pytest.mark.parametrize(("mode", "count"), [("plain", 184), ("deflate", 256)])
def test_every_case_of_node_s_ws_passes(mode: str, count: int) -> None:
    modules = install(HERE / "package.json")
    echo = Program("tests.conformance.echo", mode)
    try:
        command = [node(), str(HERE / "ws.js"), f"ws://127.0.0.1:{int(echo.line())}", mode]
        done = gevent.get_hub().threadpool.apply(
            subprocess.run,
            (command,),
            {
                "env": environment(NODE_PATH=str(modules)),
                "capture_output": True,
                "text": True,
                "timeout": 300,
                "check": False,
            },
        )
        assert echo.process.poll() is None, "the server has ended"
    finally:
        echo.process.kill()
        echo.wait()
    assert (done.returncode, done.stderr) == (0, "")
    first, *results = map(json.loads, done.stdout.splitlines())
    assert [f"{result['name']}: {result['detail']}" for result in results if not result["ok"]] == []
    assert [result["name"] for result in results] == first["plan"]
    # A change to the tables of the program that loses cases is seen here.
    assert len(results) == count
