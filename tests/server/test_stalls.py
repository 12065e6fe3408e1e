"""SIO601: who blocks the hub is named, with the remedy; who waits as gevent knows it never is."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import monkey

from socketio_sync import Server, Socket
from tests.support.logged import Logged
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect
from tests.transports.test_watchdog import watching

LIMIT = 0.1
# Longer than the machine keeps anybody from running.
CALM = 0.4
DEADLINE = 5.0

LINE = (
    r"SIO601 hub blocked (\d\.\d) s in handler (\S+) \((.*)\) "
    r"at test_stalls\.py:(\d+) on_predict\(\); (.*)"
)

native_sleep = monkey.get_original("time", "sleep")


def spin(condition: Callable[[], Any]) -> None:
    """Hold everybody up until a condition holds."""
    until = monotonic() + DEADLINE
    while not condition() and monotonic() < until:
        native_sleep(0.001)


def stalls(logged: Logged) -> list[str]:
    return [text for text in logged.warnings() if text.startswith("SIO601")]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[logging.LogRecord]:
    """Collect what is told, for who may call no function of the test while it waits for it."""
    records: list[logging.LogRecord] = []
    target = logging.getLogger("socketio_sync.server.stalls")
    monkeypatch.setattr(target, "filters", [lambda record: records.append(record) or True])
    return records


def test_the_line_names_handler_event_socket_and_place_and_shows_the_stack(
    serve: Servers, connect: Connect, logged: Logged, told: list[logging.LogRecord]
) -> None:
    site = serve(watchdog=LIMIT)

    @site.io.on("predict")
    def on_predict(socket: Socket, secret: str) -> str:
        until = monotonic() + DEADLINE
        while not told and monotonic() < until:
            native_sleep(0.001)
        # It goes on, and isn't told again.
        native_sleep(3 * LIMIT)
        return "done"

    clients = [connect(site), connect(site)]
    assert clients[0].call("predict", "a payload") == ["done"]
    (text,) = stalls(logged)
    line, stack = text.split("\n", 1)
    match = re.fullmatch(LINE, line)
    assert match is not None, line
    assert match[2] == on_predict.__qualname__
    assert match[3] == f"event 'predict', namespace '/', socket {site.sockets[0].id}"
    first = on_predict.__code__.co_firstlineno
    assert first < int(match[4]) < first + 6
    assert match[5] == (
        "2 clients get no heartbeat; they drop after 45 s. Use @on('predict', run_in=\"thread\")."
    )
    # The innermost comes last, as in a traceback.
    assert 0 < stack.index("in run_event\n") < stack.index(f"line {match[4]}, in on_predict\n")
    assert "a payload" not in text


def test_each_stall_is_told_once_and_the_next_one_again(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(watchdog=LIMIT)

    @site.io.on("work")
    def work(socket: Socket, count: int) -> None:
        spin(lambda: len(stalls(logged)) == count)

    client = connect(site)
    for count in (1, 2, 3):
        client.call("work", count)
        assert len(stalls(logged)) == count


def test_beyond_the_ping_interval_it_is_an_error_with_the_clients_at_risk(
    serve: Servers, connect: Connect, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve(watchdog=LIMIT, ping_interval=0.5, ping_timeout=3)

    @site.io.on("work")
    def work(socket: Socket) -> None:
        spin(lambda: any(record.levelname == "ERROR" for record in caplog.records))

    client = connect(site)
    client.call("work")
    assert len(stalls(logged)) == 1
    (record,) = logged.take()
    text = record.getMessage()
    assert text.startswith("SIO601 hub blocked 0.")
    assert "1 clients get no heartbeat; they are overdue by now, and drop after 3.5 s." in text
    assert "in work\n" in text


def test_the_handlers_of_a_life_of_a_socket_and_middlewares_are_named(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(watchdog=LIMIT)

    def hold(count: int) -> None:
        # In a turn of its own: what blocks in the same one is one stall.
        gevent.sleep(0.001)
        spin(lambda: len(stalls(logged)) == count)

    @site.io.use
    def check(socket: Socket) -> None:
        hold(1)

    @site.io.on("connection")
    def arrived(socket: Socket) -> None:
        hold(2)
        socket.on("own", own)
        socket.on_any(heard)

    def heard(event: str, *arguments: Any) -> None:
        hold(3)

    def own(values: list[int]) -> None:
        hold(4)

    client = connect(site)
    client.call("own", [1])
    texts = stalls(logged)
    assert "check (namespace '/', socket" in texts[0]
    assert "arrived (event 'connection', namespace '/', socket" in texts[1]
    assert "heard (event 'own', namespace '/', socket" in texts[2]
    assert "own (event 'own', namespace '/', socket" in texts[3]
    remedies = [text.split("\n")[0].split(" s. ")[1] for text in texts]
    in_pool = "Run what blocks in gevent.get_hub().threadpool."
    assert remedies == [
        in_pool,
        "Use @on('connection', run_in=\"thread\").",
        in_pool,
        "Use @on('own', run_in=\"thread\").",
    ]


def test_what_an_extension_calls_for_an_event_is_named_in_its_place(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(watchdog=LIMIT)

    def predict(socket: Socket) -> None:
        spin(lambda: stalls(logged))

    extension: dict[str, Any] = {"__name__": "flask_socketio_sync.dispatch", "predict": predict}
    exec("def handle(socket): predict(socket)", extension)
    site.io.on("predict", extension["handle"])
    connect(site).call("predict")
    (text,) = stalls(logged)
    assert " in handler predict (event 'predict', namespace '/', socket" in text
    # It has other ways to register one.
    assert "Run what blocks in gevent.get_hub().threadpool.\n" in text


def test_what_blocks_outside_of_a_handler_is_told_by_its_place(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(watchdog=LIMIT)
    connect(site)

    def background() -> None:
        spin(lambda: stalls(logged))

    site.io.background(background)
    eventually(lambda: stalls(logged))
    (text,) = stalls(logged)
    assert " s at test_stalls.py:" in text
    assert "in background\n" in text
    assert "threadpool" in text


def test_what_a_client_has_named_is_escaped(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve(watchdog=LIMIT)
    site.io.on_any(lambda socket, event, *arguments: spin(lambda: stalls(logged)))
    connect(site).call("echo")
    logged.take()
    site.io.on_unhandled(lambda socket, event, *arguments: 1)
    connect(site).call("a\nb")
    (text,) = stalls(logged)
    assert "event 'a\\nb'" in text


def test_who_waits_as_gevent_knows_it_is_never_told_nor_an_idle_hub(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(watchdog=CALM)
    site.io.on("wait", lambda socket: gevent.sleep(1.5 * CALM))
    site.io.on("work", lambda socket: native_sleep(1.5 * CALM), run_in="thread")
    client = connect(site)
    client.call("wait")
    client.call("work")
    gevent.sleep(1.5 * CALM)
    assert stalls(logged) == []


def test_it_begins_with_the_first_request_and_ends_with_the_server(serve: Servers, connect: Connect) -> None:
    # Of an earlier test, one may be ending.
    eventually(lambda: not watching())
    site = serve(watchdog=LIMIT)
    assert not watching()
    connect(site)
    eventually(watching)
    site.io.close()
    eventually(lambda: not watching())
    site.io.close()


def test_a_server_that_was_closed_before_watches_nothing(serve: Servers) -> None:
    site = serve(watchdog=LIMIT)
    site.io.close()
    site.io.engine.runtime_of(gevent.get_hub())
    gevent.sleep(0.01)
    assert not watching()


@pytest.mark.parametrize("off", [None, 0])
def test_it_is_off_unless_asked_for(serve: Servers, connect: Connect, off: float | None) -> None:
    assert Server().options.watchdog is None
    connect(serve(watchdog=off)).call("echo")
    gevent.sleep(0.01)
    assert not watching()
