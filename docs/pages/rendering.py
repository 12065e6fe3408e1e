"""A page of the reference: classes and functions, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from docs.pages.docstrings import block

_NOTE = "This page is generated from the docstrings of the code (`make docs`).\n"
# The comments that divide a class: what is for its neighbours isn't for applications.
_DIVISION = re.compile(r"^    # -- (.*?) -+$")
_METHOD = re.compile(r"^    def (\w+)\(")
_QUOTED = re.compile(r"(: |-> )'([^']*)'")


class Chapter(NamedTuple):
    """Some classes and functions under one title."""

    title: str
    text: str
    documented: Sequence[Any]


class Reference:
    """What one page documents.

    Attributes:
        documented: All classes and functions on it.
    """

    def __init__(self, title: str, chapters: Sequence[Chapter], made: Sequence[Any]) -> None:
        """Document what is in ``chapters``; of ``made``, applications make objects, others they get."""
        self._title = title
        self._chapters = chapters
        self._made = made
        self.documented = [each for chapter in chapters for each in chapter.documented]

    def page(self) -> str:
        """Return the whole page."""
        lines = [f"# {self._title}", "", _NOTE, *self._contents()]
        for chapter in self._chapters:
            lines += ["", f"## {chapter.title}", "", chapter.text]
            for documented in chapter.documented:
                lines += self._class(documented) if inspect.isclass(documented) else _function(documented, 3)
        return "\n".join(lines) + "\n"

    def _contents(self) -> Iterator[str]:
        for chapter in self._chapters:
            links = ", ".join(f"[{each.__name__}](#{each.__name__.lower()})" for each in chapter.documented)
            yield f"- {chapter.title}: {links}"

    def _class(self, documented: type[Any]) -> Iterator[str]:
        yield from ("", f"### {documented.__name__}", "")
        parents = [f"[{each.__name__}](#{each.__name__.lower()})" for each in self._parents(documented)]
        yield block(documented)
        if parents:
            yield from ("", f"Has what {', '.join(parents)} {'have' if len(parents) > 1 else 'has'}, too.")
        if documented in self._made:
            yield from _function(documented.__init__, 4, name=documented.__name__)
        for name, member in self.public(documented):
            if isinstance(member, property):
                yield from ("", f"#### `{documented.__name__}.{name}`", "", block(member))
            else:
                yield from _function(member, 4, name=f"{documented.__name__}.{name}")

    def _parents(self, documented: type[Any]) -> list[type[Any]]:
        """Return the nearest documented classes above, each once."""
        above: list[type[Any]] = []
        for parent in documented.__mro__[1:]:
            if parent in self.documented and not any(issubclass(other, parent) for other in above):
                above.append(parent)
        return above

    def public(self, documented: type[Any]) -> Iterator[tuple[str, Any]]:
        """Yield name and member of what applications may use of a class, in the order of the source.

        What other documented classes have it inherits; what undocumented ones have it has itself.
        """
        above = [name for parent in self._parents(documented) for name, _ in _everything_public(parent)]
        for name, member in _everything_public(documented):
            if name not in above or name in vars(documented):
                yield name, member


def _everything_public(documented: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the same with what it inherits."""
    seen = set()
    for each in documented.__mro__:
        if "socketio_sync" not in each.__module__:
            continue
        for name in _methods_for_applications(each):
            if name not in seen:
                seen.add(name)
                yield name, inspect.getattr_static(documented, name)


def _methods_for_applications(documented: type[Any]) -> list[str]:
    names = []
    skipping = False
    for line in inspect.getsource(documented).splitlines():
        division = _DIVISION.match(line)
        if division is not None:
            skipping = division[1].startswith("for ") and division[1] != "for applications"
        method = _METHOD.match(line)
        if method is not None and not skipping and not method[1].startswith("_") and method[1] not in names:
            names.append(method[1])
    return names


def _function(documented: Any, level: int, name: str = "") -> Iterator[str]:
    name = name or documented.__name__
    function = inspect.unwrap(getattr(documented, "__func__", documented))
    yield from ("", f"{'#' * level} `{name}`", "", "```python", f"{name}{_signature(function)}", "```", "")
    yield block(documented)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.name != "self"]
    constructor = function.__name__ == "__init__"
    returned = inspect.Signature.empty if constructor else signature.return_annotation
    return _QUOTED.sub(r"\1\2", str(signature.replace(parameters=kept, return_annotation=returned)))
