"""The programs of examples/flask, in each way to run them, and official clients of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.interop.clients import environment, install, link_client, tool
from tests.interop.hosts import free_port, running

ROOT = Path(__file__).resolve().parent.parent.parent


class Application(NamedTuple):
    """A program of examples/flask.

    Attributes:
        name: What its official clients do is in the script of that name.
        module: What has the application, ``app``.
        folder: Where it is.
    """

    name: str
    module: str
    folder: Path

    def copied(self, folder: Path) -> Application:
        """Return the same in a folder of its own, with the official client beside it."""
        copied = self._replace(folder=folder / self.name)
        shutil.copytree(self.folder, copied.folder, ignore=shutil.ignore_patterns("__pycache__"))
        link_client(copied.folder)
        return copied


FLASK = ROOT / "examples" / "flask"
APPLICATIONS = [
    Application("chat", "chat", FLASK),
    Application("latency", "latency", FLASK),
    Application("sessions", "sessions", FLASK),
    Application("factory", "wsgi", FLASK / "factory"),
]
CHAT = APPLICATIONS[0]


def by_run(app: Application, port: int) -> Sequence[str]:
    source = (app.folder / f"{app.module}.py").read_text()
    return [sys.executable, "-c", source.replace("port=5000", f"port={port}")]


def by_gunicorn(app: Application, port: int, worker: str = "gevent", workers: int = 1) -> Sequence[str]:
    how = ["-k", worker, "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", "gunicorn", *how, f"{app.module}:app"]


def by_command(app: Application, port: int) -> Sequence[str]:
    return [sys.executable, "-m", "flask", "--app", app.module, "socketio", "run", "-p", str(port)]


WAYS = {"run": by_run, "gunicorn": by_gunicorn, "command": by_command}


@contextmanager
def served_program(source: str, folder: Path) -> Iterator[str]:
    """Run a program of examples/flask on another port, in a folder; yield its address."""

    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-c", source.replace("port=5000", f"port={port}")]

    with served(command, folder / "log", folder) as url:
        yield url


@contextmanager
def served(command: Callable[[int], Sequence[str]], log: Path, folder: Path, code: int = 0) -> Iterator[str]:
    """Run a server until the end of the block; yield its address."""
    port = free_port()
    with running(command(port), port, log, folder, code):
        yield f"http://127.0.0.1:{port}"


def run_client(name: str, client: str, url: str, transports: str) -> str:
    """Run an official client to its end; return what it says."""
    ran = subprocess.run(
        [tool("node"), str(Path(__file__).parent / f"{name}.js"), client, url, transports],
        env=environment(NODE_PATH=str(install())),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ran.stdout + ran.stderr
