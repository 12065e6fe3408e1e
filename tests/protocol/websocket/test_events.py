"""The end of a connection, as its reader tells it."""

from __future__ import annotations

import pytest

from socketio_sync.protocol.websocket.events import Failed
from socketio_sync.protocol.websocket.frames import encode_close
from tests.protocol.websocket.client import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    TEXT,
    close_frame,
    frame,
    header,
    read,
)


@pytest.mark.parametrize(
    "data",
    [
        header(TEXT, 1, masked=False),
        frame(TEXT, rsv=4),
        frame(3),
        frame(PING, fin=False),
        frame(CONT),
        frame(TEXT, fin=False) + frame(TEXT),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"\xff", fin=False),
        frame(CLOSE, b"\x03"),
        close_frame(999),
        close_frame(1000, b"\xff"),
        header(BINARY, 11),
        frame(TEXT, fin=False) + frame(CONT, fin=False) * 2,
    ],
)
def test_every_failure_fits_in_a_close_frame(data: bytes) -> None:
    *_, failed = read(data, max_message=10, max_fragments=2)
    assert isinstance(failed, Failed)
    assert failed.reason
    assert encode_close(*failed)[4:] == failed.reason.encode("ascii")
