"""Namespaces that are made when the first client asks for them.

Specification: wire.md 2.3; peers.md rows 88 to 92.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from socketio_sync.options import ServerOptions
from socketio_sync.server.dispatch import run_matcher
from socketio_sync.server.endpoint import Endpoint
from socketio_sync.server.handlers import check_callable
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.namespace import Namespace

if TYPE_CHECKING:
    from socketio_sync.engine.server import EngineServer

Matcher: TypeAlias = "re.Pattern[str] | Callable[[str, Any], Any]"


class ParentNamespace(Endpoint):
    """All namespaces whose name matches a rule. Made by ``io.of(pattern)`` or ``io.of(function)``.

    What is registered here goes to the children that exist, and to those that are made later; what is
    registered with a child doesn't go to its siblings. Emitting, fetching and so on mean all children.

    Attributes:
        children: The namespaces that were made so far and exist, by name.
        options: The server's.
        title: The pattern, or the name of the function.
    """

    __slots__ = ("_matches", "children", "engine", "hooks", "options", "title")

    def __init__(self, matcher: Matcher, engine: EngineServer, options: ServerOptions) -> None:
        """Make namespaces for the names that match.

        Args:
            matcher: A regular expression, which the whole name must match, or ``callable(name, auth) ->
                bool``.
            engine: The server's.
            options: The server's.

        Raises:
            TypeError: It is neither, or not a plain function.
        """
        if isinstance(matcher, re.Pattern):
            pattern = matcher
            self._matches: Callable[[str, Any], Any] = lambda name, auth: pattern.fullmatch(name)
            self.title = pattern.pattern
        elif callable(matcher):
            check_callable("a namespace's name", matcher)
            self._matches = matcher
            self.title = getattr(matcher, "__name__", repr(matcher))
        else:
            raise TypeError(f"a namespace is a name, a compiled pattern or a function, not {matcher!r}")
        self.engine = engine
        self.options = options
        self.hooks = Hooks()
        self.children: dict[str, Namespace] = {}

    def _hooks(self) -> Sequence[Hooks]:
        return (self.hooks, *(child.hooks for child in self.members()))

    def _on_outgoing(self) -> None:
        for child in self.members():
            child.watched = True

    # -- for the parts of the server ----------------------------------------------------------------

    def members(self) -> Sequence[Namespace]:
        """Return the children that exist now."""
        return tuple(self.children.values())

    def matches(self, name: str, auth: Any) -> bool:
        """Tell whether a namespace of this name is to be made; in a worker, as it may block."""
        return run_matcher(self._matches, name, auth)
