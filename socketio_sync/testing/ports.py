"""Applications on real ports, and programs that use them: official JavaScript clients, browsers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gevent import subprocess

from socketio_sync.run import Runner
from socketio_sync.types import WSGICallable
from socketio_sync.wsgi import Server, WSGIApp


class ServerFactory:
    """Serves applications on free ports. The fixture ``socketio_server`` of the pytest plugin is one.

        def test_page(socketio_server):
            url = socketio_server(app)
            assert "hello" in socketio_server.run(["node", "client.js", url]).stdout

    The hub of the test's thread serves; it does while the test waits in ``run``, or for a test client.
    """

    def __init__(self) -> None:
        """Serve nothing yet."""
        self._runners: list[Runner] = []

    def __call__(self, app: WSGICallable, **options: Any) -> str:
        """Serve ``app``, by the runner, until the end of the test; return its address, an http URL.

        ``options`` are those of :class:`~socketio_sync.run.Runner`.
        """
        server = app if isinstance(app, Server) else app.server if isinstance(app, WSGIApp) else None
        matches = server.matches if server is not None else None
        runner = Runner(app, port=0, socketio_path_matches=matches, **options)
        runner.start()
        self._runners.append(runner)
        host, port = runner.address
        return f"http://{host}:{port}"

    @staticmethod
    def run(command: Sequence[str], *, timeout: float = 30.0, **options: Any) -> Any:
        """Run a program to its end while the applications are served.

        Args:
            command: The program and its arguments.
            timeout: How long it may take, in seconds.
            options: Of ``subprocess.run``.

        Returns:
            A ``CompletedProcess`` with the program's output as text.

        Raises:
            AssertionError: It failed, or took too long; the message holds what it said.
        """
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
        except subprocess.TimeoutExpired as error:
            said: Any = error.stdout or ""
            raise AssertionError(f"{command[0]} hasn't ended within {timeout:g} s:\n{said}") from None
        assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"
        return done

    # -- for the fixture --------------------------------------------------------------------------------

    def finish(self) -> None:
        """Serve no more; clients that are still there are cut off."""
        for runner in self._runners:
            runner.stop(timeout=0.0)
