"""Tables that others may look at while they change."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TypeVar

V = TypeVar("V")


class View(Mapping[str, V]):
    """A read-only view of a table. A look-up sees it as it is now, an iteration as it was when it began.

    So a loop over the values may block, while entries come and go. From any greenlet or thread.
    """

    __slots__ = ("_table",)

    def __init__(self, table: dict[str, V]) -> None:
        """Show ``table``."""
        self._table = table

    def __getitem__(self, key: str) -> V:
        """Return the entry of a key now."""
        return self._table[key]

    def __len__(self) -> int:
        """Return how many entries there are now."""
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of this moment."""
        return iter(self._table.copy())

    def values(self) -> ValuesView[V]:
        """Return the values of this moment."""
        return self._table.copy().values()

    def items(self) -> ItemsView[str, V]:
        """Return keys and values of this moment."""
        return self._table.copy().items()

    def __repr__(self) -> str:
        """Show the table."""
        return f"View({self._table!r})"
