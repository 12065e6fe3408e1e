"""Every row of the compatibility page names a test that carries its number, or says why there is none."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "reference" / "compatibility.md").read_text()

ROWS = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \|.* \| ([^|]+) \|$", PAGE, re.MULTILINE)}
TEST = re.compile(r"`(tests/\S+\.py)::(test_\w+)`")
# The decorators of a test stand before it, without an empty line in between.
MARKED = re.compile(r"@pytest\.mark\.feature\((\d+)\)\n(?:(?!\n\n).)*?def (test_\w+)\(", re.DOTALL)


def marked() -> set[tuple[int, str, str]]:
    """Return row, file and name of every test with the mark."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        text = path.read_text()
        for start in [match.start() for match in re.finditer(r"^@pytest\.mark\.feature", text, re.MULTILINE)]:
            match = MARKED.match(text, start)
            assert match is not None, f"{path}: a mark without a test"
            found.add((int(match[1]), path.relative_to(ROOT).as_posix(), match[2]))
    return found


def test_every_row_names_a_marked_test_or_gives_a_reason() -> None:
    named = {(row, *test) for row, text in ROWS.items() for test in TEST.findall(text)}
    assert named == marked()
    without = [text for text in ROWS.values() if not TEST.search(text)]
    assert all(text.endswith(".") for text in without), without


def test_every_mark_is_for_a_row() -> None:
    assert sorted({row for row, *_ in marked()} - set(ROWS)) == []


def test_the_rows_are_there() -> None:
    assert sorted(ROWS) == [*range(1, 152)]
