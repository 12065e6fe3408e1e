"""Starting an application anew when a file of it has changed: a parent that watches, and a child that serves.

The parent opens the listening socket and keeps it: clients that come while the child is away wait in its
queue, and those that were connected connect again. Only the child serves; the parent runs no gevent loop.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

VARIABLE = "FLASK_SOCKETIO_SYNC_FD"
INTERVAL = 0.3
STOP_SECONDS = 10.0
# Whose files aren't the application's.
_OTHERS = frozenset(("node_modules", "__pycache__", "site-packages"))


def inherited_fd() -> int | None:
    """Return the listening socket that a watching parent has opened; None where there is no parent."""
    fd = os.environ.get(VARIABLE)
    return int(fd) if fd is not None else None


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket for children to inherit.

    Raises:
        OSError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def sources(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the Python files below some folders, but not those of environments and packages."""
    for folder in folders:
        for path, names, files in os.walk(folder):
            names[:] = [
                name
                for name in names
                if not name.startswith(".")
                and name not in _OTHERS
                and not Path(path, name, "pyvenv.cfg").exists()
            ]
            yield from (Path(path, file) for file in files if file.endswith(".py"))


class Watch:
    """Looks whether files have changed since the last look."""

    def __init__(
        self, folders: Iterable[Path], extra: Iterable[str] = (), exclude: Iterable[str] = ()
    ) -> None:
        """Watch the Python files below ``folders``, and ``extra``, but for the patterns of ``exclude``."""
        self._folders = list(folders)
        self._extra = [Path(name) for name in extra]
        self._exclude = list(exclude)
        self._seen = self._look()

    def _look(self) -> dict[Path, int]:
        seen = {}
        for path in (*sources(self._folders), *self._extra):
            if not any(fnmatch(str(path), pattern) for pattern in self._exclude):
                try:
                    seen[path] = path.stat().st_mtime_ns
                except OSError:
                    # It has gone since it was listed.
                    continue
        return seen

    def changed(self) -> list[Path]:
        """Return the files that were changed, made or removed since the last call."""
        before, self._seen = self._seen, self._look()
        paths = before.keys() | self._seen.keys()
        return sorted(path for path in paths if before.get(path) != self._seen.get(path))


def watch(
    listener: socket.socket,
    watching: Watch,
    *,
    interval: float = INTERVAL,
    say: Callable[[str], Any] = print,
) -> int:
    """Run the present program again, as a child that serves, and anew whenever a file has changed.

    Returns when the child has ended by itself without an error, or at SIGINT or SIGTERM, with its exit code.
    """
    # As it was called: "python app.py", "python -m flask ..." or a script.
    command = [sys.executable, *sys.orig_argv[1:]]
    settings = {**os.environ, VARIABLE: str(listener.fileno())}
    stopping: list[int] = []

    def stop(number: int, frame: Any) -> None:
        stopping.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while True:
            child = subprocess.Popen(command, env=settings, pass_fds=[listener.fileno()])
            changed: list[Path] = []
            while not stopping and not changed:
                time.sleep(interval)
                changed = watching.changed()
                code = child.poll()
                if code == 0:
                    return 0
                if code is not None and not changed:
                    say(f" * The application has ended with code {code}; waiting for a change")
                    while not stopping and not changed:
                        time.sleep(interval)
                        changed = watching.changed()
            _end(child)
            if stopping:
                # One that was still on its way up is ended by our signal.
                return 0 if child.returncode == -signal.SIGTERM else child.returncode
            say(f" * {', '.join(path.name for path in changed)} changed; starting anew")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child as a runner is ended, or at once where that takes too long."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
