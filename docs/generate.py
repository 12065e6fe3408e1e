"""The pages of the reference that are made from the code: ``make docs`` writes them.

A page is a function that returns its text; ``PAGES`` says which file it is. ``--check`` writes nothing and
fails where a file isn't what its function returns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.pages import api, flask, options

DOCS = Path(__file__).resolve().parent

PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": api.REFERENCE.page,
    "reference/flask.md": flask.REFERENCE.page,
    "reference/options.md": options.page,
}


def stale() -> list[str]:
    """Return the pages whose files aren't what the code says now."""
    return [name for name, page in PAGES.items() if not _is_written(DOCS / name, page())]


def _is_written(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def write() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page())


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        write()
    elif stale():
        sys.exit(f"not what the code says, run make docs: {', '.join(stale())}")
