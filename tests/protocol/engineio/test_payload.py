"""Engine.IO payloads (engine.io-protocol, "HTTP long-polling"; version 3, "Payload")."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import PacketError
from socketio_sync.protocol.engineio.packet import CLOSE, MESSAGE, NOOP, OPEN, PING, PONG, Packet
from socketio_sync.protocol.engineio.payload import (
    control,
    iter_payload,
    join_v4,
    jsonp_body,
    jsonp_response,
    message_v3_binary,
    message_v3_text,
    message_v4,
)

FORMS = [(4, False), (3, False), (3, True)]
ENCODERS = {(4, False): message_v4, (3, False): message_v3_text, (3, True): message_v3_binary}


def decode(body: bytes, revision: int, *, binary: bool = False, max_packets: int = 100) -> list[Packet]:
    return list(iter_payload(body, revision=revision, binary=binary, max_packets=max_packets))


@pytest.mark.parametrize(
    ("revision", "binary", "body", "packets"),
    [
        (4, False, b"4hello", [Packet(MESSAGE, "hello")]),
        (
            4,
            False,
            b"4hello\x1e2\x1e4world",
            [Packet(MESSAGE, "hello"), Packet(PING), Packet(MESSAGE, "world")],
        ),
        (4, False, b"4a\x1ebAQID", [Packet(MESSAGE, "a"), Packet(MESSAGE, b"\x01\x02\x03")]),
        (4, False, b"6\x1e1", [Packet(NOOP), Packet(CLOSE)]),
        (3, False, b"6:4hello2:4\xe2\x82\xac", [Packet(MESSAGE, "hello"), Packet(MESSAGE, "€")]),
        (3, False, b"1:61:1", [Packet(NOOP), Packet(CLOSE)]),
        (3, False, b"2:40", [Packet(MESSAGE, "0")]),
        (3, False, b"6:b4AQID", [Packet(MESSAGE, b"\x01\x02\x03")]),
        (3, False, b"3:4\xf0\x9f\x98\x802:4x", [Packet(MESSAGE, "\U0001f600"), Packet(MESSAGE, "x")]),
        (3, False, b"0:1:2", [Packet(PING)]),
        (3, True, b"\x00\x02\xff4a", [Packet(MESSAGE, "a")]),
        (3, True, b"\x00\x04\xff4\xe2\x82\xac", [Packet(MESSAGE, "€")]),
        (3, True, b"\x01\x04\xff\x04\x01\x02\x03", [Packet(MESSAGE, b"\x01\x02\x03")]),
        (
            3,
            True,
            b"\x00\x01\x01\xff4abcdefghij\x01\x02\xff\x04\xff",
            [Packet(MESSAGE, "abcdefghij"), Packet(MESSAGE, b"\xff")],
        ),
    ],
)
def test_payloads_are_read(revision: int, binary: bool, body: bytes, packets: list[Packet]) -> None:
    assert decode(body, revision, binary=binary) == packets


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        (message_v4(b"hi", False), b"4hi"),
        (message_v4(b"\x01\x02\x03\x04", True), b"bAQIDBA=="),
        (message_v3_text(b"hello", False), b"6:4hello"),
        (message_v3_text("€".encode(), False), b"2:4\xe2\x82\xac"),
        (message_v3_text("\U0001f600".encode(), False), b"3:4\xf0\x9f\x98\x80"),
        (message_v3_text(b"\x01\x02\x03", True), b"6:b4AQID"),
        (message_v3_binary("€".encode(), False), b"\x00\x04\xff4\xe2\x82\xac"),
        (message_v3_binary(b"abcdefghi", True), b"\x01\x01\x00\xff\x04abcdefghi"),
        (control(NOOP, "", 4), b"6"),
        (control(PONG, "probe", 4), b"3probe"),
        (control(NOOP, "", 3), b"1:6"),
        (control(OPEN, '{"sid":"é"}', 3), '12:0{"sid":"é"}'.encode()),
        (control(OPEN, "é", 3, True), b"\x00\x03\xff0\xc3\xa9"),
        (join_v4([b"6", b"1"]), b"6\x1e1"),
        (join_v4([b"4x"]), b"4x"),
    ],
)
def test_packets_are_written(rendered: bytes, expected: bytes) -> None:
    assert rendered == expected


@pytest.mark.parametrize(
    "body", [b"", b"9", b"x", b"\x00", b"bA", b"b!!!!", b"\xff", b"4\xff", b"\x1e", b"4\xed\xa0\x80"]
)
def test_malformed_bodies_of_revision_4_are_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode(body, 4)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"4hello",
        b":4",
        b"x:4",
        b"1:9",
        b"-1:4",
        b"+1:4",
        b" 1:4",
        b"2:4",
        b"1:44",
        b"1.0:4",
        b"99999999999:4",
        b"\xd9\xa1:4",
        b"2:4\xff",
        b"2:4\xf0\x9f\x98\x80",
        b"6:b4A!ID",
        b"2:b4" + b"x",
        b"1",
        b"1e1:4",
    ],
)
def test_malformed_text_bodies_of_revision_3_are_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode(body, 3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\xff",
        b"\x02\x01\xff4",
        b"\x00\x01\xff9",
        b"\x00\x02\xff4",
        b"\x00\x0a\xff4",
        b"\x00\x01",
        b"\x01\x01\xff4",
        b"\x00\x00\xff",
        b"\x01\x00\xff",
        b"\x00\x02\xff4\xff",
        b"\x00" + b"\x00" * 10 + b"\x01\xff4",
    ],
)
def test_malformed_binary_bodies_of_revision_3_are_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode(body, 3, binary=True)


def test_revision_4_knows_no_binary_bodies() -> None:
    with pytest.raises(PacketError):
        decode(b"4hello", 4, binary=True)


@pytest.mark.parametrize(
    ("revision", "binary", "body"),
    [
        (4, False, b"4a\x1e9\x1e4b"),
        (4, False, b"4a\x1e4\xff"),
        (4, False, b"4a\x1e"),
        (3, False, b"2:4a1:92:4b"),
        (3, False, b"2:4ax"),
        (3, False, b"2:4a3:4b"),
        (3, False, b"2:4a2:4\xff"),
        (3, False, b"2:4a\xff"),
        (3, False, "2:4a2:4\U0001f6002:4b".encode()),
        (3, True, b"\x00\x02\xff4a\x00\x01\xff9"),
        (3, True, b"\x00\x02\xff4a\x00\x09\xff4b"),
        (3, True, b"\x00\x02\xff4a\x00\x02\xff4\xff"),
    ],
)
def test_packets_before_a_bad_one_are_still_read(revision: int, binary: bool, body: bytes) -> None:
    packets = iter_payload(body, revision=revision, binary=binary, max_packets=100)
    assert next(packets) == Packet(MESSAGE, "a")
    with pytest.raises(PacketError):
        next(packets)


@pytest.mark.parametrize(("revision", "binary"), FORMS)
def test_a_payload_holds_max_packets_and_not_one_more(revision: int, binary: bool) -> None:
    def body(count: int) -> bytes:
        items = [ENCODERS[revision, binary](b"x", False)] * count
        return join_v4(items) if revision == 4 else b"".join(items)

    assert len(decode(body(5), revision, binary=binary, max_packets=5)) == 5
    packets = iter_payload(body(6), revision=revision, binary=binary, max_packets=5)
    with pytest.raises(PacketError, match="at most 5"):
        next(packets)


def test_empty_packets_of_revision_3_count_towards_the_limit() -> None:
    assert decode(b"0:" * 5, 3, max_packets=5) == []
    with pytest.raises(PacketError, match="at most 5"):
        decode(b"0:" * 6, 3, max_packets=5)


MESSAGES = st.lists(st.one_of(st.text().filter(lambda text: "\x1e" not in text), st.binary()), min_size=1)


@given(MESSAGES, st.sampled_from(FORMS))
def test_what_is_encoded_decodes_to_itself(messages: list[str | bytes], form: tuple[int, bool]) -> None:
    encoder = ENCODERS[form]
    items = [
        encoder(message, True) if isinstance(message, bytes) else encoder(message.encode(), False)
        for message in messages
    ]
    body = join_v4(items) if form[0] == 4 else b"".join(items)
    packets = decode(body, form[0], binary=form[1], max_packets=len(messages))
    assert packets == [Packet(MESSAGE, message) for message in messages]


@given(st.integers(0, 6), st.text().filter(lambda text: "\x1e" not in text), st.sampled_from(FORMS))
def test_other_packets_decode_to_themselves(number: int, data: str, form: tuple[int, bool]) -> None:
    body = control(number, data, form[0], form[1])
    assert decode(body, form[0], binary=form[1]) == [Packet(number, data)]


NOISE = st.one_of(
    st.binary(),
    st.lists(
        st.sampled_from(
            [
                b"4",
                b"b4AQ",
                b"==",
                b"2:",
                b"0",
                b"\x1e",
                b"\x00\x02\xff",
                b"\x01\x01\xff",
                b"\x04",
                b"\xf0\x9f\x98\x80",
                b"\xe2\x82\xac",
                b"\xf0\x9f",
                b":",
                b"1:6",
            ]
        )
    ).map(b"".join),
)


@given(NOISE, st.sampled_from([*FORMS, (4, True)]))
def test_any_body_gives_packets_or_a_packet_error(body: bytes, form: tuple[int, bool]) -> None:
    try:
        packets = decode(body, form[0], binary=form[1], max_packets=20)
    except PacketError:
        return
    assert all(isinstance(packet, Packet) for packet in packets)


@pytest.mark.parametrize(
    ("revision", "binary", "item", "count"),
    [
        (4, False, b"4\x1e", 50_000),
        (4, False, b"bAA==\x1e", 30_000),
        (3, False, b"1:4", 50_000),
        (3, False, b"3:4\xf0\x9f\x98\x80", 40_000),
        (3, False, b"0:", 100_000),
        (3, False, b"1", 1_000_000),
        (3, True, b"\x00\x01\xff4", 50_000),
        (3, True, b"\x00", 1_000_000),
    ],
)
def test_work_is_linear_in_the_body(revision: int, binary: bool, item: bytes, count: int) -> None:
    start = time.process_time()
    with suppress(PacketError):
        decode(item * count, revision, binary=binary, max_packets=count + 1)
    # About 0.1 s; a reader that copies the rest of the body for each packet takes tens of seconds.
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("payload", "script"),
    [
        (b"1:6", b'___eio[7]("1:6");'),
        (b'4["a\\n"]\n', b'___eio[7]("4[\\"a\\\\n\\"]\\n");'),
        ("4\u2028\u2029".encode(), b'___eio[7]("4\\u2028\\u2029");'),
        (b"4</script>", b'___eio[7]("4\\u003c/script>");'),
    ],
)
def test_jsonp_answers_are_scripts(payload: bytes, script: bytes) -> None:
    assert jsonp_response("7", payload) == script


@given(st.text())
def test_a_jsonp_script_holds_its_payload_in_plain_ascii(payload: str) -> None:
    script = jsonp_response("12", payload.encode()).decode("ascii")
    assert script.startswith("___eio[12](")
    assert script.endswith(");")
    assert "<" not in script
    assert json.loads(script[len("___eio[12](") : -2]) == payload


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (b"d=1%3A2", b"1:2"),
        (b"a=1&d=3:4+a&b=2", b"3:4 a"),
        (b"d=a%5Cnb", b"a\nb"),
        (b"d=a%5C%5Cnb", b"a\\nb"),
        (b"d=%5C%5C%5Cn", b"\\\\n"),
        (b"d=%E2%82%AC", b"\xe2\x82\xac"),
        (b"d=", b""),
        (b"", b""),
        (b"x=1", b""),
        (b"dd=1&ed=2", b""),
        (b"d=%zz%", b"%zz%"),
    ],
)
def test_jsonp_bodies_are_read_from_the_form(form: bytes, body: bytes) -> None:
    assert jsonp_body(form) == body


@given(st.text())
def test_what_a_jsonp_client_sends_comes_back(payload: str) -> None:
    # As the client does it: "\n" becomes a backslash and a newline, then every newline becomes "\n".
    escaped = payload.replace("\\n", "\\\n").replace("\n", "\\n")
    assert jsonp_body(b"d=" + quote_plus(escaped).encode()) == payload.encode()


@given(st.binary())
def test_any_jsonp_form_gives_bytes(form: bytes) -> None:
    assert isinstance(jsonp_body(form), bytes)
