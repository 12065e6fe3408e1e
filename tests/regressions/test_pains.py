"""What users of other servers suffer from: those cases whose cause lies at the connection, T2, T6 and T14."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.interop.hosts import HOSTS, HostServer
from tests.support.client import Poller, close_all
from tests.support.server import Servers, eventually
from tests.support.transport_handler import seeded
from tests.support.ws_client import BINARY, CLOSE, MASK, TEXT, WebSocket

ROOT = Path(__file__).parent.parent.parent
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def no_client_outlives_its_test() -> Iterator[None]:
    yield
    close_all()


# -- T2: corrupted streams ------------------------------------------------------------------------


@pytest.mark.parametrize("from_thread", [False, True])
def test_t2_2000_messages_to_a_client_that_pauses_are_byte_exact(serve: Servers, from_thread: bool) -> None:
    random = seeded()
    # More than the usual bound, at which such a client would be given up.
    site = serve(max_outbound_bytes=64 * MEGABYTE)
    ws = site.join_websocket()
    session = site.session(ws.sid)
    contents = [random.randbytes(5000).hex() for _ in range(2000)]

    def emit() -> None:
        for number, content in enumerate(contents):
            site.sockets[0].emit("piece", number, content)

    running: Any = gevent.get_hub().threadpool.spawn(emit) if from_thread else gevent.spawn(emit)
    running.get(timeout=10)
    # The client reads nothing until everything lies before it, more than any kernel takes.
    eventually(lambda: session.buffered_bytes > 10 * MEGABYTE)
    for number, content in enumerate(contents):
        assert ws.frame() == (TEXT, f'42["piece",{number},"{content}"]'.encode())
    assert session.buffered_bytes == 0
    assert ws.is_quiet()


@pytest.mark.parametrize("size", [1 * MEGABYTE, 8 * MEGABYTE])
def test_t2_one_long_message_is_byte_exact(serve: Servers, size: int) -> None:
    random = seeded()
    site = serve()
    ws = site.join_websocket()
    text, data = random.randbytes(size // 2).hex(), random.randbytes(size)
    site.sockets[0].emit("text", text)
    assert ws.frame() == (TEXT, f'42["text","{text}"]'.encode())
    site.sockets[0].emit("data", data)
    assert ws.frame() == (TEXT, b'451-["data",{"_placeholder":true,"num":0}]')
    assert ws.frame() == (BINARY, data)
    assert ws.is_quiet()


# -- T6: a message above the limit ----------------------------------------------------------------

SERVER = """
from gevent.pywsgi import WSGIServer
from socketio_sync import Server

io = Server()
io.on("length", lambda socket, text: len(text))
server = WSGIServer(("127.0.0.1", 0), io, log=None)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Run a server in a process of its own; return its port and its process id."""
    with subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
            assert process.poll() is None
        finally:
            process.kill()


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had at any time, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def announced(opcode: int, length: int) -> bytes:
    """The beginning of a masked frame of this length."""
    return bytes([0x80 | opcode, 0xFF]) + length.to_bytes(8, "big") + MASK


def test_t6_a_frame_above_the_limit_is_refused_at_its_header_and_costs_no_memory(
    server: tuple[int, int],
) -> None:
    port, pid = server
    bystander = WebSocket(port).open()
    bystander.join()
    ws = WebSocket(port).open()
    ws.join()
    before = peak_memory(pid)
    ws.bytes.send(announced(BINARY, 100 * MEGABYTE))
    # Not a byte of its content was sent.
    opcode, payload = ws.frame()
    assert (opcode, payload[:2], payload[2:]) == (CLOSE, (1009).to_bytes(2, "big"), b"message too big")
    # A client that sends on regardless isn't kept from it by a reset, which could cost it the reason.
    piece = bytes(MEGABYTE)
    for _ in range(100):
        ws.bytes.send(piece)
    assert peak_memory(pid) - before < 4 * MEGABYTE
    bystander.send('420["length","still served"]')
    assert bystander.receive() == "430[12]"
    assert ws.bytes.at_end()


def test_t6_the_limit_is_exact(server: tuple[int, int]) -> None:
    port, _ = server
    ws = WebSocket(port).open()
    ws.join()
    longest = MEGABYTE - len('420["length",""]')
    ws.send(f'420["length","{"x" * longest}"]')
    assert ws.receive() == f"430[{longest}]"
    ws.send(f'420["length","{"x" * (longest + 1)}"]')
    assert ws.closed() == 1009


# -- T14: the upgrade, with gevent-websocket's handler or without -----------------------------------


@pytest.mark.parametrize("name", ["pywsgi", "gevent-websocket", "gunicorn-gevent", "gunicorn-websocket"])
def test_t14_upgrades_work_on_every_host(tmp_path: Path, name: str) -> None:
    host = HostServer(HOSTS[name], tmp_path / "log")
    host.start()
    try:
        # Names a room for the application's report of the disconnect.
        query = "&watch=nobody&label=t14"
        poller = Poller(host.port, query=query).open()
        assert "websocket" in poller.opened["upgrades"]
        poller.say("40")
        connected, welcome = poller.poll()
        assert connected.startswith("40{")
        assert welcome.startswith('42["welcome",')
        ws = WebSocket(host.port, f"EIO=4&transport=websocket&sid={poller.sid}{query}")
        ws.send("2probe")
        assert ws.receive() == "3probe"
        poller.hold()
        assert poller.held() == ["6"]
        ws.send("5", '420["echo","upgraded"]')
        assert ws.receive() == '430["upgraded"]'
        direct = WebSocket(host.port, f"EIO=4&transport=websocket{query}").open()
        direct.join()
        direct.receive()
        direct.send('421["echo","direct"]')
        assert direct.receive() == '431["direct"]'
        for one in (ws, direct):
            one.bytes.send(b"\x88\x80" + MASK)
            # A close frame in answer, and not a byte of the host's behind it.
            assert one.frame() == (CLOSE, b"")
            assert one.bytes.at_end()
    finally:
        host.kill()
    assert "Traceback" not in host.log()
    assert "Error" not in host.log()
