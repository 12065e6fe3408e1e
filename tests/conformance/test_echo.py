"""The WebSocket layer as a raw echo, against the independent client of the ``websockets`` library.

The cases are those of the sections of Autobahn's test suite, written out; ``make autobahn`` runs that
itself, where there is a Python 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from tests.conformance.cases import BAD, CLOSES, INVALID_TEXTS, VALID_TEXTS
from tests.security.arena import Program
from tests.support.ws_client import WebSocket, frame

MEBIBYTE = 2**20


@pytest.fixture(scope="module", params=["plain", "deflate"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    program = Program("tests.conformance.echo", request.param)
    yield int(program.line())
    program.process.kill()
    program.wait()


@pytest.fixture
def client(port: int) -> Iterator[ClientConnection]:
    """Connect, with compression where the server has it."""
    with connect(f"ws://127.0.0.1:{port}/", max_size=None, ping_interval=None) as made:
        yield made


def raw(port: int) -> WebSocket:
    return WebSocket(port, path="/")


# 1. Messages


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65_535, 65_536])
def test_texts_and_binary_messages_of_every_length_come_back(client: ClientConnection, length: int) -> None:
    for message in ("*" * length, b"\xfe" * length):
        client.send(message)
        assert client.recv(timeout=10) == message


def test_messages_come_back_in_order_however_they_are_cut(port: int) -> None:
    ws = raw(port)
    stream = b"".join(frame(1, b"%d" % number) for number in range(100))
    for start in range(0, len(stream), 3):
        ws.bytes.send(stream[start : start + 3])
    assert [ws.text() for _ in range(100)] == [str(number) for number in range(100)]


# 2. Pings


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(256))[:125], b"\x00" * 125])
def test_a_ping_is_answered_with_its_payload(client: ClientConnection, payload: bytes) -> None:
    assert client.ping(payload).wait(10)


def test_pongs_that_nobody_asked_for_are_ignored(client: ClientConnection) -> None:
    client.pong(b"unsolicited")
    client.send("on")
    assert client.recv(timeout=10) == "on"


# 3., 4. Reserved bits and opcodes; 2., 5. control frames and fragments that aren't allowed


@pytest.mark.parametrize(("sent", "code"), BAD.values(), ids=BAD)
def test_a_violation_fails_with_its_code_and_what_came_before_is_answered(
    port: int, sent: bytes, code: int
) -> None:
    ws = raw(port)
    ws.bytes.send(frame(1, b"before") + sent + frame(1, b"behind"))
    assert ws.text() == "before"
    assert ws.closed() == code


# 5. Fragments


@pytest.mark.parametrize(
    "pieces", [["frag", "ment"], ["", "", ""], ["a"] * 1_000, ["é", "", "€", "\U0001f4a9"]]
)
def test_fragments_are_one_message_with_pings_between_them(port: int, pieces: list[str]) -> None:
    ws = raw(port)
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        ws.bytes.send(frame(1 if number == 0 else 0, piece.encode(), fin=last))
        if number < 5 and not last:
            ws.bytes.send(frame(9, b"between"))
            assert ws.frame() == (10, b"between")
    assert ws.text() == "".join(pieces)


def test_the_client_s_own_fragments_come_back(client: ClientConnection) -> None:
    client.send(iter(["one ", "two ", "three"]))
    assert client.recv(timeout=10) == "one two three"
    client.send(iter([b"\x00" * 1000] * 50))
    assert client.recv(timeout=10) == b"\x00" * 50_000


# 6. UTF-8


@pytest.mark.parametrize("text", VALID_TEXTS)
def test_valid_utf8_comes_back_even_where_fragments_cut_characters(port: int, text: str) -> None:
    ws = raw(port)
    data = text.encode("utf-8", "surrogatepass")
    ws.bytes.send(frame(1, data))
    assert ws.text() == text
    for index in range(len(data)):
        ws.bytes.send(frame(1 if index == 0 else 0, data[index : index + 1], fin=index == len(data) - 1))
    if data:
        assert ws.text() == text


@pytest.mark.parametrize("data", INVALID_TEXTS)
@pytest.mark.parametrize("cut", [False, True])
def test_invalid_utf8_fails_with_1007(port: int, data: bytes, cut: bool) -> None:
    ws = raw(port)
    if cut:
        ws.bytes.send(frame(1, data[:1], fin=False) + frame(0, data[1:]))
    else:
        ws.bytes.send(frame(1, data))
    assert ws.closed() == 1007


# 7. Closing


@pytest.mark.parametrize(("payload", "code"), CLOSES)
def test_a_close_is_answered_with_its_code_or_refused(port: int, payload: bytes, code: int | None) -> None:
    ws = raw(port)
    ws.bytes.send(frame(8, payload) + frame(1, b"behind"))
    assert ws.closed() == code
    assert ws.bytes.at_end()


def test_the_client_s_close_is_clean(client: ClientConnection) -> None:
    client.close(4321, "bye")
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4321


# 9. Limits


@pytest.mark.parametrize("size", [MEBIBYTE, 16 * MEBIBYTE])
def test_large_messages_come_back(client: ClientConnection, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    client.send(data)
    assert client.recv(timeout=60) == data


def test_a_message_in_65536_fragments_comes_back(port: int) -> None:
    ws = raw(port)
    count = 65_536
    ws.bytes.send(
        frame(2, b"x" * 64, fin=False) + frame(0, b"x" * 64, fin=False) * (count - 2) + frame(0, b"x" * 64)
    )
    assert ws.receive() == b"x" * 64 * count


def test_a_message_beyond_16_mib_fails_with_1009(port: int) -> None:
    ws = raw(port)
    ws.bytes.send(b"\x82\xff" + struct.pack("!Q", 16 * MEBIBYTE + 1))
    assert ws.closed() == 1009


# 12., 13. Compression


@pytest.mark.parametrize("bits", [9, 12, 15, None])
@pytest.mark.parametrize("takeover", [False, True])
def test_every_agreement_on_compression_carries_messages_of_every_length(
    port: int, bits: int | None, takeover: bool
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=takeover,
        client_no_context_takeover=takeover,
        server_max_window_bits=bits,
        client_max_window_bits=bits if bits is not None else True,
    )
    url = f"ws://127.0.0.1:{port}/"
    with connect(url, extensions=[factory], compression=None, max_size=None, ping_interval=None) as client:
        for length in (0, 1, 16, 64, 256, 1024, 8192, 65_536, 131_072):
            for message in ("0123456789" * (length // 10 + 1), bytes(range(256)) * (length // 256 + 1)):
                client.send(message)
                assert client.recv(timeout=20) == message


def test_compressed_fragments_with_reserved_bits_behind_the_first_fail(port: int) -> None:
    ws = raw(port)
    ws.bytes.send(frame(1, b"a", fin=False) + bytes([0xC0 | Opcode.CONT, 0x80, 0, 0, 0, 0]))
    assert ws.closed() == 1002
