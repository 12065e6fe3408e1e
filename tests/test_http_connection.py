"""One connection over a real pair of sockets: deadlines, partial writes, lingering, and the sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from time import monotonic, process_time, sleep
from typing import Any

import gevent
import pytest
from gevent import socket

from socketio_sync.http_connection import STALL_SECONDS, Connection, DeadlinePassed, Sweep
from tests.support.server import eventually, let_poll


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def swept() -> Iterator[set[Connection]]:
    """Connections that a sweep looks at."""
    connections: set[Connection] = set()
    sweep = Sweep(gevent.get_hub().loop, connections, period=0.02)
    yield connections
    sweep.stop()


def serving(connections: set[Connection], sock: Any, work: Callable[[Connection], Any]) -> gevent.Greenlet:
    """Serve a socket in a greenlet of its own; its value is what ``work`` returned."""

    def serve() -> Any:
        connection = Connection(sock)
        connections.add(connection)
        return work(connection)

    return gevent.spawn(serve)


def test_what_was_given_back_comes_first_and_once(pair: tuple[Any, Any]) -> None:
    connection = Connection(pair[0])
    assert not connection.has_buffered
    connection.give_back(b"cdef")
    connection.give_back(b"ab")
    assert connection.has_buffered
    assert connection.take_buffered(3) == b"abc"
    assert connection.take_buffered() == b"def"
    assert connection.take_buffered() == b""


def test_receiving_ends_with_the_deadline(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    def work(connection: Connection) -> float:
        with pytest.raises(DeadlinePassed):
            connection.receive(monotonic() + 0.1)
        assert connection.deadline == inf
        return monotonic() - start

    start = monotonic()
    assert 0.1 <= serving(swept, pair[0], work).get(timeout=5) < 0.5


def test_a_deadline_leaves_the_connection_usable(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    def work(connection: Connection) -> bytes:
        with pytest.raises(DeadlinePassed):
            connection.receive(monotonic() + 0.03)
        pair[1].sendall(b"late")
        return connection.receive(monotonic() + 5)

    assert serving(swept, pair[0], work).get(timeout=5) == b"late"


def test_nobody_is_thrown_at_who_doesnt_wait(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    def work(connection: Connection) -> bytes:
        pair[1].sendall(b"here")
        data = connection.receive(monotonic() + 0.05)
        gevent.sleep(0.2)
        return data

    assert serving(swept, pair[0], work).get(timeout=5) == b"here"


def test_a_stall_of_the_loop_is_no_fault_of_the_clients(
    pair: tuple[Any, Any], swept: set[Connection]
) -> None:
    start = monotonic()

    def work(connection: Connection) -> float:
        with pytest.raises(DeadlinePassed):
            connection.receive(monotonic() + 0.2)
        return monotonic() - start

    waiting = serving(swept, pair[0], work)
    gevent.sleep(0.05)
    stall = STALL_SECONDS + 0.3
    # Not gevent's: this holds up the loop.
    sleep(stall)
    assert waiting.get(timeout=5) >= 0.2 + stall - 0.05


def test_all_is_sent_to_a_reader_who_takes_his_time(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    data = bytes(range(256)) * 20_000
    sending = serving(swept, pair[0], lambda connection: connection.send(data, stall=0.5))
    received = bytearray()
    while len(received) < len(data):
        received += pair[1].recv(200_000)
        gevent.sleep(0.01)
    sending.get(timeout=5)
    assert received == data


def test_sending_to_a_reader_who_stops_ends(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    def work(connection: Connection) -> float:
        with pytest.raises(ConnectionResetError):
            connection.send(b"x" * 10_000_000, stall=0.1)
        return monotonic() - start

    start = monotonic()
    assert serving(swept, pair[0], work).get(timeout=5) < 1.0


def test_lingering_ends_when_the_client_closes(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    def work(connection: Connection) -> None:
        connection.linger()

    pair[1].sendall(b"unread")
    lingering = serving(swept, pair[0], work)
    assert pair[1].recv(10) == b""
    assert not lingering.ready()
    pair[1].close()
    lingering.get(timeout=0.5)


def test_lingering_ends_by_itself(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    start = monotonic()
    serving(swept, pair[0], Connection.linger).get(timeout=5)
    assert 0.9 < monotonic() - start < 2


def test_lingering_reads_only_so_much(pair: tuple[Any, Any], swept: set[Connection]) -> None:
    flood = gevent.spawn(pair[1].sendall, b"x" * 10_000_000)
    serving(swept, pair[0], Connection.linger).get(timeout=0.5)
    flood.kill()


def test_a_connection_whose_socket_was_detached_isnt_open(pair: tuple[Any, Any]) -> None:
    connection = Connection(pair[0])
    assert connection.is_open
    socket.socket(fileno=pair[0].detach()).close()
    assert not connection.is_open


# -- the peer of a request in progress


def watching(pair: tuple[Any, Any]) -> tuple[Connection, list[str]]:
    """Return a connection in the middle of a request, and what it has told."""
    connection = Connection(pair[0])
    told: list[str] = []
    assert connection.watch_peer(lambda: told.append("gone"))
    return connection, told


def test_a_peer_that_goes_is_noticed_once(pair: tuple[Any, Any]) -> None:
    connection, told = watching(pair)
    let_poll()
    assert told == []
    pair[1].close()
    eventually(lambda: told)
    let_poll()
    assert told == ["gone"]
    assert connection.receive(monotonic() + 1) == b""
    connection.leave()


def test_a_peer_that_is_cut_off_is_noticed(pair: tuple[Any, Any]) -> None:
    connection, told = watching(pair)
    # Unread, they make the close of a Unix socket a reset.
    pair[0].sendall(b"unread")
    pair[1].close()
    eventually(lambda: told)
    connection.leave()


def test_what_a_peer_sends_meanwhile_is_left_for_later(pair: tuple[Any, Any]) -> None:
    connection, told = watching(pair)
    pair[1].sendall(b"the next request")
    let_poll()
    assert told == []
    assert connection.receive(monotonic() + 1) == b"the next request"
    connection.leave()


def test_nobody_hears_of_a_peer_that_isnt_watched_any_more(pair: tuple[Any, Any]) -> None:
    connection, told = watching(pair)
    connection.unwatch_peer()
    connection.unwatch_peer()
    pair[1].close()
    let_poll()
    assert told == []
    connection.leave()


def test_bytes_that_nobody_receives_keep_the_loop_idle(pair: tuple[Any, Any]) -> None:
    def work(connection: Connection) -> bytes:
        first = connection.receive(monotonic() + 5)
        pair[1].sendall(b"second")
        start = process_time()
        gevent.sleep(0.3)
        assert process_time() - start < 0.1
        return first + connection.receive(monotonic() + 5)

    serving_greenlet = serving(set(), pair[0], work)
    let_poll()
    pair[1].sendall(b"first")
    assert serving_greenlet.get(timeout=5) == b"firstsecond"


def test_whoever_asks_receives(pair: tuple[Any, Any]) -> None:
    connection = Connection(pair[0])
    asking = gevent.spawn(connection.receive, monotonic() + 5)
    let_poll()
    pair[1].sendall(b"answer")
    assert asking.get(timeout=5) == b"answer"
    connection.leave()


def test_a_waiting_greenlet_is_woken_by_nothing_but_its_bytes(pair: tuple[Any, Any]) -> None:
    waiting = serving(set(), pair[0], lambda connection: connection.receive(monotonic() + 5))
    let_poll()
    # As a callback that comes late does.
    for _ in range(3):
        gevent.get_hub().loop.run_callback(waiting.switch)
        let_poll()
    assert not waiting.ready()
    pair[1].sendall(b"bytes")
    assert waiting.get(timeout=5) == b"bytes"


def test_a_connection_that_was_left_watches_nothing(pair: tuple[Any, Any]) -> None:
    connection, told = watching(pair)
    connection.leave()
    connection.leave()
    pair[1].close()
    let_poll()
    assert told == []


def test_the_file_begins_with_what_was_received(pair: tuple[Any, Any]) -> None:
    connection = Connection(pair[0])
    connection.give_back(b"abc")
    file = connection.as_file()
    pair[1].sendall(b"defg")
    assert (file.read(2), file.read(4)) == (b"ab", b"cdef")
    pair[1].close()
    assert file.read() == b"g"
