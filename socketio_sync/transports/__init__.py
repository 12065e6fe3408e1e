"""Packets over one connection: long-polling, WebSocket, and how a socket is taken over from its host."""
