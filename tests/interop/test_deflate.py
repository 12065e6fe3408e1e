"""Clients that compress, each in its own way, against a server that does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.interop.clients import environment, node
from tests.interop.hosts import HERE
from tests.support.server import Servers, serve

__all__ = ["serve"]

pytestmark = pytest.mark.interop

# Options of Node's ws, those of our server, and what must have been agreed on.
CASES: list[tuple[Any, Any, list[str]]] = [
    ({"threshold": 0}, True, ["server_no_context_takeover", "client_no_context_takeover"]),
    ({"threshold": 0}, {"client_no_context_takeover": False}, ["server_no_context_takeover"]),
    (
        {"threshold": 0, "serverNoContextTakeover": True, "clientNoContextTakeover": True},
        {"client_no_context_takeover": False, "threshold": 0},
        ["server_no_context_takeover", "client_no_context_takeover"],
    ),
    (
        {"threshold": 0, "serverMaxWindowBits": 10, "clientMaxWindowBits": 9},
        {"client_no_context_takeover": False, "threshold": 0, "level": 9},
        ["server_max_window_bits=10", "client_max_window_bits=9"],
    ),
    (
        {"threshold": 0},
        {"server_max_window_bits": 9, "client_max_window_bits": 8, "threshold": 0, "mem_level": 1},
        ["server_max_window_bits=9", "client_max_window_bits=8"],
    ),
]


@pytest.mark.parametrize(("client", "server", "agreed"), CASES)
def test_what_compressing_clients_send_comes_back(
    serve: Servers, client_modules: Path, client: Any, server: Any, agreed: list[str]
) -> None:
    site = serve(per_message_deflate=server)
    command = [node(), str(HERE / "deflate.js"), str(site.port), json.dumps(client)]
    with subprocess.Popen(
        command,
        env=environment(NODE_PATH=str(client_modules)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        # The server runs in this process: waiting must let it.
        output = gevent.get_hub().threadpool.apply(process.stdout.read)
        process.wait(60)
    assert process.returncode == 0, output
    for parameter in agreed:
        assert parameter in output
