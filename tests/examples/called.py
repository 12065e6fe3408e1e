"""Run examples/every_name/app.py, and print which documented methods and properties it hasn't called.

A program of its own, as it changes the classes.
"""

from __future__ import annotations

import functools
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import socketio_sync
from docs.pages.api import APPLICATIONS, REFERENCE

APP = Path(__file__).resolve().parent.parent.parent / "examples" / "every_name" / "app.py"

uncalled = set()


def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that tells when it is called."""
    uncalled.add(name)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        uncalled.discard(name)
        return function(*arguments, **options)

    return call


def watch(documented: type[Any]) -> None:
    """Watch what a class has itself."""
    for name, member in REFERENCE.public(documented):
        owner = next(each for each in documented.__mro__ if name in vars(each))
        told = f"{documented.__name__}.{name}"
        if isinstance(member, property):
            assert member.fget is not None
            made: Any = property(watched(told, member.fget), member.fset)
        elif isinstance(member, staticmethod):
            made = staticmethod(watched(told, member.__func__))
        else:
            made = watched(told, member)
        setattr(owner, name, made)


for each in APPLICATIONS:
    if isinstance(each, type):
        watch(each)
    else:
        setattr(socketio_sync, each.__name__, watched(each.__name__, each))
# Where Python looks for what the program imports, as in ``python app.py``.
sys.path.insert(0, str(APP.parent))
runpy.run_path(str(APP), run_name="__main__")
print(json.dumps(sorted(uncalled)))
