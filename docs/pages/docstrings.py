"""Docstrings in Google's form, as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): ", re.MULTILINE)
_BETWEEN = "\n\n"
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")


def sections(documented: Any) -> dict[str, str]:
    """Return the sections of an object's docstring by title; what stands before the first is under ""."""
    text = inspect.getdoc(documented) or ""
    parts = _SECTION.split(text)
    return {"": parts[0].strip(), **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(documented: Any, section: str) -> dict[str, str]:
    """Return what a section says of each name, each as one line of Markdown."""
    text = sections(documented).get(section, "")
    # What follows a blank line isn't indented and belongs to no entry.
    parts = _ENTRY.split(text)
    return {name: markdown(said) for name, said in zip(parts[1::2], parts[2::2], strict=True)}


def markdown(text: str) -> str:
    """Return a passage of a docstring as one line of Markdown."""
    return _ROLE.sub(r"`\1`", " ".join(text.split())).replace("``", "`")


def cell(text: str) -> str:
    """Return Markdown as it may stand in a table."""
    return text.replace("|", "\\|")


def table(titles: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def block(documented: Any) -> str:
    """Return a whole docstring as Markdown."""
    parts: list[str] = []
    for title, text in sections(documented).items():
        if title in ("", "Returns"):
            parts += [f"{title}: {each}" if title else each for each in _paragraphs(text)]
        else:
            said = [f"- `{name}`: {what}" for name, what in entries(documented, title).items()]
            parts.append("\n".join([f"{title}:\n", *said]))
    return "\n\n".join(parts)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring; what is indented is a program."""
    program: list[str] = []
    for paragraph in [*dedent(text).strip("\n").split(_BETWEEN), ""]:
        if paragraph.startswith("    "):
            program.append(paragraph)
            continue
        if program:
            yield f"```python\n{dedent(_BETWEEN.join(program))}\n```"
            program = []
        if paragraph:
            yield markdown(paragraph)
