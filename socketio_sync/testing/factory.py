"""Clients for a test, and what the handlers of their servers have raised meanwhile."""

from __future__ import annotations

import logging
import traceback
from typing import Any, TypeVar

from gevent.event import Event

from socketio_sync.testing.channel import wait_until
from socketio_sync.testing.client import TestClient
from socketio_sync.types import WSGICallable

E = TypeVar("E", bound=BaseException)

# Where the server logs what application code has raised.
_LOGGER = logging.getLogger("socketio_sync")


class ClientFactory(logging.Handler):
    """Makes the clients of one test. The fixture ``socketio_client`` of the pytest plugin is one.

        def test_chat(socketio_client):
            ann, bob = socketio_client(app), socketio_client(app, transport="polling")

    Attributes:
        clients: Those that were made, in order.
        errors: What handlers, middlewares and callbacks have raised, and nobody has expected so far.
    """

    def __init__(self) -> None:
        """Begin to listen for what handlers raise."""
        super().__init__(logging.ERROR)
        self.clients: list[TestClient] = []
        self.errors: list[BaseException] = []
        self._raised = Event()
        self._level, self._disabled = _LOGGER.level, logging.root.manager.disable
        # Errors are heard of even if nothing is to be logged.
        logging.disable(min(self._disabled, logging.ERROR - 1))
        if not _LOGGER.isEnabledFor(logging.ERROR):
            _LOGGER.setLevel(logging.ERROR)
        _LOGGER.addHandler(self)

    def __call__(self, app: WSGICallable, **options: Any) -> TestClient:
        """Return a client that has joined a namespace; see :class:`TestClient` for options and errors."""
        client = TestClient(app, **options)
        self.clients.append(client)
        return client

    def expect_error(self, kind: type[E], timeout: float = 1.0) -> E:
        """Return the next error of a kind that application code raises, or has raised; it is expected then.

        Raises:
            AssertionError: None came within ``timeout`` seconds.
        """

        def found() -> E | None:
            return next((error for error in self.errors if isinstance(error, kind)), None)

        wait_until(found, self._raised, timeout)
        error = found()
        assert error is not None, (
            f"nothing has raised {kind.__name__} within {timeout:g} s, but {self.errors or 'nothing'}"
        )
        self.errors.remove(error)
        return error

    # -- for the fixture -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Disconnect all clients, and let the server see it.

        Raises:
            AssertionError: Application code has raised something that the test hasn't expected.
        """
        try:
            for client in reversed(self.clients):
                with client:
                    pass
        finally:
            _LOGGER.removeHandler(self)
            _LOGGER.setLevel(self._level)
            logging.disable(self._disabled)
        if self.errors:
            texts = ["".join(traceback.format_exception(error)) for error in self.errors]
            raise AssertionError("\n".join(["application code has raised:", *texts]))

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the log."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self.errors.append(error)
            self._raised.set()
