"""Flask-SocketIO's own tests, as they are in its source distribution, but for the import."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import flask_socketio_sync

VERSION = "5.7.0"

# What can't pass, and why.
CANNOT = {
    "test_message_queue_options": "several processes aren't possible in this version: a ValueError says so",
    "test_managed_session": "looks into the server's table of environs; test_sessions.py has the same",
    "test_delayed_init": "looks at attributes of python-engineio's server; test_extension.py has the same",
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the source distribution, and return its test module with our import."""
    folder = tmp_path_factory.mktemp("peer")
    wanted = f"flask-socketio=={VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", wanted]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        (member,) = (each for each in opened.getmembers() if each.name.endswith("/test_socketio.py"))
        content = opened.extractfile(member)
        assert content is not None
        source = content.read().decode()
        opened.extractall(folder, filter="data")
    path = folder / "test_socketio.py"
    path.write_text(source.replace("from flask_socketio import", "from flask_socketio_sync import"))
    return path


def parameters(source: str) -> dict[str, list[str]]:
    """Return the parameters of the public functions and methods of a module, by dotted name."""
    found = {}
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for function in inner:
            if isinstance(function, ast.FunctionDef) and not f"{prefix}{function.name}".startswith("_"):
                arguments = function.args
                names = [each.arg for each in (*arguments.args, *arguments.kwonlyargs) if each.arg != "self"]
                found[f"{prefix}{function.name}"] = names
    return found


@pytest.mark.parametrize("file", ["__init__.py", "namespace.py", "test_client.py"])
def test_every_public_function_takes_the_same_parameters(module: Path, file: str) -> None:
    (path,) = module.parent.glob(f"flask_socketio-*/src/flask_socketio/{file}")
    for name, wanted in parameters(path.read_text()).items():
        if "._" in name and not name.endswith("__init__"):
            continue
        found: Any = flask_socketio_sync
        for step in name.split("."):
            assert hasattr(found, step), f"{name} is missing"
            found = getattr(found, step)
        signature = inspect.signature(found)
        takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
        missing = [each for each in wanted if each not in signature.parameters]
        assert missing == [] or takes_any, (name, missing)


def test_the_extension_has_the_same_attributes(module: Path) -> None:
    (path,) = module.parent.glob("flask_socketio-*/src/flask_socketio/__init__.py")
    (body,) = (
        node.body
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "SocketIO"
    )
    names = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]  # type: ignore[attr-defined]
    assert names
    assert [name for name in names if not hasattr(flask_socketio_sync.SocketIO, name)] == []


def test_all_pass_but_those_that_are_listed(module: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", module.name]
    ran = subprocess.run(command, cwd=module.parent, capture_output=True, text=True, timeout=120, check=False)
    passed = set(re.findall(r"^PASSED \S+::(test_\w+)", ran.stdout, re.MULTILINE))
    failed = set(re.findall(r"^FAILED \S+::(test_\w+)", ran.stdout, re.MULTILINE))
    assert failed == set(CANNOT), ran.stdout[-5000:]
    assert len(passed) == 40
    assert "error" not in ran.stdout.splitlines()[-1]
