"""Installs what the contestants need, once per list of packages."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.contestants import BUN_PLATFORM, Installation
from benchmarks.load.machine import ROOT, own_versions

HERE = Path(__file__).resolve().parent
SERVERS = HERE / "servers"
CACHE = ROOT / ".cache" / "bench"
INSTALL_TIMEOUT = 600.0

# Installed along, but not run.
TYPES_ONLY = ("@types/", "typescript", "undici-types")


class Missing(Exception):
    """A program or a package can't be had; the message says which, and why."""


@dataclass(frozen=True)
class Installed:
    """An installation that is there.

    Attributes:
        programs: The programs by their names in commands.
        environment: What its servers need in their environment.
        versions: The packages' versions.
    """

    programs: dict[str, str]
    environment: dict[str, str]
    versions: dict[str, str]


def run(command: list[str], *, cwd: Path | None = None) -> str:
    """Run a program to its end; return what it writes.

    Raises:
        Missing: It isn't there, or has failed.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


@functools.cache
def node() -> str:
    """Return the path of node itself: what is on PATH may be a wrapper, whose CPU time isn't the server's.

    Raises:
        Missing: There is none.
    """
    return run(["node", "-p", "process.execPath"])


def compiled(source: Path) -> Path:
    """Return the program made of a C file; compile it if the file has changed.

    Raises:
        Missing: There is no compiler, or it fails.
    """
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    program = CACHE / f"{source.stem}-{digest}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            target = Path(folder) / source.stem
            run(["gcc", "-O2", "-Wall", "-o", str(target), str(source)])
            target.rename(program)
    return program


def _folder(installation: Installation) -> Path:
    """Return where an installation belongs: another list of packages has another folder."""
    text = " ".join([installation.kind, sys.version.split()[0], *installation.packages])
    return CACHE / f"{installation.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _install(installation: Installation, folder: Path) -> None:
    if (folder / "complete").exists():
        return
    # What an interrupted installation has left.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if installation.kind == "npm":
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
        run(["npm", "install", *options, *installation.packages])
    else:
        run([sys.executable, "-m", "venv", str(folder / "venv")])
        python = str(folder / "venv" / "bin" / "python")
        run([python, "-m", "pip", "install", "--quiet", *installation.packages])
    (folder / "complete").touch()


def _npm(folder: Path, *, is_bun: bool) -> Installed:
    lock = json.loads((folder / "node_modules" / ".package-lock.json").read_text())
    versions = {
        name.rpartition("node_modules/")[2]: entry["version"]
        for name, entry in lock["packages"].items()
        if name.count("node_modules/") == 1 and not any(each in name for each in TYPES_ONLY)
    }
    environment = {"BENCH_MODULES": str(folder), "NODE_ENV": "production"}
    if is_bun:
        # The package of the platform itself: ``bun`` would fetch it by a script at its installation.
        bun = folder / "node_modules" / BUN_PLATFORM / "bin" / "bun"
        return Installed({"bun": str(bun)}, environment, {"bun": run([str(bun), "--version"]), **versions})
    return Installed({"node": node()}, environment, {"node": run([node(), "--version"]), **versions})


def _pip(folder: Path) -> Installed:
    python = str(folder / "venv" / "bin" / "python")
    listed = json.loads(run([python, "-m", "pip", "list", "--format", "json"]))
    versions = {each["name"]: each["version"] for each in listed if each["name"] not in ("pip", "setuptools")}
    return Installed({"python": python}, {}, versions)


@functools.cache
def ensure(installation: Installation) -> Installed:
    """Return an installation, which is made if it isn't there.

    Raises:
        Missing: It can't be made.
    """
    if installation.kind == "own":
        return Installed({"python": sys.executable}, {"PYTHONPATH": str(ROOT)}, own_versions())
    if installation.kind == "c":
        program = str(compiled(SERVERS / "bound.c"))
        return Installed({"program": program}, {}, {"gcc": run(["gcc", "-dumpfullversion"])})
    folder = _folder(installation)
    _install(installation, folder)
    return _npm(folder, is_bun=installation.name == "bun") if installation.kind == "npm" else _pip(folder)
