"""T11: every generation of the official client connects to one and the same server, side by side."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.interop.clients import environment, install, tool
from tests.interop.hosts import HOSTS, HostServer

GENERATIONS = ("sio17", "sio25", "sio31", "sio48")

SCRIPT = """
const [url, ...generations] = process.argv.slice(1);
// Node's own WebSocket would be used by old clients by mistake.
delete globalThis.WebSocket;
const echoed = {};
for (const name of generations) {
  const socket = require(name)(url, { forceNew: true });
  socket.on("connect_error", (error) => console.error(name, error.message));
  socket.on("connect", () => socket.emit("echo", name, (answer) => {
    echoed[name] = answer;
    if (Object.keys(echoed).length === generations.length) {
      console.log(JSON.stringify(echoed));
      process.exit(0);
    }
  }));
}
"""


@pytest.mark.interop
def test_t11_every_generation_of_clients_connects_to_one_server(tmp_path: Path) -> None:
    modules = install()
    server = HostServer(HOSTS["runner"], tmp_path / "log")
    server.start()
    try:
        ran = subprocess.run(
            [tool("node"), "-e", SCRIPT, server.url, *GENERATIONS],
            env=environment(NODE_PATH=str(modules)),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        server.kill()
    assert json.loads(ran.stdout) == {name: name for name in GENERATIONS}, ran.stderr + server.log()
