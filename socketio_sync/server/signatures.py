"""What the signature of a handler says of the arguments of its event, and of its acknowledgement."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

import msgspec

# Annotations that allow everything.
_ANYTHING = (inspect.Parameter.empty, Any, object)


class Argument(NamedTuple):
    """One argument of an event, as its handler takes it.

    Attributes:
        name: The parameter's.
        type: What it is annotated with; Any where that is nothing.
        required: Whether it must come.
        repeated: Whether any number may come.
    """

    name: str
    type: Any
    required: bool
    repeated: bool


def arguments_of(handler: Callable[..., Any], event: str, leading: int) -> list[Argument] | None:
    """Return the arguments that a handler takes from a client; None if it has no signature.

    Args:
        handler: Of the application.
        event: The event's name, for the texts of errors.
        leading: How many arguments in front, the socket for example, aren't from the client.

    Raises:
        TypeError: An annotation can't be resolved, or a parameter is there that nothing can be passed to.
    """
    try:
        parameters = [*inspect.signature(handler).parameters.values()]
    except (TypeError, ValueError):
        return None
    arguments = []
    for parameter in parameters:
        repeated = parameter.kind is parameter.VAR_POSITIONAL
        required = parameter.default is parameter.empty and not repeated
        if parameter.kind is parameter.KEYWORD_ONLY and required:
            raise TypeError(f"the handler of {event!r}: nobody can pass anything to {parameter.name!r}")
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        if leading and not repeated:
            leading -= 1
            continue
        try:
            # One that takes what leads as well can't be annotated with the type of the rest.
            type_ = Any if leading else _resolved(handler, parameter.annotation)
        except Exception as error:
            raise TypeError(
                f"the handler of {event!r}: the annotation {parameter.annotation!r} of {parameter.name!r} "
                f"can't be resolved ({error}); import it where the module runs, or leave it out"
            ) from None
        arguments.append(Argument(parameter.name, type_, required, repeated))
    return arguments


def answer_of(handler: Callable[..., Any]) -> Any:
    """Return the type of a handler's acknowledgement; Any where nothing says it, or it can't be resolved."""
    try:
        return _resolved(handler, inspect.signature(handler).return_annotation)
    except Exception:
        return Any


def _resolved(handler: Callable[..., Any], annotation: Any) -> Any:
    """Return the type that an annotation means; each by itself, as the socket's never matters."""
    if isinstance(annotation, str):
        function = function_of(handler)
        names = dict(getattr(function, "__globals__", {}))
        if inspect.isfunction(function):
            names.update(_closed_over(function))
        annotation = eval(annotation, names)
    if annotation in _ANYTHING:
        return Any
    # In the arguments of a call None stands for its type.
    return type(None) if annotation is None else annotation


def _closed_over(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of the functions around one, those that are assigned by now."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # An empty cell raises: not every handler is defined behind all that it refers to.
        with contextlib.suppress(ValueError):
            yield name, cell.cell_contents


def function_of(handler: Any) -> Any:
    """Return the function whose signature a handler has: a method's, a callable object's, a partial one's."""
    handler = inspect.unwrap(handler)
    if isinstance(handler, partial):
        return function_of(handler.func)
    if not inspect.isroutine(handler):
        return function_of(type(handler).__call__)
    return getattr(handler, "__func__", handler)


def checked(type_: Any) -> tuple[Any, str | None]:
    """Return a type and None; or Any and the reason, where data can't be checked against the type."""
    if type_ is Any:
        return Any, None
    try:
        foreign = _foreign(msgspec.inspect.type_info(type_), set())
    except TypeError as error:
        return Any, str(error)
    if foreign is not None:
        return Any, f"nothing that a client sends becomes a {foreign!r}"
    return type_, None


def _foreign(info: Any, seen: set[int]) -> Any:
    """Return a type within ``info`` that msgspec doesn't know; None if there is none."""
    if isinstance(info, msgspec.inspect.CustomType):
        return info.cls
    if isinstance(info, msgspec.inspect.Type | msgspec.inspect.Field) and id(info) not in seen:
        seen.add(id(info))
        info = [getattr(info, name) for name in info.__struct_fields__]
    if not isinstance(info, list | tuple):
        return None
    return next((found for each in info if (found := _foreign(each, seen)) is not None), None)
