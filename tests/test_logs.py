"""Scopes are switched on from the environment; repeats are counted, not repeated."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from socketio_sync.logs import CUT, DEBUG_VARIABLE, LONGEST, MAX_REASONS, ROOT, Throttle, configure, shown


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger(ROOT)
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers
    for name in (ROOT, f"{ROOT}.engine", f"{ROOT}.server.namespace"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_without_the_variable_nothing_is_installed() -> None:
    root = logging.getLogger(ROOT)
    root.handlers.clear()
    assert configure({}) == []
    assert root.handlers == []
    assert root.level == logging.NOTSET


def test_an_application_without_logging_still_sees_what_went_wrong() -> None:
    script = (
        "import logging, socketio_sync\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError as error:\n"
        "    logging.getLogger('socketio_sync.server.dispatch').error('it raised', exc_info=error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert "it raised" in ran.stderr
    assert "ZeroDivisionError" in ran.stderr


@pytest.mark.feature(143)
def test_scopes_are_modules_or_packages() -> None:
    names = configure({DEBUG_VARIABLE: "engine, server.namespace"})
    assert names == [f"{ROOT}.engine", f"{ROOT}.server.namespace"]
    assert logging.getLogger(f"{ROOT}.engine.socket").isEnabledFor(logging.DEBUG)
    assert logging.getLogger(f"{ROOT}.server.namespace").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger(f"{ROOT}.server.connection").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(("scope", "name"), [("*", ROOT), (f"{ROOT}.engine", f"{ROOT}.engine")])
def test_a_star_is_everything_and_full_names_work(scope: str, name: str) -> None:
    assert configure({DEBUG_VARIABLE: scope}) == [name]


def test_debug_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure({DEBUG_VARIABLE: "engine"})
    logging.getLogger(f"{ROOT}.engine.socket").debug("session %s", "abc")
    assert f"{ROOT}.engine.socket session abc" in capsys.readouterr().err


@pytest.mark.parametrize("payload", ["a\nb", "\x1b[31m", "\u2028", "\ud83d", b"\x00\xff"])
def test_shown_payloads_are_one_line_of_printable_ascii(payload: object) -> None:
    assert shown(payload).isprintable()
    assert shown(payload).isascii()


def test_shown_payloads_are_cut() -> None:
    assert shown("x" * (CUT - 2)) == repr("x" * (CUT - 2))
    assert len(shown("x" * 10_000)) < CUT + 40
    assert "10002 characters" in shown("x" * 10_000)
    assert shown("x" * 100, 10) == "'xxxxxxxxx... (102 characters)"


def test_at_most_ten_lines_a_second_of_one_reason(caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle(logging.getLogger("test.throttle"))
    for number in range(1000):
        throttle.warning("same", "problem %d", number)
    throttle.warning("other", "another problem")
    lines = [record.getMessage() for record in caplog.records]
    # Two seconds' worth at the most, if the clock ticked in between.
    assert 10 <= len([line for line in lines if line.startswith("problem")]) <= 20
    assert "another problem" in lines


def test_what_was_left_out_is_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("socketio_sync.logs.time.monotonic", lambda: now[0])
    throttle = Throttle(logging.getLogger("test.throttle"), burst=2)
    for _ in range(5):
        throttle.warning("same", "problem")
    now[0] += 1
    throttle.warning("same", "problem")
    assert [record.getMessage() for record in caplog.records] == [
        "problem",
        "problem",
        "problem (3 more of this kind left out)",
    ]


def line_of(caplog: pytest.LogCaptureFixture, message: str, *args: object, again: int = 0) -> str:
    """Log something, as often again as it takes to be left out; return the last line."""
    throttle = Throttle(logging.getLogger("test.throttle"))
    for _ in range(1 + again):
        throttle.warning("same", message, *args)
    return caplog.records[-1].getMessage()


@pytest.mark.parametrize(("length", "cut"), [(LONGEST, False), (LONGEST + 1, True)])
@pytest.mark.parametrize("letter", ["x", "\u00e9"])
def test_a_line_is_cut_at_300_bytes(
    caplog: pytest.LogCaptureFixture, length: int, cut: bool, letter: str
) -> None:
    text = letter * (length // len(letter.encode()))
    text += "x" * (length - len(text.encode()))
    line = line_of(caplog, "%s", text)
    assert line.endswith("...") is cut
    assert len(line.encode()) <= LONGEST
    assert cut or line == text


def test_the_count_stands_behind_what_was_cut(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("socketio_sync.logs.time.monotonic", lambda: now[0])
    throttle = Throttle(logging.getLogger("test.throttle"), burst=1)
    for _ in range(3):
        throttle.warning("same", "problem %s", "x" * 1000)
    now[0] += 1
    throttle.warning("same", "problem %s", "x" * 1000)
    line = caplog.records[-1].getMessage()
    assert len(line) == LONGEST
    assert line.endswith("x... (2 more of this kind left out)")


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x1b[31m", "\x9b31m", "\u2028", "\x85", "\ud83d", "\x00"]
)
def test_a_line_stays_one_line_of_printable_text_whatever_was_sent(
    caplog: pytest.LogCaptureFixture, text: str
) -> None:
    line = line_of(caplog, "from %s: %d", f"{text}x", 5)
    assert line.isprintable()
    assert line.startswith("from ")
    assert line.endswith("x: 5")


def test_the_template_of_an_ordinary_line_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    assert line_of(caplog, "session %s: %d", "a", 5) == "session a: 5"
    assert caplog.records[-1].msg == "session %s: %d%s"


def test_reasons_made_of_what_strangers_sent_do_not_pile_up() -> None:
    throttle = Throttle(logging.getLogger("test.throttle"))
    for number in range(3 * MAX_REASONS):
        throttle.warning(f"origin {number}", "refused")
    assert len(throttle._seen) <= MAX_REASONS + 1
