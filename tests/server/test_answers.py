from __future__ import annotations

from typing import Any

import gevent
import pytest

from socketio_sync import AckTimeout, Disconnected
from socketio_sync.server.answers import Gathering, Share
from socketio_sync.transports.runtime import Runtime
from tests.support.server import eventually


class Waiting(Gathering):
    """Notes that it is over."""

    def __init__(self, parts: int = 1) -> None:
        self.ended: list[str] = []
        super().__init__(parts, lambda: self.ended.append("over"), awaited=True)


def test_it_is_over_once_everybody_has_answered_or_never_will() -> None:
    answers = Waiting()
    cleaned: list[bool] = []
    answers.on_over(lambda: cleaned.append(True))
    answers.expect(["a", "b"])
    Share(answers, "b").resolve([2, 3])
    answers.complete()
    assert not answers.is_over
    Share(answers, "a").fail(Disconnected("transport close"))
    assert answers.ended == ["over"]
    assert cleaned == [True]
    assert answers.responses == [2]
    error = answers.error(5)
    assert isinstance(error, AckTimeout)
    assert error.responses == [2]
    assert str(error) == "1 of 2 clients acknowledged, the others never will"
    each = answers.each(5)
    assert list(each) == ["a", "b"]
    assert each["b"] == (2, 3)
    assert isinstance(each["a"], Disconnected)


def test_answers_are_in_the_order_of_their_coming_and_the_first_value_counts() -> None:
    answers = Waiting()
    answers.expect(["a", "b", "c"])
    answers.complete()
    for sid, values in {"c": [1], "a": [], "b": [2, 3]}.items():
        answers.answer(sid, values)
    assert answers.responses == [1, None, 2]
    assert answers.error(5) is None
    assert answers.each(5) == {"a": None, "b": (2, 3), "c": 1}


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_nobody_is_an_answer_at_once_when_all_namespaces_have_said_so(parts: int) -> None:
    answers = Waiting(parts)
    for _ in range(parts):
        assert answers.ended == []
        answers.complete()
    assert answers.ended == ["over"]
    assert answers.error(1) is None


def test_answers_after_the_end_are_ignored() -> None:
    answers = Waiting()
    answers.expect(["a", "b"])
    answers.complete()
    answers.answer("a", [1])
    answers.end()
    answers.end()
    answers.answer("b", [2])
    answers.miss("b", Disconnected("transport close"))
    # Whoever ended it knows.
    assert answers.ended == []
    assert answers.responses == [1]
    error = answers.error(0.5)
    assert str(error) == "1 of 2 clients acknowledged within 0.5 s"
    assert isinstance(answers.each(0.5)["b"], AckTimeout)


def test_a_limit_ends_the_waiting() -> None:
    runtime = Runtime(gevent.get_hub())
    answers = Waiting()
    answers.limit(runtime.timers, 0.005)
    answers.expect(["a"])
    answers.complete()
    eventually(lambda: answers.ended)
    error: Any = answers.error(0.005)
    assert error.responses == []


def test_what_comes_after_the_end_is_cleaned_up_at_once() -> None:
    answers = Waiting()
    answers.end()
    cleaned: list[bool] = []
    answers.on_over(lambda: cleaned.append(True))
    assert cleaned == [True]


def test_a_thread_may_look_at_the_answers_while_others_come() -> None:
    answers = Waiting()
    answers.expect(["a", "b"])
    answers.complete()

    class Preempted(list[Any]):
        def __bool__(self) -> bool:
            answers.answer("b", [2])
            return True

    answers.answer("a", Preempted([1]))
    error = answers.error(0.5)
    assert error is not None
    assert error.responses == [1]
    assert str(error) == "1 of 2 clients acknowledged within 0.5 s"
    assert answers.responses == [1, 2]
