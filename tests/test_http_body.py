"""Where a body ends, how long it may take, and reading it as ``wsgi.input``."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.http_body import (
    MAX_CHUNK_LINE,
    MAX_OVERHEAD,
    BodyDecoder,
    BodyRefused,
    ChunkedDecoder,
    LengthDecoder,
    Patience,
    RequestBody,
)
from socketio_sync.http_head import RequestLimits, RequestRefused

# Chunked bodies that somebody could take for the beginning of another request.
MALFORMED: dict[str, bytes] = {
    "size with plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size with minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size in quotes": b'"5"\r\nhello\r\n0\r\n\r\n',
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "size beyond ASCII": b"\xb2\r\nhe\r\n0\r\n\r\n",
    "size of 16 digits": b"0000000000000005\r\nhello\r\n0\r\n\r\n",
    "size ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "size ends in CR": b"5\rhello\r\n0\r\n\r\n",
    "size ends in CR CR LF": b"5\r\r\nhello\r\n0\r\n\r\n",
    "extension with LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension with CR": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "extension with NUL": b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    "extension without semicolon": b"5 a\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "chunk shorter than its size": b"6\r\nhello\r\n0\r\n\r\n",
    "chunk ends in LF": b"5\r\nhello\n0\r\n\r\n",
    "chunk ends in CR": b"5\r\nhello\r0\r\n\r\n",
    "last chunk ends in LF": b"0\n\n",
    "trailers end in LF": b"0\r\n\n",
    "trailer is a request": b"0\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "trailer ends in LF": b"0\r\nX: y\n\r\n",
    "trailer is folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "trailer without colon": b"0\r\nX\r\n\r\n",
    "trailer without name": b"0\r\n: y\r\n\r\n",
    "trailer with a space before its colon": b"0\r\nX : y\r\n\r\n",
    "length behind the body": b"0\r\nContent-Length: 5\r\n\r\n",
    "coding behind the body": b"0\r\ntransfer-encoding: chunked\r\n\r\n",
    "host behind the body": b"0\r\nHOST: b\r\n\r\n",
}


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def decode(decoder: BodyDecoder, *pieces: bytes) -> bytes:
    return b"".join(decoder.feed(piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_chunks_are_refused(body: bytes, size: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        decode(ChunkedDecoder(), *pieces_of(body, size))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
        (b"00a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"2\r\n\r\n\r\n1\r\n\n\r\n0\r\n\r\n", b"\r\n\n"),
        (b'1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n', b"x"),
        (b"1 ; a\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1\r\nx\r\n0\r\nX-Checksum: 1\r\nY:\r\n\r\n", b"x"),
    ],
)
def test_chunks_are_put_together(body: bytes, payload: bytes) -> None:
    for size in (1, 2, 1000):
        decoder = ChunkedDecoder()
        assert decode(decoder, *pieces_of(body, size)) == payload
        assert decoder.done
        assert decoder.rest == b""


@given(st.lists(st.binary(min_size=1, max_size=300)), st.binary(max_size=20), st.integers(1, 50))
def test_any_split_gives_the_same_body_and_rest(chunks: list[bytes], behind: bytes, size: int) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoder = ChunkedDecoder()
    payload, rest = b"", b""
    for piece in pieces_of(body + behind, size):
        if decoder.done:
            rest += piece
        else:
            payload += decoder.feed(piece)
            rest = decoder.rest
    assert (payload, rest) == (b"".join(chunks), behind)


@given(st.binary(max_size=300), st.sampled_from([b"", b"5\r\nhello\r\n", b"0\r\n"]))
def test_no_input_raises_anything_else(data: bytes, start: bytes) -> None:
    with contextlib.suppress(RequestRefused):
        ChunkedDecoder().feed(start + data)


def chunk_line(size: int) -> bytes:
    return b"1;" + b"a" * (size - 2)


def test_a_chunk_line_is_limited() -> None:
    for size in (1, 1000):
        decode(ChunkedDecoder(), *pieces_of(chunk_line(MAX_CHUNK_LINE) + b"\r\nx\r\n", size))
        with pytest.raises(RequestRefused):
            decode(ChunkedDecoder(), *pieces_of(chunk_line(MAX_CHUNK_LINE + 1) + b"\r\nx\r\n", size))
    with pytest.raises(RequestRefused):
        ChunkedDecoder().feed(chunk_line(1000))


def test_all_extensions_together_are_limited() -> None:
    lines, rest = divmod(MAX_OVERHEAD, MAX_CHUNK_LINE - 1)
    most = (chunk_line(MAX_CHUNK_LINE) + b"\r\nx\r\n") * lines + chunk_line(rest + 1) + b"\r\nx\r\n"
    decoder = ChunkedDecoder()
    decoder.feed(most)
    with pytest.raises(RequestRefused):
        decoder.feed(b"1;\r\nx\r\n")


def test_all_trailers_together_are_limited() -> None:
    trailer = b"X: " + b"y" * 1021 + b"\r\n"
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n" + trailer * 8)
    with pytest.raises(RequestRefused):
        decoder.feed(b"X:\r\n")


@given(st.integers(0, 100), st.binary(max_size=20), st.integers(1, 30))
def test_a_body_of_known_length_ends_there(length: int, behind: bytes, size: int) -> None:
    body = b"x" * length
    decoder = LengthDecoder(length)
    payload, rest = b"", b""
    for piece in pieces_of(body + behind, size):
        if decoder.done:
            rest += piece
        else:
            payload += decoder.feed(piece)
            rest = decoder.rest
            assert decoder.left == length - len(payload)
    assert (payload, rest) == (body, behind)


LIMITS = RequestLimits(body_timeout=60.0, body_grace=10.0, body_min_rate=500.0)


@pytest.mark.parametrize(
    ("waited", "received", "left"),
    [
        (0.0, 0, 10.0),
        (9.0, 0, 1.0),
        # Fast enough for ten seconds is no more than the grace.
        (9.0, 5000, 1.0),
        (9.0, 10_000, 11.0),
        (20.0, 10_000, 0.0),
        (59.0, 1_000_000, 1.0),
        (60.0, 1_000_000, 0.0),
    ],
)
def test_a_body_may_take_as_long_as_its_rate_allows(waited: float, received: int, left: float) -> None:
    patience = Patience(LIMITS)
    patience.note(waited, received)
    assert patience.left() == pytest.approx(left)


def test_a_rate_of_zero_leaves_only_the_timeout() -> None:
    patience = Patience(RequestLimits(body_timeout=60.0, body_min_rate=0.0))
    patience.note(59.0, 0)
    assert patience.left() == pytest.approx(1.0)


def body_of(*pieces: bytes) -> RequestBody:
    """Return a chunked body that arrives in these pieces, then fails."""
    arriving: Iterator[bytes] = iter(pieces)

    def receive() -> bytes:
        for piece in arriving:
            return piece
        raise BodyRefused(408, "nothing more")

    return RequestBody(ChunkedDecoder(), receive)


def chunks(*payloads: bytes) -> list[bytes]:
    return [b"%x\r\n%b\r\n" % (len(payload), payload) for payload in payloads] + [b"0\r\n\r\n"]


def test_reading_all_waits_for_all() -> None:
    for body in (body_of(*chunks(b"ab", b"cd")), body_of(b"".join(chunks(b"ab", b"cd")))):
        assert body.read() == b"abcd"
        assert body.read() == b""
        assert body.read(5) == b""


def test_reading_some_gives_exactly_that_until_the_end() -> None:
    body = body_of(*chunks(b"ab", b"cde", b"f"))
    assert [body.read(4), body.read(0), body.read(None)] == [b"abcd", b"", b"ef"]


def test_reading_some_doesnt_wait_for_more() -> None:
    body = body_of(*chunks(b"abc", b"d")[:1])
    assert body.read(3) == b"abc"


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(-1, 30))
def test_lines_are_those_of_the_whole(payloads: list[bytes], limit: int) -> None:
    whole = b"".join(payloads)
    assert list(body_of(*chunks(*payloads))) == io.BytesIO(whole).readlines()
    body = body_of(*chunks(*payloads))
    lines = []
    while limit and (line := body.readline(limit)):
        lines.append(line)
    if limit:
        assert b"".join(lines) == whole
        assert all(b"\n" not in line[:-1] for line in lines)
        assert limit < 0 or all(len(line) <= limit for line in lines)


def test_readlines_stops_at_its_hint() -> None:
    assert body_of(*chunks(b"a\nb\nc")).readlines() == [b"a\n", b"b\n", b"c"]
    assert body_of(*chunks(b"a\nb\nc")).readlines(3) == [b"a\n", b"b\n"]


def test_what_was_received_with_the_head_comes_first() -> None:
    body = body_of(*chunks(b"cd"))
    body.take(b"2\r\nab\r\n")
    assert body.read() == b"abcd"


def test_a_failure_is_raised_at_every_read() -> None:
    for pieces, status in ((chunks(b"ab")[:1], 408), ([b"2\r\nabX"], 400)):
        body = body_of(*pieces)
        for _ in range(2):
            with pytest.raises(BodyRefused) as refused:
                body.read()
            assert refused.value.status == status
        assert body.error is not None
        assert isinstance(body.error, OSError)


def test_discarding_stops_at_its_limit() -> None:
    assert body_of(*chunks(b"x" * 100, b"y")).discard(100) is False
    assert body_of(*chunks(b"x" * 100)).discard(100) is True
    assert body_of(b"".join(chunks(b"x" * 100))).discard(10) is True
