"""Tests of applications: a client that speaks the real protocol to the real server, without a port."""

from __future__ import annotations

from socketio_sync.testing.channel import Channel, Received
from socketio_sync.testing.client import TestClient

__all__ = ["Channel", "Received", "TestClient"]
