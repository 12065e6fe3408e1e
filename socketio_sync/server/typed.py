"""Handlers whose parameters are annotated: what a client sends is validated and converted before they run.

The signature is looked at once, at registration. A handler without annotations that say anything is called
as it is.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from socketio_sync.exceptions import PayloadError

logger = logging.getLogger(__name__)

# Annotations that allow everything.
_ANYTHING = (inspect.Parameter.empty, Any, object)
# What JSON doesn't know comes as it is.
_BUILTIN = (bytes,)


def typed(handler: Callable[..., Any], event: str, leading: int) -> Callable[..., Any]:
    """Return ``handler``, or one that converts its arguments to what it is annotated with, and then calls it.

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
        # Written in C, for example.
        return handler
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise TypeError(f"the handler of {event!r}: nobody can pass anything to {parameter.name!r}")
    payload = _payload(parameters, leading)
    types = [_checkable(event, each.name, _resolved(handler, event, each)) for each in payload]
    if all(type_ is Any for type_ in types):
        return handler
    converter = _Converter(event, payload, types)

    def call(*arguments: Any) -> Any:
        return handler(*arguments[:leading], *converter(arguments[leading:]))

    return call


def _payload(parameters: Sequence[inspect.Parameter], leading: int) -> list[inspect.Parameter]:
    """Return the parameters that are filled with what a client sends."""
    payload = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            if leading:
                leading -= 1
            else:
                payload.append(parameter)
        elif parameter.kind is parameter.VAR_POSITIONAL and not leading:
            payload.append(parameter)
    return payload


def _resolved(handler: Callable[..., Any], event: str, parameter: inspect.Parameter) -> Any:
    """Return the type that a parameter is annotated with; by itself, as the socket's never matters."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        function = inspect.unwrap(getattr(handler, "__func__", handler))
        names = dict(getattr(function, "__globals__", {}))
        if inspect.isfunction(function):
            names.update(inspect.getclosurevars(function).nonlocals)
        try:
            annotation = eval(annotation, names)
        except Exception as error:
            raise TypeError(
                f"the handler of {event!r}: the annotation {annotation!r} of {parameter.name!r} can't be "
                f"resolved ({error}); import it where the module runs, or leave it out"
            ) from None
    # In the arguments of a call None stands for its type.
    return type(None) if annotation is None else annotation


class _Converter:
    """Converts the arguments of one handler."""

    __slots__ = ("_event", "_least", "_names", "_rest", "_types")

    def __init__(self, event: str, payload: Sequence[inspect.Parameter], types: Sequence[Any]) -> None:
        self._event = event
        self._rest: Any = None
        anything = [*types]
        names = [parameter.name for parameter in payload]
        if payload[-1].kind is inspect.Parameter.VAR_POSITIONAL:
            self._rest = list[anything.pop()]  # type: ignore[misc]
        self._names = names
        required = [each for each in payload[: len(anything)] if each.default is each.empty]
        self._least = len(required)
        # By the number of arguments that came: the others have defaults.
        self._types = [tuple[tuple(anything[:count])] for count in range(len(anything) + 1)]  # type: ignore[misc]

    def __call__(self, arguments: Sequence[Any]) -> Sequence[Any]:
        most = len(self._types) - 1
        if len(arguments) < self._least:
            raise PayloadError(self._event, f"{self._names[len(arguments)]} is missing")
        if len(arguments) > most and self._rest is None:
            raise PayloadError(self._event, f"{len(arguments)} arguments, {most} are allowed")
        fixed = self._convert(arguments[:most], self._types[min(len(arguments), most)], 0)
        if self._rest is None or len(arguments) <= most:
            return fixed
        return (*fixed, *self._convert(arguments[most:], self._rest, most))

    def _convert(self, arguments: Sequence[Any], type_: Any, first: int) -> Sequence[Any]:
        try:
            converted: Sequence[Any] = msgspec.convert(arguments, type_, builtin_types=_BUILTIN)
        except msgspec.ValidationError as error:
            raise PayloadError(self._event, self._named(str(error), first)) from None
        return converted

    def _named(self, text: str, first: int) -> str:
        """Return msgspec's text with the name of the argument instead of its place."""
        head, mark, place = text.partition("`$[")
        number, _, rest = place.partition("]")
        if not mark or not number.isdecimal():
            return text
        name = self._names[min(first + int(number), len(self._names) - 1)]
        return f"{head}`{name}{rest}"


def _checkable(event: str, name: str, type_: Any) -> Any:
    """Return a type, or Any where data can't be checked against it, which is told."""
    if type_ in _ANYTHING:
        return Any
    try:
        foreign = _foreign(msgspec.inspect.type_info(type_), set())
    except TypeError as error:
        problem = str(error)
    else:
        if foreign is None:
            return type_
        problem = f"nothing that a client sends becomes a {foreign!r}"
    logger.warning("the handler of %r: what comes as %r isn't checked: %s", event, name, problem)
    return Any


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
