"""The fixtures of the tests that speak to a real server over the wire."""

from tests.support.server import serve

__all__ = ["serve"]
