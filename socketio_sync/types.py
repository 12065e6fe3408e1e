"""Names for the shapes that several layers speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

Environ: TypeAlias = dict[str, Any]
"""A WSGI environment."""

StartResponse: TypeAlias = Callable[..., Any]
"""WSGI's ``start_response(status, headers, exc_info=None)``."""

WSGICallable: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
"""A WSGI application."""

Middleware: TypeAlias = Callable[[WSGICallable], WSGICallable]
"""What makes a WSGI application out of the one behind it, such as a class of Werkzeug's."""

F = TypeVar("F", bound=Callable[..., Any])
"""A function of the application, which a decorator returns as it is."""

Headers: TypeAlias = list[tuple[str, str]]
"""Response headers, in order."""
