"""A view can be iterated over while its table changes."""

from __future__ import annotations

import pytest

from socketio_sync.engine.views import View


def test_a_lookup_sees_the_table_as_it_is_now() -> None:
    table = {"a": 1}
    view = View(table)
    assert (view["a"], view.get("b"), len(view), "b" in view) == (1, None, 1, False)
    table["b"] = 2
    assert (view["b"], len(view), "b" in view) == (2, 2, True)
    with pytest.raises(KeyError):
        view["c"]


@pytest.mark.parametrize("look", [iter, View.keys, View.values, View.items])
def test_an_iteration_sees_the_table_as_it_was_when_it_began(look) -> None:  # type: ignore[no-untyped-def]
    table = {"a": 1, "b": 2}
    seen = []
    for entry in look(View(table)):
        seen.append(entry)
        table.clear()
        table["c"] = 3
    assert len(seen) == 2


def test_nobody_can_change_the_table_through_it() -> None:
    with pytest.raises(TypeError):
        View({"a": 1})["a"] = 2  # type: ignore[index]
    assert repr(View({"a": 1})) == "View({'a': 1})"
