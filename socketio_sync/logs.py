"""Logging: scopes switched on from the environment, and repeats that are counted instead of repeated.

``SOCKETIO_SYNC_DEBUG=engine,server.namespace`` (or ``*``) shows the DEBUG lines of those modules on
standard error. Without it the library installs no handler and sets no level: in an application that
configures no logging, Python itself writes warnings and errors to standard error, so that a handler's
traceback is never lost.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping

ROOT = "socketio_sync"
DEBUG_VARIABLE = "SOCKETIO_SYNC_DEBUG"
CUT = 200
# The longest line about what a client did, in bytes.
LONGEST = 300
MAX_REASONS = 1000


def configure(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Switch on the scopes that the environment names; return their loggers' names.

    Called once, when the package is imported. A scope is a module below the package
    (``engine.socket``), or a package with all below it (``engine``).
    """
    root = logging.getLogger(ROOT)
    scopes = [scope.strip() for scope in environ.get(DEBUG_VARIABLE, "").split(",") if scope.strip()]
    if not scopes:
        return []
    names = [ROOT if scope == "*" else f"{ROOT}.{scope.removeprefix(ROOT + '.')}" for scope in scopes]
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    return names


def shown(payload: object, cut: int = CUT) -> str:
    """Return a payload as a log line may show it: escaped, and cut at so many characters."""
    text = ascii(payload)
    return text if len(text) <= cut else f"{text[:cut]}... ({len(text)} characters)"


def contain(logger: logging.Logger, function: Callable[..., object], *args: object) -> None:
    """Call one of several functions each of which has to be called, whatever becomes of the others.

    What it raises is a defect, ours or that of an adapter or a parser of the application's, and is logged.
    """
    try:
        function(*args)
    except Exception:
        logger.exception("a defect: %s failed", getattr(function, "__qualname__", function))


def one_line(text: str, most: int = LONGEST) -> str:
    """Return a text as one line of printable characters, cut at so many bytes of UTF-8."""
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )
    data = text.encode()
    return text if len(data) <= most else f"{data[: most - 3].decode(errors='ignore')}..."


class Throttle:
    """Logs the repeats of a problem as a count: at most ``burst`` lines a second for each reason.

    Each is one line of printable characters, of at most ``LONGEST`` bytes, whatever was sent by whom.
    May be used from any greenlet or thread; a race can cost a line, never an error.
    """

    def __init__(self, logger: logging.Logger, *, burst: int = 10) -> None:
        """Log to ``logger``."""
        self._logger = logger
        self._burst = burst
        self._seen: dict[str, tuple[int, int]] = {}

    def warning(self, reason: str, message: str, *args: object) -> None:
        """Log a WARNING, unless ``reason`` was logged too often within this second.

        What was left out is named, as a count, in the first line of a later second.
        """
        self._log(logging.WARNING, reason, message, args, None)

    def error(self, error: BaseException, message: str, *args: object) -> None:
        """Log an ERROR with its traceback, unless the same was raised too often within this second."""
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        place = (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno) if traceback is not None else ""
        self._log(logging.ERROR, f"{type(error).__qualname__} {place}", message, args, error)

    def _log(
        self, level: int, reason: str, message: str, args: tuple[object, ...], error: BaseException | None
    ) -> None:
        second = int(time.monotonic())
        if len(self._seen) > MAX_REASONS:
            # Reasons may hold what strangers sent, and must not pile up.
            self._seen.clear()
        at, count = self._seen.get(reason, (second, 0))
        if at == second:
            self._seen[reason] = (second, count + 1)
            if count >= self._burst:
                return
            left_out = 0
        else:
            self._seen[reason] = (second, 1)
            left_out = max(0, count - self._burst)
        suffix = f" ({left_out} more of this kind left out)" if left_out else ""
        # Once: to make a text may take its time.
        args = tuple(each if isinstance(each, int | float) else str(each) for each in args)
        line = message % args
        bounded = one_line(line, LONGEST - len(suffix))
        if bounded == line:
            # With its template, by which programs that collect logs tell kinds of lines apart.
            self._logger.log(level, message + "%s", *args, suffix, exc_info=error)
        else:
            self._logger.log(level, "%s%s", bounded, suffix, exc_info=error)
