"""The command ``flask socketio run``."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.flask_socketio_sync.applications import CHAT, ROOT
from tests.interop.hosts import free_port, running

CERTIFICATE = str(ROOT / "tests" / "support" / "localhost.pem")


def test_an_application_without_the_extension_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    command = [sys.executable, "-m", "flask", "--app", "plain", "socketio", "run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert "SocketIO(app) is missing" in ran.stderr


def command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "flask", "--app", "chat", "socketio", "run", *arguments]


@pytest.mark.interop
def test_the_address_may_be_in_the_environment_as_for_flask_run(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with running(command(), port, log, CHAT.folder, FLASK_RUN_PORT=str(port), FLASK_RUN_HOST="127.0.0.1"):
        assert f"http://127.0.0.1:{port}" in log.read_text()


@pytest.mark.interop
def test_a_certificate_means_tls(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    trusted = ssl.create_default_context(cafile=CERTIFICATE)

    def answers(port: int) -> bool:
        try:
            with urlopen(f"https://localhost:{port}/", timeout=10, context=trusted) as answer:
                return bool(answer.read() == b"the chat")
        except OSError:
            return False

    arguments = command("--port", str(port), "--cert", CERTIFICATE)
    with running(arguments, port, log, CHAT.folder, ready=answers):
        assert f"https://127.0.0.1:{port}" in log.read_text()


def test_a_key_without_its_certificate_is_an_error() -> None:
    ran = subprocess.run(
        command("--key", CERTIFICATE),
        cwd=CHAT.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 2
    assert "--cert" in ran.stderr
