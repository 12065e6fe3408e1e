"""Fixtures: a real server, clients of it, and its log."""

from tests.support.logged import logged as logged
from tests.support.logged import reported as reported
from tests.support.server import serve as serve
from tests.support.sio_client import connect as connect
