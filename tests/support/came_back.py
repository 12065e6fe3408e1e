"""A client that comes back after its connection was cut."""

from __future__ import annotations

from typing import Any

from socketio_sync import Socket
from tests.support.server import Running, eventually
from tests.support.sio_client import Connect, SioClient


class Client:
    """Remembers what the official client remembers.

    Attributes:
        site: Where it connects.
        pid: Its secret.
        offset: The last one that it has seen.
        wire: Its connection.
        got: Name and arguments of each event, without the offsets.
        order: The types of the packets that came, without acknowledgements.
    """

    def __init__(self, site: Running, connect: Connect) -> None:
        self.site = site
        self._connect = connect
        self.pid = ""
        self.offset: Any = None
        self.wire: SioClient
        self.got: list[tuple[Any, ...]] = []
        self.order: list[int] = []
        self.arrive()

    def arrive(self, **changes: Any) -> Socket:
        """Connect, with what is remembered; return the server's socket."""
        auth = {"pid": self.pid} if self.pid else {}
        if self.offset is not None:
            auth["offset"] = self.offset
        self.wire = self._connect(self.site, join=False)
        replies: list[Any] = []
        original = self.wire._on_incoming

        def spy(packet: Any) -> None:
            if packet.type != 3:
                self.order.append(packet.type)
            if packet.type == 0:
                replies.append(packet.data)
            original(packet)

        self.wire._on_incoming = spy  # type: ignore[method-assign]
        count = len(self.site.sockets)
        self.wire.join(auth={**auth, **changes})
        self.pid = replies[0]["pid"]
        eventually(lambda: len(self.site.sockets) > count)
        self.read()
        return self.site.sockets[-1]

    def read(self) -> list[tuple[Any, ...]]:
        """Take what has come, without the offsets; return name and arguments of each."""
        self.wire.call("echo")
        got = []
        for _, name, arguments in self.wire.events:
            if arguments and isinstance(arguments[-1], str):
                self.offset = arguments[-1]
                arguments = arguments[:-1]
            got.append((name, *arguments))
        self.wire.events.clear()
        self.got += got
        return got

    def cut(self) -> None:
        """Lose the connection, and let the server notice."""
        count = len(self.site.reasons())
        self.wire.kill()
        eventually(lambda: len(self.site.reasons()) > count)
