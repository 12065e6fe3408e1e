"""The pytest plugin, which pytest finds by its entry point: ``socketio_client`` and ``socketio_server``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socketio_sync.testing.factory import ClientFactory
from socketio_sync.testing.ports import ServerFactory


@pytest.fixture
def socketio_client() -> Iterator[ClientFactory]:
    """Make clients of a Socket.IO application, which are disconnected at the end of the test.

    The test fails if a handler, a middleware or a callback has raised something that it hasn't taken with
    ``socketio_client.expect_error(ValueError)``.
    """
    factory = ClientFactory()
    yield factory
    try:
        factory.finish()
    except AssertionError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def socketio_server() -> Iterator[ServerFactory]:
    """Serve applications on free ports until the end of the test, for clients that need one."""
    factory = ServerFactory()
    yield factory
    factory.finish()
