"""Handlers with ``run_in="thread"``: as any other, but for the thread, and nobody waits for them."""

from __future__ import annotations

import contextvars
import gc
import logging
import weakref
from typing import Any

import gevent
import pytest
from gevent import monkey

from socketio_sync import Server, Socket
from tests.support.logged import Logged, functions
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])

# The native ones: also where the process is patched.
allocate_lock = monkey.get_original("_thread", "allocate_lock")
get_ident = monkey.get_original("_thread", "get_ident")
DEADLINE = 5.0


@BOTH
def test_everybody_else_is_served_while_a_handler_blocks_its_thread(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve(ping_interval=0.05, ping_timeout=0.2)
    go = allocate_lock()
    go.acquire()
    steps: list[Any] = []
    hub_thread = get_ident()

    @site.io.on("work", run_in="thread")
    def work(socket: Socket, value: int) -> tuple[int, bool]:
        steps.append(f"work {value} begins")
        # Natively: on the hub's thread it would end in a deadlock.
        assert go.acquire(timeout=DEADLINE)
        go.release()
        steps.append(f"work {value} ends")
        return value, get_ident() != hub_thread

    site.io.on("after", lambda socket: steps.append("after"))
    client, other = connect(site, transport), connect(site)
    answers = [client.ask("work", value) for value in range(2)]
    client.emit("after")
    eventually(lambda: steps)
    # Several ping timeouts.
    gevent.sleep(0.5)
    assert other.call("echo", 1) == [1]
    assert steps == ["work 0 begins"]
    go.release()
    # The order of one socket's events is kept.
    assert [answer.get(timeout=5) for answer in answers] == [[0, True], [1, True]]
    eventually(lambda: steps[-1] == "after")
    assert steps[:-1] == ["work 0 begins", "work 0 ends", "work 1 begins", "work 1 ends"]


@BOTH
def test_the_api_works_in_such_a_handler_and_its_emits_come_before_its_acknowledgement(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve()

    @site.io.on("work", run_in="thread")
    def work(socket: Socket, value: int) -> Any:
        socket.join("workers")
        answer = socket.call("question", value)
        site.io.to("workers").emit("to the room", answer)
        socket.emit("progress", 1, wait=True)
        socket.emit("progress", 2)
        return answer

    client = connect(site, transport)
    client.answers["question"] = lambda value: [value + 1]
    for value in range(20):
        assert client.call("work", value) == [value + 1]
        assert [event[-1][0] for event in client.events[-3:]] == [value + 1, 1, 2], client.events
    assert "workers" in site.sockets[0].rooms


def test_what_it_raises_is_logged_and_acknowledged_as_that_of_any_handler(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve(error_acks=True)
    seen: list[Any] = []

    @site.io.on("work", run_in="thread")
    def work(socket: Socket) -> None:
        raise LookupError("nothing there")

    site.io.on_error(lambda socket, event, error: seen.append((event, type(error))))
    client = connect(site)
    assert client.call("work") == [{"error": {"message": "nothing there", "type": "LookupError"}}]
    (record,) = logged.take()
    assert record.getMessage() == (
        f"the handler of 'work' raised (namespace '/', socket {site.sockets[0].id})"
    )
    assert functions(record)[-1] == "work"
    assert seen == [("work", LookupError)]


def test_arguments_are_checked_against_annotations(serve: Servers, connect: Connect) -> None:
    site = serve()

    @site.io.on("work", run_in="thread")
    def work(socket: Socket, values: set[int]) -> str:
        return f"{type(values).__name__} of {len(values)}"

    client = connect(site)
    assert client.call("work", [1, 1, 2]) == ["set of 2"]
    assert client.call("work", "x")[0]["error"]["type"] == "PayloadError"


def test_each_call_begins_with_empty_context_variables(serve: Servers, connect: Connect) -> None:
    site = serve()
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    @site.io.on("work", run_in="thread")
    def work(socket: Socket) -> int:
        value = variable.get()
        variable.set(1)
        return value

    client = connect(site)
    assert [client.call("work") for _ in range(20)] == [[0]] * 20


def test_a_socket_and_the_events_of_its_life_have_such_handlers_too(serve: Servers, connect: Connect) -> None:
    site = serve()
    threads: dict[str, bool] = {}
    here = get_ident()

    @site.io.on("connection", run_in="thread")
    def connection(socket: Socket) -> None:
        threads["connection"] = get_ident() != here

        @socket.once("work", run_in="thread")
        def work(value: int) -> tuple[int, bool]:
            return value, get_ident() != here

        socket.on("disconnect", lambda reason: threads.update({reason: get_ident() != here}), run_in="thread")

    client = connect(site)
    assert client.call("work", 5) == [5, True]
    assert site.sockets[0].listeners("work") == []
    client.disconnect()
    eventually(lambda: threads == {"connection": True, "client namespace disconnect": True})


def test_it_is_found_by_the_function_that_was_registered() -> None:
    io = Server()

    def work(socket: Socket) -> None: ...

    assert io.on("work", work, run_in="thread") is work
    assert io.listeners("work") == [work]
    io.off("work", work)
    assert io.listeners("work") == []


def test_before_the_first_request_it_runs_where_it_is_called() -> None:
    io = Server()
    made: list[str] = []
    io.on("new_namespace", lambda namespace: made.append(namespace.name), run_in="thread")
    io.of("/a")
    assert made == ["/a"]
    assert not io.engine.is_bound


def test_nothing_of_a_call_is_kept(
    serve: Servers, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve()
    # A record of the log would keep the traceback.
    caplog.set_level(logging.CRITICAL, "socketio_sync.server.dispatch")
    kept: list[weakref.ref[Any]] = []

    class Payload: ...

    @site.io.on("work", run_in="thread")
    def work(socket: Socket) -> None:
        payload = Payload()
        kept.append(weakref.ref(payload))
        raise LookupError

    client = connect(site)
    client.emit("work")
    client.call("echo")
    gc.collect()
    eventually(lambda: [reference() for reference in kept] == [None])


@pytest.mark.parametrize("wrong", ["process", "hub", True, 1])
def test_another_place_is_refused_and_names_what_there_is(wrong: Any) -> None:
    with pytest.raises(ValueError, match='"thread"'):
        Server().on("work", run_in=wrong)
