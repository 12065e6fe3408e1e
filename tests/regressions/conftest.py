"""The fixtures of the regression tests: a real server in the test's process."""

from tests.support.server import serve as serve
