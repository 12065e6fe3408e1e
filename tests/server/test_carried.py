"""What one server leaves for the next: clients are recovered across a restart."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from socketio_sync import Server, Socket
from tests.support.came_back import Client
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.sio_client import Connect

Start = Callable[..., Running]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "made" / "here"


@pytest.fixture
def start(serve: Servers, directory: Path) -> Start:
    """Start servers that have one directory."""

    def start(*, ping_interval: float = 25.0, ping_timeout: float = 20.0, **options: Any) -> Running:
        recovery = {"directory": directory, **options}
        return serve(
            connection_state_recovery=recovery, ping_interval=ping_interval, ping_timeout=ping_timeout
        )

    return start


def moved(client: Client, site: Running) -> Socket:
    """Shut the server of a client down, and have the client go to another one."""
    client.site.io.shutdown()
    assert client.wire.closed.wait(5)
    client.site = site
    return client.arrive()


def test_who_comes_to_the_next_server_has_id_rooms_data_and_what_was_missed(
    start: Start, connect: Connect
) -> None:
    first = start()
    client = Client(first, connect)
    socket = first.sockets[0]
    socket.join("lobby")
    socket.data["name"] = {"first": "ann", "ids": [1, b"x"]}
    first.io.emit("before", 1)
    client.read()
    client.cut()
    first.io.emit("all", 2)
    first.io.to("lobby").emit("lobby", b"binary")
    first.io.to("elsewhere").emit("elsewhere")
    first.io.except_("lobby").emit("except")
    socket.emit("direct", {"deep": [b"x"]})
    first.io.shutdown()
    second = start()
    second.io.emit("all", 3)
    second.io.to("lobby").emit("lobby", 4)
    second.io.to("elsewhere").emit("elsewhere")
    client.site = second
    again = client.arrive()
    assert again.recovered
    assert again.id == socket.id
    assert again.data == {"name": {"first": "ann", "ids": [1, b"x"]}}
    assert again.rooms == {socket.id, "lobby"}
    assert client.got == [
        ("before", 1),
        ("all", 2),
        ("lobby", b"binary"),
        ("direct", {"deep": [b"x"]}),
        ("all", 3),
        ("lobby", 4),
    ]
    second.io.to("lobby").emit("more")
    assert client.read() == [("more",)]


def test_each_event_is_got_once_through_any_number_of_restarts(start: Start, connect: Connect) -> None:
    client = Client(start(), connect)
    client.site.sockets[-1].join("lobby")
    number = 0
    for restart in range(6):
        io = client.site.io
        for _ in range(3):
            io.emit("news", number)
            io.to("lobby").emit("news", number + 1)
            client.site.sockets[-1].emit("news", number + 2)
            number += 3
        if restart % 3 == 0:
            client.read()
        if restart % 3 == 1:
            # It hasn't got a thing from this server.
            offset, client.offset = client.offset, None
            client.cut()
            client.offset = offset
            io.emit("news", number)
            number += 1
        assert moved(client, start()).recovered
    client.read()
    assert client.got == [("news", each) for each in range(number)]


def test_what_was_lost_on_the_way_of_the_return_is_sent_at_the_next_one(
    start: Start, connect: Connect
) -> None:
    client = Client(start(), connect)
    client.site.io.emit("seen", 1)
    client.read()
    seen = client.offset
    client.cut()
    client.site.io.emit("missed", 2)
    for _ in range(2):
        assert moved(client, start()).recovered
        client.site.io.emit("missed", 3)
        client.read()
        # As if it had been cut off before any of that came.
        client.offset = seen
        client.cut()
    assert client.arrive().recovered
    assert client.got == [
        ("seen", 1),
        *[("missed", 2), ("missed", 3)],
        *[("missed", 2), ("missed", 3), ("missed", 3)],
        *[("missed", 2), ("missed", 3), ("missed", 3)],
    ]


def test_who_is_sent_away_gets_what_is_sent_after_that_too(start: Start, connect: Connect) -> None:
    first = start()
    sockets = first.sockets

    def disconnect(socket: Socket) -> None:
        first.io.emit("left", len(sockets))
        socket.emit("bye")

    first.io.on("disconnect", disconnect)
    client = Client(first, connect)
    assert moved(client, start()).recovered
    assert client.got == [("left", 1), ("bye",)]


def test_a_server_that_is_there_already_finds_who_comes_and_keeps_its_own_events(
    start: Start, connect: Connect
) -> None:
    first, second = start(), start()
    other = Client(second, connect)
    client = Client(first, connect)
    second.io.emit("of the second", 1)
    client.read()
    first.io.shutdown()
    second.io.emit("of the second", 2)
    client.site = second
    assert client.arrive().recovered
    assert client.got == [("of the second", 2)]
    second.io.emit("of the second", 3)
    assert client.read() == [("of the second", 3)]
    other.read()
    assert other.got == [("of the second", number) for number in (1, 2, 3)]


def test_what_the_next_server_had_to_forget_is_told(start: Start, connect: Connect) -> None:
    client = Client(start(), connect)
    client.site.io.shutdown()
    client.site = start(max_events=3)
    for number in range(4):
        client.site.io.emit("missed", number)
    again = client.arrive()
    assert not again.recovered
    assert again.recovery_failure == "events that were missed aren't kept any more"


def test_what_the_earlier_server_had_to_forget_is_told(start: Start, connect: Connect) -> None:
    client = Client(start(max_events=3), connect)
    client.cut()
    for number in range(4):
        client.site.io.emit("missed", number)
    client.site.io.shutdown()
    client.site = start()
    assert client.arrive().recovery_failure == "events that were missed aren't kept any more"


def test_of_several_servers_one_gets_a_client_and_only_once(start: Start, connect: Connect) -> None:
    client = Client(start(), connect)
    pid = client.pid
    assert moved(client, start()).recovered
    client.site = start()
    again = client.arrive(pid=pid)
    assert not again.recovered
    assert again.recovery_failure == "the session is unknown, expired, or was recovered already"


def test_a_namespace_finds_only_its_own_clients(start: Start, connect: Connect) -> None:
    first = start()
    first.of("/other")
    client = Client(first, connect)
    client.wire.join("/other")
    first.io.of("/other").emit("news")
    client.wire.expect("news", namespace="/other")
    other = client.wire.pids["/other"]
    first.io.shutdown()
    second = start()
    second.of("/other")
    wire = connect(second, join=False)
    wire.join(auth={"pid": other})
    wire.join("/other", auth={"pid": other})
    assert [socket.recovered for socket in second.sockets] == [False, True]


def test_an_expired_client_is_not_recovered_and_its_file_is_removed(
    start: Start, connect: Connect, directory: Path
) -> None:
    client = Client(start(max_disconnection_duration=0.05), connect)
    first, pid = client.site, client.pid
    first.io.shutdown()
    left = time.time()
    eventually(lambda: time.time() > left + 0.1)
    client.site = start(max_disconnection_duration=0.05)
    assert not client.arrive(pid=pid).recovered
    # A server that begins to use the directory removes what nobody may want any more.
    for path in directory.iterdir():
        os.utime(path, (0, 0))
    stranger = directory / "stranger"
    stranger.touch()
    os.utime(stranger, (0, 0))
    client.wire.kill()
    client.site = start()
    client.arrive()
    assert list(directory.iterdir()) == [stranger]


def test_files_are_for_the_servers_user_only_and_hold_no_secret(
    start: Start, connect: Connect, directory: Path
) -> None:
    client = Client(start(), connect)
    client.site.io.emit("news")
    client.site.io.shutdown()
    paths = list(directory.iterdir())
    assert sorted(path.suffix for path in paths) == [".client", ".events"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (directory, *paths)] == [0o700, 0o600, 0o600]
    for path in paths:
        assert client.pid not in path.name
        assert client.pid.encode() not in path.read_bytes()


def test_who_left_on_purpose_is_not_left_there(start: Start, connect: Connect, directory: Path) -> None:
    client = Client(start(), connect)
    client.wire.disconnect()
    client.site.reached("disconnect", "/", "client namespace disconnect")
    client.site.io.shutdown()
    assert not list(directory.glob("*.client"))


@pytest.mark.parametrize("value", [{1, 2}, (1, 2), object(), 2**70, "\ud800"])
def test_data_that_messagepack_cannot_say_is_told_and_its_client_begins_anew(
    start: Start, connect: Connect, logged: Logged, value: Any
) -> None:
    client = Client(start(), connect)
    client.site.sockets[0].data["value"] = value
    client.site.io.shutdown()
    (text,) = logged.warnings()
    assert text.startswith(f"SIO702 socket {client.site.sockets[0].id}: not left for the next process")
    client.site = start()
    assert not client.arrive().recovered


@pytest.mark.parametrize("how", ["cut off", "not MessagePack", "empty"])
def test_a_damaged_file_is_told_and_its_client_begins_anew(
    start: Start, connect: Connect, directory: Path, logged: Logged, how: str
) -> None:
    client = Client(start(), connect)
    client.site.io.shutdown()
    (path,) = directory.glob("*.client")
    content = {"cut off": path.read_bytes()[:-1], "not MessagePack": b"\xc1" * 10, "empty": b""}[how]
    path.write_bytes(content)
    client.site = start()
    assert not client.arrive().recovered
    (text,) = logged.warnings()
    assert text.startswith("SIO703 ")
    assert not list(directory.glob("*.client"))


@pytest.mark.parametrize("content", [None, b"", b"\0\0\0\1\xc1", b"\0\0\1\0short"])
def test_without_the_events_its_clients_begin_anew(
    start: Start, connect: Connect, directory: Path, content: bytes | None
) -> None:
    client = Client(start(), connect)
    client.site.io.shutdown()
    (path,) = directory.glob("*.events")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    client.site = start()
    again = client.arrive()
    assert again.recovery_failure == "the events that an earlier process has kept are gone"


@pytest.mark.parametrize("how", ["a file is there", "everybody may write there"])
def test_a_directory_that_cannot_be_used_is_told_and_nothing_is_left(
    start: Start, connect: Connect, directory: Path, logged: Logged, how: str
) -> None:
    directory.parent.mkdir()
    if how == "a file is there":
        directory.touch()
    else:
        directory.mkdir()
        directory.chmod(0o777)
    client = Client(start(), connect)
    client.site.io.shutdown()
    assert client.wire.closed.wait(5)
    (text,) = logged.warnings()
    assert text.startswith("SIO703 ")
    assert not directory.is_dir() or not list(directory.iterdir())


def test_a_directory_that_is_gone_at_the_end_costs_the_recovery_only(
    start: Start, connect: Connect, directory: Path, logged: Logged
) -> None:
    first = start()
    client = Client(first, connect)
    first.io.on("disconnecting", lambda socket: shutil.rmtree(directory))
    first.io.on("disconnect", lambda socket: first.io.emit("left"))
    assert not moved(client, start()).recovered
    assert logged.warnings()[0].startswith("SIO703 ")


def test_without_a_directory_nothing_is_left(serve: Servers, connect: Connect) -> None:
    first = serve(connection_state_recovery=True)
    client = Client(first, connect)
    assert not moved(client, serve(connection_state_recovery=True)).recovered


def test_the_directory_must_be_a_path() -> None:
    with pytest.raises(TypeError, match="directory"):
        Server(connection_state_recovery={"directory": 5})


def test_a_process_that_never_serves_keeps_no_more_than_is_kept_anyway(directory: Path) -> None:
    recovery = {"directory": directory, "max_events": 10}
    io = Server(connection_state_recovery=recovery)
    for number in range(100):
        io.emit("news", number)
        io.volatile.emit("news", number)
    assert len(io.of("/")._early) == 11
    assert not directory.exists()
