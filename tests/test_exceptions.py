"""One tree of errors, all exported, none with the name of a builtin."""

from __future__ import annotations

import builtins
import inspect

import pytest

import socketio_sync
from socketio_sync import exceptions

ERRORS = [
    value
    for _, value in inspect.getmembers(exceptions, inspect.isclass)
    if value.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_in_the_tree_and_exported(error: type[Exception]) -> None:
    assert issubclass(error, exceptions.SocketIOError)
    assert getattr(socketio_sync, error.__name__) is error
    assert error.__name__ in socketio_sync.__all__
    assert error.__name__ in (exceptions.__doc__ or "")


@pytest.mark.parametrize("error", ERRORS)
def test_no_error_takes_the_name_of_a_builtin(error: type[Exception]) -> None:
    assert not hasattr(builtins, error.__name__)


def test_errors_carry_their_data() -> None:
    refused = exceptions.ConnectionRefused("no", {"why": 42})
    assert (str(refused), refused.message, refused.data) == ("no", "no", {"why": 42})
    assert exceptions.AckTimeout(responses=[1]).responses == [1]
    assert exceptions.AckTimeout().responses == []
    assert exceptions.Disconnected("ping timeout").reason == "ping timeout"
    assert exceptions.HandshakeRefused().code == 4
