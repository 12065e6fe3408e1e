"""What is sent before the first request, where clients of an earlier process are on their way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from socketio_sync import Server
from tests.support.came_back import Client
from tests.support.server import Running
from tests.support.sio_client import Connect


def server(directory: Path, **options: Any) -> Server:
    return Server(connection_state_recovery={"directory": directory, **options})


@pytest.fixture
def client(tmp_path: Path, connect: Connect) -> Any:
    """Return one whose server has closed."""
    first = Running(server(tmp_path))
    client = Client(first, connect)
    first.io.shutdown()
    assert client.wire.closed.wait(5)
    first.host.stop()
    yield client
    client.site.io.close()
    client.site.host.stop()


def test_it_is_kept_in_order_and_as_it_was(client: Client, tmp_path: Path) -> None:
    io = server(tmp_path)
    value = [1]
    io.emit("first", value)
    value.append("changed")
    io.volatile.emit("volatile")
    io.to("elsewhere").emit("elsewhere")
    io.use(lambda socket: io.emit("second"))
    client.site = Running(io)
    io.emit("first", 2)
    assert client.arrive().recovered
    assert client.got == [("first", [1]), ("first", 2)]


@pytest.mark.parametrize("bound", [{"max_events": 2}, {"max_bytes": 30}])
def test_it_is_bounded_and_what_had_to_go_is_told(
    client: Client, tmp_path: Path, bound: dict[str, int]
) -> None:
    io = server(tmp_path, **bound)
    for number in range(10):
        io.emit("news", number)
        io.volatile.emit("news", number)
    early = io.of("/")._early
    assert early is not None
    assert len(early) == 2
    client.site = Running(io)
    again = client.arrive()
    assert again.recovery_failure == "events that were missed aren't kept any more"


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    io = Server(
        connection_state_recovery={"directory": tmp_path, "max_disconnection_duration": 1e-6},
        ping_interval=1e-6,
        ping_timeout=1e-6,
    )
    for number in range(10):
        io.emit("news", number)
    early = io.of("/")._early
    assert early is not None
    assert len(early) < 10
    assert early.forgotten is None


def test_what_cannot_be_sent_is_the_callers_error(tmp_path: Path) -> None:
    io = server(tmp_path)
    with pytest.raises(TypeError):
        io.emit("news", object())
    early = io.of("/")._early
    assert not early


def test_without_a_directory_nothing_is_kept() -> None:
    io = Server(connection_state_recovery=True)
    io.emit("news")
    assert io.of("/")._early is None
