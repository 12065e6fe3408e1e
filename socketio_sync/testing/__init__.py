"""Tests of applications: a client that speaks the real protocol to the real server, without a port."""

from __future__ import annotations

from socketio_sync.testing.channel import Channel, Received
from socketio_sync.testing.client import TestClient
from socketio_sync.testing.factory import ClientFactory
from socketio_sync.testing.ports import ServerFactory

__all__ = ["Channel", "ClientFactory", "Received", "ServerFactory", "TestClient"]
