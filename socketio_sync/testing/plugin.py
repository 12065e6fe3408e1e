"""The pytest plugin, which pytest finds by its entry point: the fixture ``socketio_client``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socketio_sync.testing.factory import ClientFactory


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
