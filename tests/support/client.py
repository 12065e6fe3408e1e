"""HTTP by hand: a keep-alive connection that sends just what it is given, and a poller on two of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from gevent import socket

DEADLINE = 5.0
SEPARATOR = "\x1e"

Headers = Iterable[tuple[str, str]]

# Every connection of the test that runs, so that none outlives it.
_open: list[Bytes] = []


def close_all() -> None:
    """Close what the test has left open."""
    for connection in _open:
        connection.close()
    _open.clear()


class Response(NamedTuple):
    """One answer. Names of headers are in lower case; ``content`` is the body, chunks put together."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    def header(self, name: str) -> str | None:
        """Return the one header of this name, None without it."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} more than once: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def packets(self) -> list[str]:
        """The packets of a payload of revision 4."""
        assert self.status == 200, self
        return self.text.split(SEPARATOR)

    @property
    def error(self) -> tuple[int, int, str]:
        """Status, code and message of a refusal."""
        body = json.loads(self.content)
        assert list(body) == ["code", "message"]
        return self.status, body["code"], body["message"]


class Bytes:
    """A TCP connection to the server; every wait has a deadline."""

    def __init__(self, port: int, *, deadline: float = DEADLINE) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=deadline)
        self.buffered = b""
        _open.append(self)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _more(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError(f"the server closed after {self.buffered[:200]!r}")
        self.buffered += piece

    def exactly(self, count: int) -> bytes:
        while len(self.buffered) < count:
            self._more()
        taken, self.buffered = self.buffered[:count], self.buffered[count:]
        return taken

    def until(self, end: bytes) -> bytes:
        while end not in self.buffered:
            self._more()
        taken, _, self.buffered = self.buffered.partition(end)
        return taken

    def is_silent(self, seconds: float) -> bool:
        """Tell whether nothing comes, the end included, for this long."""
        if self.buffered:
            return False
        deadline = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return True
        except EOFError:
            return False
        finally:
            self.sock.settimeout(deadline)
        return False

    def at_end(self) -> bool:
        """Wait for the server to close; tell whether it did so without another byte."""
        try:
            return not self.buffered and not self.sock.recv(1)
        except ConnectionResetError:
            return not self.buffered

    def close(self) -> None:
        self.sock.close()


class Connection(Bytes):
    """A keep-alive HTTP/1.1 connection."""

    def begin(self, method: str, target: str, *, headers: Headers = (), body: bytes | None = None) -> None:
        """Send a request; ``finish`` waits for its answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def finish(self, *, head_only: bool = False) -> Response:
        """Wait for the answer to the request sent first; ``head_only`` if its method was HEAD."""
        status_line, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1", status_line
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        response = Response(int(status), headers, b"")
        if head_only or response.status in (101, 204, 304):
            return response
        if response.header("transfer-encoding") == "chunked":
            return response._replace(content=self._chunks())
        return response._replace(content=self.exactly(int(response.header("content-length") or 0)))

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.until(b"\r\n"), 16):
            pieces.append(self.exactly(size))
            self.until(b"\r\n")
        self.until(b"\r\n")
        return b"".join(pieces)

    def request(
        self, method: str, target: str, *, headers: Headers = (), body: bytes | None = None
    ) -> Response:
        self.begin(method, target, headers=headers, body=body)
        return self.finish(head_only=method == "HEAD")

    def get(self, target: str, *, headers: Headers = ()) -> Response:
        return self.request("GET", target, headers=headers)


class Poller:
    """A polling client: GETs on one connection, POSTs on another.

    Attributes:
        target: The path and query of its requests, with the session id once there is one.
        opened: What the OPEN packet said.
    """

    def __init__(
        self, port: int, *, eio: int = 4, query: str = "", path: str = "/socket.io/", headers: Headers = ()
    ) -> None:
        self.port = port
        self.eio = eio
        self.headers = [*headers]
        self.target = f"{path}?EIO={eio}&transport=polling{query}"
        self.gets = Connection(port)
        self.posts = Connection(port)
        self.opened: dict[str, Any] = {}

    @property
    def sid(self) -> str:
        sid = self.opened["sid"]
        assert isinstance(sid, str)
        return sid

    def open(self) -> Poller:
        """Do the handshake."""
        packet = self.packets(self.gets.get(self.target, headers=self.headers))[0]
        assert packet[:1] == "0", packet
        self.opened = json.loads(packet[1:])
        self.target += f"&sid={self.sid}"
        return self

    def join(self, namespace: str = "/") -> str:
        """Join a namespace; return the socket's id."""
        self.say("40" if namespace == "/" else f"40{namespace},")
        (reply,) = self.poll()
        head = "40" if namespace == "/" else f"40{namespace},"
        assert reply.startswith(head), reply
        sid = json.loads(reply.removeprefix(head))["sid"]
        assert isinstance(sid, str)
        return sid

    def packets(self, response: Response) -> list[str]:
        """Take a payload apart."""
        return response.packets if self.eio == 4 else packets_of_revision_3(response.text)

    def get(self) -> Response:
        return self.gets.get(self.target)

    def poll(self) -> list[str]:
        """Wait for the next packets."""
        return self.packets(self.get())

    def hold(self) -> None:
        """Send a GET, which the server holds while it has nothing to say; ``held`` takes the answer."""
        self.gets.begin("GET", self.target)

    def held(self) -> list[str]:
        """Wait for the answer to the GET of ``hold``."""
        return self.packets(self.gets.finish())

    def post(self, body: bytes, *, headers: Headers = (("Content-Type", "text/plain"),)) -> Response:
        return self.posts.request("POST", self.target, headers=headers, body=body)

    def say(self, *packets: str) -> None:
        """Send packets that the server must accept."""
        if self.eio == 4:
            body = SEPARATOR.join(packets)
        else:
            body = "".join(f"{len(packet)}:{packet}" for packet in packets)
        answer = self.post(body.encode())
        assert (answer.status, answer.content) == (200, b"ok"), answer

    def is_forgotten(self) -> bool:
        """Tell whether the server doesn't know the session any more."""
        answer = Connection(self.port).get(self.target)
        return answer.status == 400 and answer.error[1] == 1

    def close(self) -> None:
        self.gets.close()
        self.posts.close()


def packets_of_revision_3(text: str) -> list[str]:
    """Take a text payload of revision 3 apart; none of its characters may need a surrogate pair."""
    packets = []
    while text:
        length, _, text = text.partition(":")
        packets.append(text[: int(length)])
        text = text[int(length) :]
    return packets
