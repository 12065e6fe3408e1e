"""Handlers whose parameters are annotated: what a client sends is validated and converted before they run.

The signature is looked at once, at registration. A handler without annotations that say anything is called
as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from socketio_sync.exceptions import PayloadError
from socketio_sync.server.signatures import Argument, arguments_of, checked

logger = logging.getLogger(__name__)

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
    arguments = arguments_of(handler, event, leading)
    if arguments is None:
        # Written in C, for example.
        return handler
    types = [_checkable(event, argument) for argument in arguments]
    if all(type_ is Any for type_ in types):
        return handler
    converter = _Converter(event, arguments, types)

    def call(*values: Any) -> Any:
        return handler(*values[:leading], *converter(values[leading:]))

    return call


def _checkable(event: str, argument: Argument) -> Any:
    """Return the type of an argument, or Any where data can't be checked against it, which is told."""
    type_, problem = checked(argument.type)
    if problem is not None:
        logger.warning("the handler of %r: what comes as %r isn't checked: %s", event, argument.name, problem)
    return type_


class _Converter:
    """Converts the arguments of one handler."""

    __slots__ = ("_event", "_least", "_names", "_rest", "_types")

    def __init__(self, event: str, arguments: Sequence[Argument], types: Sequence[Any]) -> None:
        self._event = event
        self._rest: Any = None
        anything = [*types]
        if arguments[-1].repeated:
            self._rest = list[anything.pop()]  # type: ignore[misc]
        self._names = [argument.name for argument in arguments]
        self._least = sum(argument.required for argument in arguments)
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
