"""A body's length is refused before its bytes are read."""

from __future__ import annotations

import io
from typing import Any

import pytest

from socketio_sync.engine.body import BodyLost, UnsupportedEncoding, read_body
from socketio_sync.exceptions import PacketError, PayloadTooLarge

LIMIT = 100


class Source(io.BytesIO):
    """A body that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def request(body: bytes, **environ: str) -> dict[str, Any]:
    return {"wsgi.input": Source(body), "CONTENT_LENGTH": str(len(body)), **environ}


@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_a_body_up_to_the_limit_is_read(length: int) -> None:
    assert read_body(request(b"x" * length), LIMIT) == b"x" * length


@pytest.mark.parametrize("announced", [LIMIT + 1, 10**18])
def test_a_longer_one_is_refused_unread(announced: int) -> None:
    asked = request(b"x" * (LIMIT + 1), CONTENT_LENGTH=str(announced))
    with pytest.raises(PayloadTooLarge):
        read_body(asked, LIMIT)
    assert asked["wsgi.input"].taken == 0


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 10**6])
def test_a_chunked_body_is_honoured_up_to_the_limit(length: int) -> None:
    asked = request(b"x" * length, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    if length <= LIMIT:
        assert len(read_body(asked, LIMIT)) == length
    else:
        with pytest.raises(PayloadTooLarge):
            read_body(asked, LIMIT)
        assert asked["wsgi.input"].taken == LIMIT + 1


def test_without_a_length_there_is_no_body() -> None:
    assert read_body(request(b"next request", CONTENT_LENGTH=""), LIMIT) == b""


def test_a_body_that_ends_early_is_lost() -> None:
    with pytest.raises(BodyLost, match="3 of 5"):
        read_body(request(b"abc", CONTENT_LENGTH="5"), LIMIT)


def test_a_connection_that_breaks_is_lost() -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError("reset")

    with pytest.raises(BodyLost, match="reset"):
        read_body({"wsgi.input": Broken(), "CONTENT_LENGTH": "5"}, LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_compressed_bodies_are_never_inflated(coding: str) -> None:
    with pytest.raises(UnsupportedEncoding):
        read_body(request(b"abc", HTTP_CONTENT_ENCODING=coding), LIMIT)


def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(PacketError):
        read_body(request(b"abc", CONTENT_LENGTH="3x"), LIMIT)
