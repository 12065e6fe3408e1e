"""The README's programs are the files of examples/quickstart, and they run."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.interop.clients import environment, install, tool
from tests.interop.hosts import free_port

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL)
QUICKSTART = ROOT / "examples" / "quickstart"


def test_the_readme_shows_every_quickstart_file() -> None:
    files = {str(path.relative_to(ROOT)) for path in QUICKSTART.iterdir() if path.suffix in (".py", ".js")}
    assert {name for name, _ in BLOCKS if name.startswith("examples/quickstart/")} == files


@pytest.mark.parametrize(("name", "shown"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_program_in_the_readme_is_its_file(name: str, shown: str) -> None:
    assert (ROOT / name).read_text() == shown


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(name: str, port: int) -> Iterator[None]:
    """Run a program of the quickstart on another port than the README's, which may be in use here."""
    source = re.sub(r"\b(3000|5000)\b", str(port), (QUICKSTART / name).read_text())
    process = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not listening(port):
            assert process.poll() is None, f"{name} has ended"
            assert time.monotonic() < deadline, f"{name} doesn't listen"
        yield
    finally:
        process.terminate()
        process.wait(timeout=15)


@pytest.mark.interop
def test_the_client_of_the_readme_talks_to_its_server(tmp_path: Path) -> None:
    modules = install()
    port = free_port()
    source = (QUICKSTART / "client.js").read_text().replace("3000", str(port))
    # The package's name among the generations installed here; and the program must end for us.
    source = source.replace('"socket.io-client"', '"sio48"')
    source = source.replace("answer));", "answer) || socket.disconnect());")
    (tmp_path / "client.js").write_text(source)
    with running("app.py", port):
        ran = subprocess.run(
            [tool("node"), "client.js"],
            cwd=tmp_path,
            env=environment(NODE_PATH=str(modules)),
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    assert "I am" in ran.stdout
    assert "server says: delivered" in ran.stdout


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("flask_app.py", "/", "200"),
        ("flask_app.py", "/socket.io/?EIO=4&transport=polling", "200"),
        ("engine_app.py", "/engine.io/?EIO=4&transport=polling", "200"),
    ],
)
def test_a_server_of_the_readme_serves(name: str, path: str, status: str) -> None:
    port = free_port()
    with running(name, port), urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        assert str(answer.status) == status
