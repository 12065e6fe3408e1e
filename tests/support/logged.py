"""What the server logged, for tests in which errors are the subject."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable

import gevent
import pytest

from socketio_sync.logs import Throttle


class Logged:
    """The log of one test. What was taken isn't held against the server at the end."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def take(self, level: int = logging.ERROR) -> list[logging.LogRecord]:
        """Return the records of ``level`` and above, and forget all."""
        records = [record for record in self._caplog.records if record.levelno >= level]
        self._caplog.clear()
        return records

    def warnings(self) -> list[str]:
        """Return the warnings so far."""
        return [r.getMessage() for r in self._caplog.records if r.levelno == logging.WARNING]

    def debug(self, name: str) -> Callable[[], list[str]]:
        """Have a logger's DEBUG lines recorded; return what returns them."""
        self._caplog.set_level(logging.DEBUG, name)
        return lambda: [r.getMessage() for r in self._caplog.records if r.name.startswith(name)]


def functions(record: logging.LogRecord) -> list[str]:
    """Return the functions in a record's traceback, the innermost last."""
    assert record.exc_info is not None
    return [entry.name for entry in traceback.extract_tb(record.exc_info[2])]


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """Collect what gevent's hub is told of, in place of its own report."""
    kinds: list[type[BaseException]] = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda context, kind, *rest: kinds.append(kind))
    return kinds


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """Look at what is logged; that an earlier test has logged much holds nothing back."""
    for module in [*sys.modules.values()]:
        problems = getattr(module, "problems", None)
        if isinstance(problems, Throttle):
            problems._seen.clear()
    return Logged(caplog)
