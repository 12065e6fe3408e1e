"""Serving the official client bundle: ``<path>/socket.io.js`` and its kin, from a folder.

Specification: wire.md 2.9, "Client bundle".
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from socketio_sync.engine.http import Answer, empty_answer
from socketio_sync.types import Environ

_STEMS = ("socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min")
NAMES = frozenset(f"{stem}.js{suffix}" for stem in _STEMS for suffix in ("", ".map"))


class ClientBundle:
    """The files of one folder, read at the first request for each. For any greenlet or thread."""

    def __init__(self, folder: str, path: str) -> None:
        """Serve the files of ``folder`` right below the URL path ``path``.

        Raises:
            FileNotFoundError: The folder has no ``socket.io.js``.
        """
        self._folder = Path(folder)
        self._prefix = path.rstrip("/") + "/"
        if not (self._folder / "socket.io.js").is_file():
            raise FileNotFoundError(
                f"serve_client: no socket.io.js in {folder!r}; npm install socket.io-client"
            )
        self._files: dict[str, tuple[str, bytes]] = {}

    def answer(self, environ: Environ) -> Answer | None:
        """Return the answer to a request for a file of the bundle; None if it is for something else."""
        path = environ.get("PATH_INFO", "")
        name = path[len(self._prefix) :] if path.startswith(self._prefix) else ""
        if name not in NAMES or not (self._folder / name).is_file():
            return None
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return empty_answer(405, [("Allow", "GET, HEAD")])
        etag, content = self._read(name)
        wanted = environ.get("HTTP_IF_NONE_MATCH", "")
        if etag in (tag.strip().removeprefix("W/") for tag in wanted.split(",")):
            return empty_answer(304, [("ETag", etag)])
        kind = "application/json" if name.endswith(".map") else "application/javascript"
        headers = [
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Cache-Control", "public, max-age=0"),
            ("ETag", etag),
        ]
        return Answer(200, headers, content)

    def _read(self, name: str) -> tuple[str, bytes]:
        if name not in self._files:
            content = (self._folder / name).read_bytes()
            self._files[name] = (f'"{hashlib.sha256(content).hexdigest()[:20]}"', content)
        return self._files[name]
