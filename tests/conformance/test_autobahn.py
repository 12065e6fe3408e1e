"""What decides whether `make autobahn` has passed. The suite itself isn't run here: it needs Python 2.7."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conformance.autobahn import chosen, judged, main
from tests.conformance.suite import SuiteMissing, python2

CASES = ["1.1.1", "2.1", "2.10", "6.4.1", "6.4.3", "9.1.1", "10.1.1", "12.1.1", "12.1.10", "12.2.1", "13.2.1"]


@pytest.mark.parametrize(
    ("patterns", "sections"),
    [
        (["1"], {"1": ["1.1.1"]}),
        (["2.1"], {"2": ["2.1"]}),
        (["6.4", "6.4.3"], {"6": ["6.4.1", "6.4.3"]}),
        (["12.1"], {"12.1": ["12.1.1", "12.1.10"]}),
        (["12", "9"], {"9": ["9.1.1"], "12.1": ["12.1.1", "12.1.10"], "12.2": ["12.2.1"]}),
        (["1?.*.1"], {"10": ["10.1.1"], "12.1": ["12.1.1"], "12.2": ["12.2.1"], "13.2": ["13.2.1"]}),
    ],
)
def test_a_name_means_a_case_or_all_below_it(patterns: list[str], sections: dict[str, list[str]]) -> None:
    assert chosen(patterns, CASES) == sections


def test_without_names_every_case_is_run() -> None:
    assert [case for cases in chosen([], CASES).values() for case in cases] == CASES


def test_a_name_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^no case is named 12\.9, 8$"):
        chosen(["9", "8", "12.9"], CASES)


def told(behavior: str, closing: str = "OK") -> dict[str, str]:
    return {"behavior": behavior, "behaviorClose": closing}


def test_every_case_must_have_run_and_ended_well() -> None:
    report = {
        "1.1": told("OK"),
        "1.2": told("NON-STRICT"),
        "1.3": told("INFORMATIONAL", "INFORMATIONAL"),
        "1.4": told("FAILED"),
        "1.5": told("OK", "WRONG CODE"),
        "1.6": told("UNIMPLEMENTED"),
    }
    result = judged("1", [*report, "1.7"], report, 2.4)
    assert result.row() == ["1", "7", "1", "1", "1", "4", "2"]
    assert result.failures == [
        "1.4: FAILED; its end: OK",
        "1.5: OK; its end: WRONG CODE",
        "1.6: UNIMPLEMENTED; its end: OK",
        "1.7: not run; its end: not run",
    ]


def test_without_python_2_it_says_what_is_missing_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYTHON2", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["autobahn"])
    assert main() == 2
    assert "there is no python2.7 on PATH; the variable PYTHON2 may name one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "message"),
    [("nothing-of-this-name", "is no program"), (sys.executable, "is no Python 2.7 with pip")],
)
def test_what_python2_names_must_be_one(monkeypatch: pytest.MonkeyPatch, named: str, message: str) -> None:
    monkeypatch.setenv("PYTHON2", named)
    with pytest.raises(SuiteMissing, match=message):
        python2()
