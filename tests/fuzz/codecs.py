"""Every decoder by itself: whatever it is fed, it returns or raises its own error, however it is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from socketio_sync.exceptions import HandshakeRefused, PacketError
from socketio_sync.http_body import ChunkedDecoder
from socketio_sync.http_head import HeadParser, RequestLimits, RequestRefused
from socketio_sync.protocol.engineio.handshake import check_handshake, check_revision, read_request
from socketio_sync.protocol.engineio.payload import iter_payload, jsonp_body
from socketio_sync.protocol.socketio.codec import Codec
from socketio_sync.protocol.socketio.json_codec import JSONCodec
from socketio_sync.protocol.socketio.msgpack_codec import MsgpackCodec
from socketio_sync.protocol.socketio.packet import ACK, EVENT
from socketio_sync.protocol.websocket.events import Failed
from socketio_sync.protocol.websocket.reader import FrameReader
from tests.fuzz import corpus
from tests.fuzz.mutations import pieces

# Tells whether the input was accepted.
Run = Callable[[bytes, Random], bool]

MAX_MESSAGE = 100_000
LIMITS = RequestLimits()
JSON, MSGPACK = JSONCodec(), MsgpackCodec()


def payload(revision: int, binary: bool) -> Run:
    """Return a harness of polling payloads."""

    def run(data: bytes, random: Random) -> bool:
        try:
            packets = list(iter_payload(data, revision=revision, binary=binary, max_packets=100))
        except PacketError:
            return False
        assert len(packets) <= 100
        assert all(0 <= packet.type <= 6 for packet in packets)
        return True

    return run


def frames(data: bytes, random: Random) -> bool:
    """Frames come to the same events as a whole and in pieces; nothing behind the last one counts."""
    whole = FrameReader(max_message=MAX_MESSAGE, max_fragments=20).feed(data)
    reader = FrameReader(max_message=MAX_MESSAGE, max_fragments=20)
    cut = [event for piece in pieces(data, random) for event in reader.feed(piece)]
    assert cut == whole
    assert reader.buffered <= len(data)
    return not any(isinstance(event, Failed) for event in whole)


def packets(codec: Codec) -> Run:
    """Return a harness of Socket.IO packets: what was decoded is encoded and decoded to the same."""

    def run(data: bytes, random: Random) -> bool:
        decoder = codec.decoder({"/", "/chat"})
        try:
            packet = decoder.feed(data if codec is MSGPACK else data.decode("utf-8", "replace"))
            for attachment in (b"first", b"second", b"third"):
                if packet is None:
                    packet = decoder.feed(attachment)
        except PacketError:
            return False
        if packet is None or packet.type not in (EVENT, ACK):
            return packet is not None
        text, attachments = codec.encode(packet)
        again = codec.decoder({"/", "/chat"})
        results = [again.feed(text.decode())] if text is not None else []
        results += [again.feed(attachment) for attachment in attachments]
        assert repr(results[-1]) == repr(packet)
        return True

    return run


def head(data: bytes, random: Random) -> bool:
    """A request head is read the same as a whole and in pieces, or refused both times."""

    def parse(parts: Sequence[bytes]) -> Any:
        environ: dict[str, Any] = {}
        parser = HeadParser(LIMITS, environ)
        try:
            for part in parts:
                if part and parser.feed(part) is not None:
                    return parser.finish(), environ
        except RequestRefused:
            return "refused"
        return None

    whole, cut = parse([data]), parse(pieces(data, random))
    assert whole == cut
    return whole != "refused"


def chunks(data: bytes, random: Random) -> bool:
    """A body in chunks is the same as a whole and in pieces, or refused both times."""

    def decode(parts: Sequence[bytes]) -> Any:
        decoder = ChunkedDecoder()
        body = b""
        try:
            for number, part in enumerate(parts):
                body += decoder.feed(part)
                if decoder.done:
                    return body, decoder.rest + b"".join(parts[number + 1 :])
        except RequestRefused:
            return "refused"
        return body

    whole = decode([data])
    assert whole == decode(pieces(data, random))
    return bool(whole != "refused")


def query(data: bytes, random: Random) -> bool:
    """A query string is a request, or refused by a code of the protocol."""
    try:
        request = read_request(data.decode("latin-1"), ("polling", "websocket"))
        check_handshake(request, method="GET", is_upgrade=random.random() < 0.5)
        assert check_revision(request, allow_eio3=True) in (3, 4)
    except HandshakeRefused:
        return False
    return True


def jsonp(data: bytes, random: Random) -> bool:
    """A form holds a payload of revision 3, its only one with JSONP."""
    return payload(3, False)(jsonp_body(b"d=" + data), random)


class Harness(NamedTuple):
    """A decoder under test and what its input is made from."""

    run: Run
    corpus: Sequence[bytes]


HARNESSES = {
    "payload 4": Harness(payload(4, False), corpus.PAYLOAD_4),
    "payload 3 text": Harness(payload(3, False), corpus.PAYLOAD_3),
    "payload 3 binary": Harness(payload(3, True), corpus.PAYLOAD_3_BINARY),
    "frames": Harness(frames, corpus.FRAMES),
    "json": Harness(packets(JSON), corpus.SOCKETIO),
    "msgpack": Harness(packets(MSGPACK), corpus.MSGPACK),
    "head": Harness(head, corpus.HEAD),
    "chunks": Harness(chunks, corpus.CHUNKS),
    "query": Harness(query, corpus.QUERY),
    "jsonp": Harness(jsonp, corpus.PAYLOAD_3),
}
