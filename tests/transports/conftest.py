"""Fixtures: a runtime on the hub of the test, and connections on it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import gevent
import pytest

from socketio_sync.transports.runtime import Runtime
from tests.support.server import descriptors
from tests.support.transport_handler import Wires, eventually


@pytest.fixture(autouse=True)
def nothing_is_raised_on_the_hub() -> Iterator[io.StringIO]:
    """Nobody calls the hub's callbacks and greenlets, so nobody would see what they raise."""
    hub = vars(gevent.get_hub())
    # Normally the standard error stream.
    hub["exception_stream"] = uncaught = io.StringIO()
    try:
        yield uncaught
        assert uncaught.getvalue() == ""
    finally:
        del hub["exception_stream"]


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(gevent.get_hub())


@pytest.fixture
def wires(runtime: Runtime) -> Iterator[Wires]:
    """Connect transports, or bare streams, to peers; no descriptor may be left."""
    before = descriptors()
    wires = Wires(runtime)
    yield wires
    wires.close()
    eventually(lambda: descriptors() <= before)
