"""The steps of a chain: what they take, and that they change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync import Server
from socketio_sync.server.chain import checked_timeout, room_name


def test_a_rooms_name_may_have_512_characters() -> None:
    assert room_name("x" * 512) == "x" * 512
    assert room_name(-5) == "-5"
    with pytest.raises(ValueError, match="513 characters, 512 are allowed"):
        room_name("x" * 513)


@pytest.mark.parametrize("seconds", [0.001, 5, 1e9])
def test_a_timeout_is_a_positive_number_of_seconds(seconds: float) -> None:
    assert checked_timeout(seconds) == seconds
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="must be positive"):
            checked_timeout(wrong)


@pytest.mark.parametrize("wrong", [None, "5", True, [1]])
def test_a_timeout_of_another_type_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        Server().timeout(wrong)


def test_each_step_makes_a_new_object() -> None:
    io = Server()
    first = io.to("a")
    made = [
        first.to("b"),
        first.in_("b"),
        first.except_("c"),
        first.local,
        first.volatile,
        first.compress(False),
    ]
    made.append(first.timeout(1))
    assert len({id(each) for each in [first, *made]}) == len(made) + 1
    # Nobody has ever connected: everything is defined, and nobody is reached.
    for each in [io, io.of("/x"), *made]:
        each.emit("news")
        assert each.fetch_sockets() == []
        assert each.call("news") == []
        assert each.call_each("news") == {}
        assert each.server_side_call("news") == []
