"""The extension works with the oldest Flask and Werkzeug that it allows; the newest are installed here."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.support.archives import build

ROOT = Path(__file__).resolve().parent.parent.parent

# The tests that need nothing but the extension itself.
TESTS = (
    "contexts",
    "dispatch",
    "extension",
    "functions",
    "namespace",
    "options",
    "sessions",
    "tasks",
    "testing",
)


@pytest.mark.slow
def test_the_oldest_versions_pass_the_same_tests(tmp_path: Path) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lowest = config["options.extras_require"]["flask"].strip().replace(">=", "==")
    assert lowest == "flask==2.3"
    (wheel,) = build(tmp_path).glob("*.whl")
    python = str(tmp_path / "venv" / "bin" / "python")
    files = [f"tests/flask_socketio_sync/test_{name}.py" for name in TESTS]
    for command in (
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
        [
            python,
            "-m",
            "pip",
            "install",
            str(wheel),
            f"{lowest}.0",
            "werkzeug==2.3.0",
            "flask-cors",
            "pytest",
        ],
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
