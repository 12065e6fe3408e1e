"""Handlers as the methods of a class."""

from __future__ import annotations

import re
from typing import Any

import pytest

from socketio_sync import NamespaceHandlers, Server, Socket, handles
from tests.support.server import Servers
from tests.support.sio_client import Connect


class Chat(NamespaceHandlers):
    """Notes what it is told."""

    def __init__(self, namespace: Any = "/") -> None:
        super().__init__(namespace)
        self.seen: list[Any] = []

    def on_connection(self, socket: Socket) -> None:
        self.seen.append("connection")

    def on_disconnect(self, socket: Socket, reason: str) -> None:
        self.seen.append(reason)

    def on_typing(self, socket: Socket, name: str) -> str:
        return f"{name} types"

    @handles("chat message", "shout")
    def message(self, socket: Socket, text: str) -> str:
        return text.upper()

    def on_(self, socket: Socket) -> str:
        return "nameless"

    def helper(self, socket: Socket) -> str:
        return "not for clients"

    @property
    def on_property(self) -> Any:
        raise AssertionError("a property was asked for")


@pytest.mark.feature(65)
@pytest.mark.parametrize("where", ["/chat", re.compile("/ch.*")])
def test_methods_handle_the_events_they_are_named_after(serve: Servers, connect: Connect, where: Any) -> None:
    site = serve()
    chat = Chat(where)
    assert site.io.register(chat) is chat
    client = connect(site)
    client.join("/chat")
    assert client.call("typing", "ann", namespace="/chat") == ["ann types"]
    assert client.call("chat message", "hi", namespace="/chat") == ["HI"]
    assert client.call("shout", "hi", namespace="/chat") == ["HI"]
    client.disconnect("/chat")
    client.call("echo")
    assert chat.seen == ["connection", "client namespace disconnect"]


def test_no_client_reaches_another_method(serve: Servers) -> None:
    io = Server()
    io.register(Chat())
    assert sorted(io.of("/").handlers.names()) == ["chat message", "shout", "typing"]


def test_a_reserved_name_is_refused() -> None:
    class Wrong(NamespaceHandlers):
        def on_connect(self, socket: Socket) -> None: ...

    with pytest.raises(ValueError, match='called "connection"'):
        Server().register(Wrong())
