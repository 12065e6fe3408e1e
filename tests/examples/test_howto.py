"""The programs in the documentation are files of examples/, and do what is said of them."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

from socketio_sync.protocol.socketio.packet import EVENT, Packet
from socketio_sync.testing import TestClient
from tests.interop.clients import environment, install, tool
from tests.support.server import Host, Servers, serve
from tests.support.sio_client import Connect, connect

__all__ = ["connect", "serve"]

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCKS = [
    pytest.param(name, shown, id=f"{page.name}-{name}")
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for name, shown in re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)```", page.read_text(), re.DOTALL)
]


def loaded(name: str) -> Any:
    """Return a program of examples/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "examples" / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "shown"), BLOCKS)
def test_a_program_in_the_documentation_is_its_file(name: str, shown: str) -> None:
    assert (ROOT / name).read_text() == shown


def test_typed_events(serve: Servers, connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    io = loaded("howto/typed_events.py").io
    host = Host(io)
    try:
        client = connect(host)
        assert client.call("order", {"product": "tea", "count": 2}, True) == [{"price": 30}]
        assert client.call("order", {"product": "tea", "count": 2}) == [{"price": 20}]
        (answer,) = client.call("order", {"product": "tea", "count": "2"})
        text = "order: Expected `int`, got `str` - at `order.count`"
        assert answer == {"error": {"message": text, "type": "PayloadError"}}
        client.emit("order", {"product": "tea", "count": 101})
        client.call("order", {"product": "tea", "count": 1})
        assert "order: Expected `int` <= 100 - at `order.count`" in capsys.readouterr().out
    finally:
        io.close()
        host.stop()


def test_a_document_of_all_events() -> None:
    command = [sys.executable, "asyncapi.py"]
    ran = subprocess.run(
        command, cwd=ROOT / "examples" / "howto", capture_output=True, check=True, timeout=30
    )
    assert list(json.loads(ran.stdout)["operations"]) == ["main.receive.order", "main.send.ready"]


def test_testing_an_application() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(ROOT / "examples" / "howto"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout
    assert "8 passed" in ran.stdout


@pytest.mark.interop
@pytest.mark.feature(98)
def test_a_parser_of_ones_own(serve: Servers, tmp_path: Path) -> None:
    io = loaded("howto/custom_parser.py").io
    host = Host(io)
    script = tmp_path / "client.js"
    source = (ROOT / "examples" / "howto" / "custom_parser.js").read_text()
    # The package's name among the generations installed here; and the program must end for us.
    source = source.replace('"socket.io-client"', '"sio48"').replace("3000", str(host.port))
    script.write_text(source.replace("...values));", "...values) || socket.disconnect());"))
    command = [tool("node"), str(script)]
    settings = environment(NODE_PATH=str(install()))
    try:
        node = gevent.get_hub().threadpool.spawn(
            subprocess.run, command, env=settings, capture_output=True, text=True, timeout=20
        )
        assert node.get(timeout=30).stdout == "it says: hello { n: 1 }\n"
        with TestClient(io, transport="polling") as client:
            assert client.call("echo", 1, "x") == (1, "x")
            client.transmit(Packet(EVENT, "/", {"not": "a list"}))
            assert client.wait_closed() in ("transport close", "transport error")
    finally:
        io.close()
        host.stop()
