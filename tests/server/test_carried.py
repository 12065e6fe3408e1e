"""What one server leaves for the next: clients are recovered across a restart."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from socketio_sync import Server, Socket
from socketio_sync.server import carried
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
        # As if each were a process of its own, which looks what is there.
        carried._cleaned.clear()
        recovery = {"directory": directory, **options}
        return serve(
            connection_state_recovery=recovery, ping_interval=ping_interval, ping_timeout=ping_timeout
        )

    return start


def moved(client: Client, site: Running) -> Socket:
    """Shut the server of a client down, and have the client go to another one."""
    leave(client)
    client.site = site
    return client.arrive()


def leave(client: Client) -> None:
    """Shut the server of a client down."""
    client.site.io.shutdown()
    assert client.wire.closed.wait(5)


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
    # When it begins, before it is too late; and again.
    assert len(logged.warnings()) == 1
    leave(client)
    assert [text[:7] for text in logged.warnings()] == ["SIO703 "] * 2
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
    with pytest.raises(ValueError, match="directory"):
        Server(connection_state_recovery={"directory": ""})


def test_what_a_server_in_between_has_sent_is_got_once(start: Start, connect: Connect) -> None:
    client = Client(start(), connect)
    client.site.sockets[-1].join("lobby")
    client.site.io.emit("seen", 1)
    client.read()
    leave(client)
    for name in ("second", "third"):
        between = start()
        between.io.to("lobby").emit("news", name)
        between.io.to("elsewhere").emit("news", name)
        # It serves, so that it is known when.
        Client(between, connect)
        between.io.shutdown()
    client.site = start()
    client.site.io.emit("news", "fourth", 1)
    assert client.arrive().recovered
    expected = [("seen", 1), ("news", "second"), ("news", "third"), ("news", "fourth", 1)]
    assert client.got == expected
    # Also where it has heard of the second server's only when it is cut off.
    client.cut()
    client.site.io.emit("more")
    assert moved(client, start()).recovered
    assert client.got == [*expected, ("more",)]


def test_the_offset_of_a_volatile_event_is_one_too(start: Start, connect: Connect) -> None:
    first = start()
    client, other = Client(first, connect), Client(first, connect)
    first.io.emit("all", 1)
    # These have numbers behind those of the events for many.
    first.sockets[-1].emit("own", 1)
    first.io.volatile.emit("typing", "x")
    client.read()
    other.read()
    assert moved(client, start()).recovered
    assert client.got == [("all", 1), ("typing", "x")]


def test_who_has_left_the_room_of_its_own_id_gets_its_own_events(start: Start, connect: Connect) -> None:
    first = start()
    client = Client(first, connect)
    first.sockets[0].leave(first.sockets[0].id)
    first.io.on("disconnect", lambda socket: socket.emit("bye"))
    assert moved(client, start()).recovered
    assert client.got == [("bye",)]


def test_room_names_and_secrets_that_utf8_cannot_say_are_no_trouble(start: Start, connect: Connect) -> None:
    first = start()
    client = Client(first, connect)
    first.sockets[0].join("\ud800")
    client.cut()
    first.io.to("\ud800").emit("news")
    first.io.shutdown()
    client.site = start()
    again = client.arrive()
    assert again.recovered
    assert "\ud800" in again.rooms
    assert client.got == [("news",)]
    client.cut()
    assert not client.arrive(pid="\udfff").recovered


def test_what_the_application_keeps_of_a_client_cannot_hinder_the_shutdown(
    start: Start, connect: Connect, logged: Logged
) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise AttributeError("on purpose")

        def __hash__(self) -> int:
            return 0

    first = start()
    clients = [Client(first, connect) for _ in range(3)]
    clients[0].cut()
    first.sockets[0].data["odd"] = Odd()
    first.io.shutdown()
    assert all(client.wire.closed.wait(5) for client in clients)
    (text,) = logged.warnings()
    assert text.startswith("SIO702")
    second = start()
    for client in clients:
        client.site = second
    assert [client.arrive().recovered for client in clients] == [False, True, True]


def test_many_who_come_at_once_share_what_they_have_missed(start: Start, connect: Connect) -> None:
    most = 200_000
    first = start(max_bytes=most)
    clients = [Client(first, connect) for _ in range(20)]
    for client in clients:
        client.cut()
    for number in range(100):
        first.io.emit("news", number, "x" * 300)
    first.io.shutdown()
    second = start(max_bytes=most)
    for client in clients:
        client.site = second
        assert client.arrive().recovered
        assert len(client.got) == 100
    recovery = second.io.of("/").recovery
    assert recovery is not None
    assert recovery.size < 20 * 1_000


def test_nothing_of_earlier_servers_is_kept_for_ever(start: Start, connect: Connect) -> None:
    client = Client(start(max_disconnection_duration=0.2, ping_interval=0.1, ping_timeout=0.1), connect)
    client.site.io.emit("news")
    again = moved(client, start(max_disconnection_duration=0.2, ping_interval=0.1, ping_timeout=0.1))
    assert again.recovered
    assert again.journal is not None
    assert again.journal.earlier is not None
    eventually(lambda: again.journal is None or again.journal.earlier is None)
    recovery = client.site.io.of("/").recovery
    assert recovery is not None
    eventually(lambda: recovery._shelf is not None and not recovery._shelf._past)


def test_a_damaged_event_is_told_to_everybody_who_needs_it(
    start: Start, connect: Connect, directory: Path
) -> None:
    first = start()
    clients = [Client(first, connect) for _ in range(2)]
    for client in clients:
        client.cut()
    first.io.emit("one")
    first.io.emit("two")
    first.io.shutdown()
    (path,) = directory.glob("*.events")
    path.write_bytes(path.read_bytes().replace(b'"one"', b'"o\xffe"').replace(b"2[", b"\xc1["))
    content = path.read_bytes()
    # The record's own first byte: no longer an array.
    place = content.index(b'"o\xffe"')
    begin = content.rindex(b"\x97", 0, place)
    path.write_bytes(content[:begin] + b"\xc1" + content[begin + 1 :])
    second = start()
    for client in clients:
        client.site = second
        again = client.arrive()
        assert again.recovery_failure == "the events that an earlier process has kept are gone"


def test_files_that_others_remove_meanwhile_are_no_trouble(
    start: Start, connect: Connect, directory: Path
) -> None:
    client = Client(start(), connect)
    leave(client)
    # As one that is there when the directory is listed, and isn't any more when it is looked at.
    (directory / f"{'0' * 64}.client").symlink_to(directory / "nowhere")
    carried._cleaned.clear()
    client.site = start()
    assert client.arrive().recovered


def test_what_is_old_is_removed_while_a_server_runs(start: Start, connect: Connect, directory: Path) -> None:
    options = {"max_disconnection_duration": 0.1, "ping_interval": 0.1, "ping_timeout": 0.1}
    client = Client(start(**options), connect)
    leave(client)
    assert list(directory.iterdir())
    other = Client(start(**options), connect)
    eventually(lambda: not list(directory.iterdir()))
    other.wire.kill()


def test_links_are_not_followed(start: Start, connect: Connect, directory: Path, logged: Logged) -> None:
    first = start()
    client = Client(first, connect)
    target = directory.parent / "target"
    target.touch()

    def link(socket: Socket) -> None:
        (path,) = directory.glob("*.events")
        path.unlink()
        path.symlink_to(target)

    first.io.on("disconnecting", link)
    first.io.on("disconnect", lambda socket: first.io.emit("left"))
    leave(client)
    assert target.read_bytes() == b""
    assert logged.warnings()[0].startswith("SIO703")


def test_a_closed_server_that_goes_on_sending_leaves_a_bounded_amount(
    start: Start, connect: Connect, directory: Path, logged: Logged
) -> None:
    client = Client(start(max_bytes=10_000), connect)
    leave(client)
    for _ in range(100):
        client.site.io.emit("news", "x" * 1_000)
    assert not list(directory.glob("*.events"))
    assert "max_bytes" in logged.warnings()[0]
    client.site = start()
    assert not client.arrive().recovered


def test_who_is_back_before_the_end_is_not_left_any_more(
    start: Start, connect: Connect, directory: Path
) -> None:
    site = start()
    client = Client(site, connect)
    client.cut()
    site.io._hand_over()
    assert list(directory.glob("*.client"))
    assert client.arrive().recovered
    assert not list(directory.glob("*.client"))


def test_a_dynamic_namespace_waits_for_who_is_on_the_way(
    serve: Servers, connect: Connect, directory: Path
) -> None:
    def site() -> Running:
        made = serve(connection_state_recovery={"directory": directory}, cleanup_empty_child_namespaces=True)
        made.io.of(re.compile("/child"))
        return made

    first = site()
    client = connect(first)
    client.join("/child")
    pid = client.pids["/child"]
    first.io.shutdown()
    second = site()
    other = connect(second)
    other.join("/child")
    other.disconnect("/child")
    child = second.io.namespaces["/child"]
    eventually(lambda: not child.sockets)
    child.emit("news", 1)
    again = connect(second)
    again.join("/child", auth={"pid": pid})
    assert again.expect("news", namespace="/child")[0] == 1


def test_a_forked_process_has_offsets_of_its_own(start: Start, connect: Connect) -> None:
    recovery = start().io.of("/").recovery
    assert recovery is not None
    mark = recovery.timeline.mark
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, recovery.timeline.mark.encode())
        os._exit(0)
    os.waitpid(child, 0)
    forked = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert len(forked) == len(mark)
    assert forked != mark
    assert recovery.timeline.mark == mark


def test_what_was_seen_is_known_through_a_server_in_between_and_one_more(
    start: Start, connect: Connect
) -> None:
    client = Client(start(), connect)
    client.site.io.emit("news", 1)
    client.read()
    seen = client.offset
    client.cut()
    client.site.io.emit("news", 2)
    client.site.io.shutdown()
    between = start()
    between.io.emit("news", 3)
    Client(between, connect)
    between.io.shutdown()
    client.site = start()
    client.site.io.emit("news", 4)
    assert client.arrive().recovered
    # As if it had been cut off before any of that came.
    client.offset = seen
    client.got.clear()
    assert moved(client, start()).recovered
    assert client.got == [("news", number) for number in (2, 3, 4)]
