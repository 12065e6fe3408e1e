"""Defects in steps of our own: every function of the server's layers, made to fail once."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import socketio_sync

LAYERS = ("adapters", "engine", "protocol", "server", "transports")
# A function, and what is going on when it is called.
Step = tuple[str, str]


class Injected(Exception):
    """The defect."""


class Steps:
    """What the server's functions are called for.

    Attributes:
        phase: What goes on at the moment; None while nobody wants to know.
        called: The functions that were called in each phase.
        failing: Which one is to fail at its next call; None if none is.
    """

    def __init__(self) -> None:
        self.phase: str | None = None
        self.called: dict[Step, None] = {}
        self.failing: Step | None = None

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            if self.phase is not None:
                step = self.phase, name
                if step == self.failing:
                    self.failing = None
                    raise Injected(step)
                self.called[step] = None
            return function(*arguments, **keywords)

        return wrapper

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have all functions of the layers wrapped, wherever they are known."""
        undo: list[tuple[Any, str, Any]] = []
        try:
            for holder, function, title in list(_functions()):
                wrapped = self.wrap(title, function)
                holders = [holder] if inspect.isclass(holder) else _modules(function)
                for each in holders:
                    for alias in [key for key, value in vars(each).items() if value is function]:
                        undo.append((each, alias, function))
                        setattr(each, alias, wrapped)
            yield
        finally:
            for holder, name, function in undo:
                setattr(holder, name, function)


def _functions() -> Iterator[tuple[Any, FunctionType, str]]:
    """Give module or class, function and full name of each function and each method."""
    for info in pkgutil.walk_packages(socketio_sync.__path__, "socketio_sync."):
        module = importlib.import_module(info.name)
        short = info.name.removeprefix("socketio_sync.")
        if short.partition(".")[0] not in LAYERS:
            continue
        for name, value in list(vars(module).items()):
            if getattr(value, "__module__", "") != info.name:
                continue
            if isinstance(value, FunctionType) and not inspect.isgeneratorfunction(value):
                yield module, value, f"{short}.{name}"
            elif inspect.isclass(value):
                for method, function in list(vars(value).items()):
                    if isinstance(function, FunctionType) and not inspect.isgeneratorfunction(function):
                        yield value, function, f"{short}.{name}.{method}"


def _modules(function: Any) -> list[Any]:
    """Return the modules that know a function."""
    modules = [module for name, module in sys.modules.items() if name.startswith("socketio_sync")]
    return [module for module in modules if function in vars(module).values()]
