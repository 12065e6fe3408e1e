"""WebSockets that compress, over a real server."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest

from socketio_sync import Server
from socketio_sync.options import DeflateOptions
from socketio_sync.protocol.engineio.packet import Batch, Message
from socketio_sync.transports.framing import deflating, frame_v3, frame_v3_base64, frame_v4
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import BINARY, TEXT, UPGRADE_HEADERS, WebSocket, ask, frame

OFFER = (("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),)
ACCEPTED = (("Accept-Encoding", "gzip"),)
RSV1 = 0x40
LONG = "text " * 400


class Compressing(WebSocket):
    """A client that has agreed on compression; tells of each frame whether it was compressed."""

    def __init__(self, port: int, query: str = "EIO=4&transport=websocket") -> None:
        super().__init__(port, query, headers=OFFER)
        self.compressed: list[bool] = []

    def frame(self) -> tuple[int, bytes]:
        head = self.bytes.exactly(1)[0]
        self.compressed.append(bool(head & RSV1))
        self.bytes.buffered = bytes((head & ~RSV1,)) + self.bytes.buffered
        opcode, payload = super().frame()
        if self.compressed[-1]:
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        return opcode, payload

    def send_compressed(self, opcode: int, data: bytes) -> None:
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        payload = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        self.bytes.send(frame(opcode | RSV1, payload[:-4]))

    def next(self) -> tuple[str | bytes, bool]:
        """Return the next message, and whether it was compressed."""
        message = self.receive()
        return message, self.compressed[-1]


def join(site: Running) -> Compressing:
    client = Compressing(site.port)
    client.open()
    client.join()
    return client


def test_compression_is_off_unless_both_want_it(serve: Servers) -> None:
    def agreed(site: Running, headers: Any) -> str | None:
        client = WebSocket(site.port, headers=headers)
        client.close()
        return client.answer.header("sec-websocket-extensions")

    off, on = serve(), serve(per_message_deflate=True)
    assert agreed(off, OFFER) is None
    assert agreed(on, ()) is None
    assert agreed(on, [("Sec-WebSocket-Extensions", "permessage-deflate; nonsense")]) is None
    answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert agreed(on, OFFER) == answer


@pytest.mark.feature(133)
@pytest.mark.parametrize(("size", "compressed"), [(1023, False), (1024, True)])
def test_the_threshold_is_the_shortest_message_that_is_compressed(
    serve: Servers, size: int, compressed: bool
) -> None:
    site = serve(per_message_deflate=True)
    client = join(site)
    text = "x" * (size - len('2["t",""]'))
    site.sockets[0].emit("t", text)
    site.io.emit("t", text)
    for _ in range(2):
        assert client.next() == (f'42["t","{text}"]', compressed)
    client.close()


@pytest.mark.feature(56)
def test_an_event_may_ask_not_to_be_compressed(serve: Servers) -> None:
    site = serve(per_message_deflate=True)
    client = join(site)
    socket = site.sockets[0]
    for chain in (socket, site.io):
        chain.compress(False).emit("t", LONG)
        chain.emit("t", LONG)
        chain.compress(False).compress().emit("t", LONG)
        assert [client.next()[1] for _ in range(3)] == [False, True, True]
    socket.conn.send(LONG, compress=False)
    socket.conn.send(LONG)
    assert [client.next() for _ in range(2)] == [(f"4{LONG}", False), (f"4{LONG}", True)]
    client.close()


def test_binary_events_and_acknowledgements_are_compressed_in_both_directions(serve: Servers) -> None:
    site = serve(per_message_deflate=True)
    client = join(site)
    blob = b"binary" * 500
    client.send_compressed(TEXT, b'451-7["echo",{"_placeholder":true,"num":0}]')
    client.send_compressed(BINARY, blob)
    assert client.next() == ('461-7[{"_placeholder":true,"num":0}]', False)
    assert client.next() == (blob, True)
    client.send_compressed(TEXT, f'428["echo","{LONG}"]'.encode())
    assert client.next() == (f'438["{LONG}"]', True)
    client.close()


def test_a_broadcast_is_compressed_once_for_all(serve: Servers) -> None:
    options = DeflateOptions()
    encoder = deflating(frame_v4, 15, options)
    assert deflating(frame_v4, 15, DeflateOptions()) is encoder
    batch = Batch((Message(LONG.encode(), False),), (Message(LONG.encode(), False, compress=False),))
    rendering = batch.rendered(encoder)
    assert batch.rendered(encoder) is rendering
    assert rendering[0] == 0x80 | RSV1 | TEXT
    assert rendering.endswith(frame_v4(LONG.encode(), False))
    site = serve(per_message_deflate=True)
    clients = [join(site) for _ in range(3)]
    plain = site.websocket()
    plain.join()
    site.io.emit("t", LONG)
    for client in clients:
        assert client.next() == (f'42["t","{LONG}"]', True)
    assert plain.receive() == f'42["t","{LONG}"]'
    for socket in (*clients, plain):
        socket.close()


@pytest.mark.parametrize(
    ("plain", "binary", "opcode", "content"),
    [
        (frame_v4, False, TEXT, b"4" + b"x" * 2000),
        (frame_v3, False, TEXT, b"4" + b"x" * 2000),
        (frame_v4, True, BINARY, b"x" * 2000),
        (frame_v3, True, BINARY, b"\x04" + b"x" * 2000),
        (frame_v3_base64, True, TEXT, b"b4" + b"eHh4" * 666 + b"eHg="),
    ],
)
def test_every_kind_of_client_gets_its_own_form(
    plain: Any, binary: bool, opcode: int, content: bytes
) -> None:
    wire = deflating(plain, 15, DeflateOptions())(b"x" * 2000, binary)
    assert wire[0] == 0x80 | RSV1 | opcode
    assert wire[1] == len(wire) - 2
    assert zlib.decompressobj(-15).decompress(wire[2:] + b"\x00\x00\xff\xff") == content


def test_a_client_that_upgrades_compresses_from_then_on(serve: Servers) -> None:
    site = serve(per_message_deflate=True)
    poller = site.poller()
    poller.join()
    client = Compressing(site.port, f"EIO=4&transport=websocket&sid={poller.sid}")
    client.send("2probe")
    assert client.next() == ("3probe", False)
    client.send("5")
    eventually(lambda: site.session(poller.sid).transport.name == "websocket")
    site.io.emit("t", LONG)
    assert client.next() == (f'42["t","{LONG}"]', True)
    client.close()
    poller.close()


def test_a_poll_is_compressed_if_any_of_its_messages_wants_it(serve: Servers) -> None:
    site = serve()
    poller = site.poller()
    poller.join()
    socket = site.sockets[0]
    socket.compress(False).emit("t", LONG)
    answer = poller.gets.get(poller.target, headers=ACCEPTED)
    assert answer.header("content-encoding") is None
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.text == f'42["t","{LONG}"]'
    socket.compress(False).emit("t", LONG)
    socket.emit("t", LONG)
    assert poller.gets.get(poller.target, headers=ACCEPTED).header("content-encoding") == "gzip"
    poller.close()


def memory(name: str) -> int:
    """Return a figure of this process's memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


def test_a_bomb_of_a_gigabyte_is_refused_with_memory_flat(serve: Servers) -> None:
    site = serve(per_message_deflate={"client_no_context_takeover": False})
    client, bystander = join(site), join(site)
    site.watch(site.sockets[0].conn.id)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush each megabyte of zeros is the same thousand bytes.
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    bomb = block * (1_000_000 // len(block))
    assert len(bomb) // len(block) > 900
    wire = frame(TEXT | RSV1, bomb)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmHWM")
    client.bytes.send(wire)
    assert client.closed() == 1009
    assert memory("VmHWM") - before < 16 * 2**20
    site.reached("disconnect", "/", "transport error")
    assert bystander.is_quiet()
    client.close()
    bystander.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 10},
        {"level": 0},
        {"mem_level": 0},
        {"server_max_window_bits": 8},
        {"client_max_window_bits": 7},
        {"client_max_window_bits": 16},
    ],
)
def test_values_that_cannot_work_are_refused_by_name(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Server(per_message_deflate=wrong)
    with pytest.raises(TypeError):
        Server(per_message_deflate={"unknown": 1})


def test_an_extension_that_is_no_header_is_declined(serve: Servers) -> None:
    site = serve(per_message_deflate=True)
    headers = [*UPGRADE_HEADERS, ("Sec-WebSocket-Extensions", "permessage-deflate;;=,\t")]
    connection, answer = ask(site.port, headers=headers)
    assert answer.status == 101
    assert answer.header("sec-websocket-extensions") is None
    connection.close()
