"""The generated pages of the documentation say what the code says."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

import flask_socketio_sync
from docs.generate import DOCS, PAGES, stale
from docs.pages import flask
from docs.pages.docstrings import block, cell, entries, markdown, sections, table
from docs.pages.options import page
from socketio_sync.http_head import RequestLimits
from socketio_sync.options import EngineOptions, ServerOptions


def test_every_generated_page_is_up_to_date() -> None:
    assert stale() == [], "make docs"


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
CODE = re.compile(r"\bSIO[0-9]{3}\b")
PACKAGES = ("socketio_sync", "contrib/flask/flask_socketio_sync")


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    for path in [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]:
        targets = [target for target, _ in LINK.findall(path.read_text()) if "://" not in target]
        assert [target for target in targets if not (path.parent / target).exists()] == [], path


def test_every_page_is_in_the_table_of_contents() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    linked = {target for target, _ in LINK.findall((DOCS / "README.md").read_text())}
    steps = {
        f"tutorial/{target}" for target, _ in LINK.findall((DOCS / "tutorial" / "README.md").read_text())
    }
    assert sorted(pages - linked - steps) == ["README.md"]


def test_every_generated_page_says_so() -> None:
    assert all("generated from" in (DOCS / name).read_text() for name in PAGES)


@pytest.mark.parametrize(
    ("declared", "inherited"), [(EngineOptions, None), (ServerOptions, EngineOptions), (RequestLimits, None)]
)
def test_every_option_is_documented_where_it_is_declared_and_nothing_else(
    declared: Any, inherited: Any
) -> None:
    above = {field.name for field in fields(inherited)} if inherited is not None else set()
    names = [field.name for field in fields(declared) if field.name not in above]
    assert sorted(entries(declared, "Attributes")) == sorted(names)
    text = page()
    assert all(f"| `{name}` |" in text for name in names)


def test_every_code_of_the_log_is_explained() -> None:
    sources = [path for package in PACKAGES for path in (DOCS.parent / package).rglob("*.py")]
    used = {code for path in sources for code in CODE.findall(path.read_text())}
    assert len(used) > 10
    assert set(CODE.findall((DOCS / "reference" / "codes.md").read_text())) == used


class Documented:
    """Is an example.

    Says more.

    Attributes:
        first: What it is; ``None`` where a :class:`~a.b.Thing`
            isn't there.
        second: A | B.

    Raises:
        ValueError: Never.
    """


def documented() -> None:
    """Do it.

        first()

        second()

    Returns:
        Nothing.
    """


def test_docstrings_are_read_as_they_are_written() -> None:
    assert sections(Documented)[""] == "Is an example.\n\nSays more."
    said = entries(Documented, "Attributes")
    assert said == {"first": "What it is; `None` where a `Thing` isn't there.", "second": "A | B."}
    assert entries(Documented, "Raises") == {"ValueError": "Never."}
    assert entries(Documented, "Returns") == {}
    assert block(Documented).splitlines()[:5] == ["Is an example.", "", "Says more.", "", "Attributes:"]
    assert block(documented).splitlines() == [
        "Do it.",
        "",
        "```python",
        "first()",
        "",
        "second()",
        "```",
        "",
        "Returns: Nothing.",
    ]
    assert markdown("a\n   ``b``") == "a `b`"
    assert cell("a | b") == "a \\| b"
    assert table(["A"], [["x|y"]]) == "| A |\n| --- |\n| x\\|y |"


def test_every_name_of_the_flask_extension_is_on_its_page() -> None:
    documented = {each.__name__ for each in flask.REFERENCE.documented}
    # Flask's own object, of which the page tells with its type.
    assert set(flask_socketio_sync.__all__) - documented == {"request"}
