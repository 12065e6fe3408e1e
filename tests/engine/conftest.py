"""Fixtures: an Engine.IO server, a Socket.IO server, clients, and the log."""

from tests.support.engine_server import mount as mount
from tests.support.logged import logged as logged
from tests.support.server import serve as serve
from tests.support.sio_client import connect as connect
