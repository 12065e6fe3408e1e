"""Which handler an event has: one for each event and namespace, the last one counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from socketio_sync.server.handlers import Handler, check_callable, trimmed

if TYPE_CHECKING:
    from flask_socketio_sync.namespace import Namespace

ANY = "*"
# With how many arguments their handlers are called, which may take fewer.
LIFECYCLE = {"connect": 1, "disconnect": 1}


class Found(NamedTuple):
    """What handles an event.

    Attributes:
        call: Called with the event's arguments.
        owner: The object whose method it is; None for a function.
    """

    call: Callable[..., Any]
    owner: Namespace | None = None


class Registry:
    """What an application has registered.

    Attributes:
        on_error: What handles the errors of a namespace's handlers, by its name.
        on_error_default: The same for all other namespaces; None lets them be logged.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._functions: dict[tuple[str, str], Handler] = {}
        self._objects: dict[str, Namespace] = {}
        self.on_error: dict[str, Handler] = {}
        self.on_error_default: Handler | None = None

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that have handlers, ``"*"`` among them if that has any."""
        return list(dict.fromkeys([*(namespace for namespace, _ in self._functions), *self._objects]))

    def events(self, namespace: str) -> list[str]:
        """Return the names of a namespace's events, as far as functions handle them."""
        names = [event for name, event in self._functions if name == namespace]
        return [event for event in names if event != ANY and event not in LIFECYCLE]

    def add(self, namespace: str, event: str, handler: Handler) -> None:
        """Register a function.

        Raises:
            TypeError: It can't be called, or isn't a plain function.
        """
        check_callable(event, handler)
        if event in LIFECYCLE:
            handler = trimmed(handler, LIFECYCLE[event])
        self._functions[namespace, event] = handler

    def add_object(self, handlers: Namespace) -> None:
        """Register the methods of an object.

        Raises:
            TypeError: One isn't a plain function.
        """
        for name in dir(handlers):
            if name.startswith("on_") and callable(getattr(handlers, name)):
                check_callable(name, getattr(handlers, name))
        self._objects[handlers.namespace] = handlers

    def find(self, namespace: str, event: str) -> Found | None:
        """Return what handles an event; None if nothing does.

        An event of its own before any event, a namespace of its own before any, functions before objects.
        """
        functions = self._functions
        lifecycle = event in LIFECYCLE
        for name in (namespace, ANY):
            handler = functions.get((name, event))
            if handler is not None:
                return Found(handler)
            handler = None if lifecycle else functions.get((name, ANY))
            if handler is not None:
                return Found(partial(handler, event))
        for name in (namespace, ANY):
            handlers = self._objects.get(name)
            if handlers is not None and handlers.handles(event):
                return Found(partial(handlers.trigger_event, event), handlers)
        return None

    def error_handler(self, namespace: str, found: Found) -> Callable[[BaseException], Any] | None:
        """Return what handles the error of a handler; None if nothing does."""
        own = getattr(found.owner, "error", None)
        return own or self.on_error.get(namespace) or self.on_error_default
