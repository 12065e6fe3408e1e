"""The example that uses every public name does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import socketio_sync
from docs.pages.api import APPLICATIONS, DOCUMENTED
from docs.pages.docstrings import entries
from socketio_sync import engine, testing

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "examples" / "every_name"


def test_every_documented_method_is_called() -> None:
    command = [sys.executable, "-m", "tests.examples.called"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == []


def test_every_exported_name_and_documented_attribute_is_mentioned() -> None:
    nodes = [node for path in PROGRAM.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    mentioned = {node.id for node in nodes if isinstance(node, ast.Name)}
    mentioned |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names = {*socketio_sync.__all__, *engine.__all__, *testing.__all__}
    for documented in APPLICATIONS:
        names |= set(entries(documented, "Attributes"))
    assert sorted(names - mentioned - {"EVENTS"}) == []


def test_every_exported_name_is_documented() -> None:
    documented = {each.__name__ for each in DOCUMENTED}
    assert {*socketio_sync.__all__, *engine.__all__, *testing.__all__} - documented == {"__version__"}
