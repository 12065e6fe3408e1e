from __future__ import annotations

import contextvars
import random
from typing import Any

import gevent
import msgspec
import pytest
from gevent.event import Event
from gevent.local import local

from socketio_sync import Socket
from socketio_sync.server.handlers import MAX_COMPARED
from tests.support.logged import Logged, functions
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])

# -- order --------------------------------------------------------------------------------------------


@pytest.mark.feature(67)
@BOTH
def test_t9_the_events_of_one_client_are_handled_in_order_while_all_else_is_served(
    serve: Servers, connect: Connect, transport: str
) -> None:
    site = serve(ping_interval=0.1, ping_timeout=0.5)
    seen: list[int] = []
    delays = random.Random(20261122)

    @site.io.on("number")
    def number(socket: Socket, value: int) -> None:
        # Handlers of uneven length are the subject.
        gevent.sleep(delays.random() * 0.008)
        if value == 50:
            # The answer comes over the same connection, behind events that wait for this handler.
            assert socket.call("question") == "answer"
        seen.append(value)

    busy, other = connect(site, transport), connect(site)
    busy.answers["question"] = lambda: ["answer"]
    for value in range(200):
        busy.emit("number", value)
    served: list[int] = []

    def serve_other() -> bool:
        served.extend(other.call("echo", len(seen)))
        return len(seen) == 200

    eventually(serve_other)
    # It was served all the time while the first one's handlers slept.
    assert len(set(served)) > 20
    assert seen == list(range(200))
    # Several ping intervals have passed: had the pongs waited for the handlers, this would be over.
    assert busy.call("echo", "still here") == ["still here"]
    assert not site.reasons()


@pytest.mark.feature(149)
def test_each_handler_runs_to_its_end_before_the_next_begins(serve: Servers, connect: Connect) -> None:
    site = serve()
    steps: list[str] = []
    go = Event()

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        go.wait()
        steps.append("connection")

    @site.io.on("first")
    def first(socket: Socket) -> None:
        steps.append("first begins")
        gevent.sleep(0.01)
        steps.append("first ends")

    site.io.on("second", lambda socket: steps.append("second"))
    client = connect(site)
    client.emit("first")
    client.emit("second")
    # Namespaces don't wait for each other.
    site.of("/other")
    client.join("/other")
    assert client.call("echo", 1, namespace="/other") == [1]
    assert steps == []
    go.set()
    client.call("echo")
    assert steps == ["connection", "first begins", "first ends", "second"]


def test_a_disconnect_is_handled_while_a_handler_runs_but_never_before_the_connection(
    serve: Servers, connect: Connect
) -> None:
    site = serve()
    go, runs = Event(), Event()
    steps: list[str] = []

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        if socket.handshake.auth:
            go.wait()
            steps.append("connection")

    site.io.on("stuck", lambda socket: (runs.set(), go.wait()))
    site.io.on("disconnect", lambda socket: steps.append("disconnect"))
    ready = connect(site)
    ready.emit("stuck")
    runs.wait(5)
    ready.close()
    eventually(lambda: steps == ["disconnect"])
    early = connect(site, auth={"slow": True})
    early.close()
    eventually(lambda: site.io.engine.clients_count == 0)
    go.set()
    eventually(lambda: steps == ["disconnect", "connection", "disconnect"])


# -- acknowledgements -----------------------------------------------------------------------------------

ANSWERS = [
    (None, []),
    (0, [0]),
    (False, [False]),
    ("", [""]),
    ((), []),
    ((1, "two", b"three"), [1, "two", b"three"]),
    ((None,), [None]),
    ([1, 2], [[1, 2]]),
    ({"deep": [b"\x00"]}, [{"deep": [b"\x00"]}]),
]


@pytest.mark.feature(49)
@pytest.mark.parametrize(("returned", "values"), ANSWERS)
@pytest.mark.parametrize("own", [False, True])
def test_the_return_value_is_the_acknowledgement(
    serve: Servers, connect: Connect, returned: Any, values: list[Any], own: bool
) -> None:
    site = serve()
    client = connect(site)
    if own:
        site.sockets[0].on("ask", lambda: returned)
    else:
        site.io.on("ask", lambda socket: returned)
    assert client.call("ask") == values


@pytest.mark.feature(62)
def test_the_first_of_several_handlers_that_returns_something_answers(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    calls: list[str] = []

    def handler(name: str, value: Any) -> Any:
        def handle(*_: Any) -> Any:
            calls.append(name)
            return value() if callable(value) else value

        return handle

    site.io.on("ask", handler("nothing", None))
    site.io.on("ask", handler("raises", lambda: [][0]))
    client = connect(site)
    site.sockets[0].on("ask", handler("own", "own answer"))
    site.io.on("ask", handler("answers", "answer"))
    assert client.call("ask") == ["answer"]
    assert calls == ["nothing", "raises", "answers", "own"]
    assert len(logged.take()) == 1


def test_nobody_answers_where_every_handler_raises(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve()
    site.io.on("ask", lambda socket: 1 // 0)
    client = connect(site)
    asked = client.ask("ask")
    assert client.call("echo", 1) == [1]
    assert not asked.ready()
    logged.take()


@pytest.mark.feature(105)
def test_error_acks_tell_the_client(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve(error_acks=True)
    site.io.on("ask", lambda socket: int("x"))
    message = "invalid literal for int() with base 10: 'x'"
    assert connect(site).call("ask") == [{"error": {"message": message, "type": "ValueError"}}]
    logged.take()


def test_an_answer_that_cannot_be_sent_is_an_error_of_the_handler(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    site.io.on("ask", lambda socket: (b"binary", object()))
    client = connect(site)
    asked = client.ask("ask")
    assert client.call("echo", 1) == [1]
    assert not asked.ready()
    (record,) = logged.take()
    assert "ask" in record.getMessage()


# -- errors ---------------------------------------------------------------------------------------------


def broken(*_: Any) -> None:
    raise TypeError("broken() takes 0 positional arguments but 1 was given")


@pytest.mark.feature(106)
def test_t10_a_type_error_in_the_connection_handler_runs_once_and_shows_the_users_line(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    runs: list[Socket] = []

    @site.io.on("connection")
    def connection(socket: Socket) -> None:
        runs.append(socket)
        broken(socket)

    client = connect(site)
    assert client.call("echo", 1) == [1]
    assert runs == site.sockets
    (record,) = logged.take()
    assert functions(record)[-2:] == ["connection", "broken"]
    assert site.sockets[0].id in record.getMessage()


@pytest.mark.feature(103)
def test_a_handler_that_raises_costs_its_event_only(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve()
    told: list[Any] = []
    site.io.on("bad", broken)
    site.io.on("hangs", lambda socket: gevent.Timeout(0.001).start() or gevent.sleep(5))
    site.io.on_error(lambda socket, event, error: told.append((socket, event, type(error))))
    site.io.on_error(broken)
    client = connect(site)
    client.emit("bad", 1)
    client.emit("hangs")
    assert client.call("echo", 1) == [1]
    socket = site.sockets[0]
    assert told == [(socket, "bad", TypeError), (socket, "hangs", gevent.Timeout)]
    records = logged.take()
    texts = [record.getMessage() for record in records]
    assert [text for text in texts if "error handler" not in text] == [
        f"the handler of {event!r} raised (namespace '/', socket {socket.id})" for event in ("bad", "hangs")
    ]
    assert functions(records[0])[-1] == "broken"


def killed(*arguments: Any) -> None:
    raise gevent.GreenletExit


@pytest.mark.parametrize("event", ["disconnecting", "disconnect"])
@pytest.mark.parametrize("handler", [broken, killed])
def test_a_disconnect_handler_that_raises_harms_nobody(
    serve: Servers, connect: Connect, logged: Logged, event: str, handler: Any
) -> None:
    site = serve()
    site.io.on(event, handler)
    client = connect(site)
    site.io.on(event, lambda socket, reason: site.record.append((event, reason)))
    client.disconnect()
    site.reached(event, "client namespace disconnect")
    eventually(lambda: site.io.rooms() == frozenset())
    assert len(logged.take()) == 1


def test_an_error_handler_that_lets_a_timeout_escape_harms_nobody(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    site.io.on("disconnecting", broken)
    site.io.on_error(lambda socket, event, error: gevent.Timeout(0.001).start() or gevent.sleep(5))
    connect(site).disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    assert site.io.rooms() == frozenset()
    assert len(logged.take()) == 2


def test_who_has_connected_is_told_of_as_disconnected_whatever_its_handlers_raise(
    serve: Servers, connect: Connect, reported: list[type[BaseException]]
) -> None:
    site = serve()
    for event in ("connection", "disconnecting"):
        site.io.on(event, lambda *arguments: exit(3))
    connect(site).disconnect()
    site.reached("disconnect", "/", "client namespace disconnect")
    assert site.io.rooms() == frozenset()
    assert reported == [SystemExit, SystemExit]


def test_a_system_exit_in_a_handler_is_reported_and_the_client_served_on(
    serve: Servers, connect: Connect, reported: list[type[BaseException]]
) -> None:
    site = serve()
    site.io.on("exit", lambda socket: exit(3))
    client = connect(site)
    client.emit("exit")
    assert client.call("echo", 1) == [1]
    assert reported == [SystemExit]


def test_an_event_that_nobody_handles_is_named_with_its_nearest_neighbour(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    site.io.on("chat message", lambda socket: None)
    client = connect(site)
    asked = client.ask("chat mesage")
    client.call("echo")
    assert not asked.ready()
    (warning,) = logged.warnings()
    assert "'chat mesage' of namespace /; did you mean 'chat message'?" in warning


def test_unhandled_events_cannot_flood_the_log(serve: Servers, connect: Connect, logged: Logged) -> None:
    client = connect(serve())
    for number in range(200):
        client.emit(f"unknown {number}\n\x1b[31m" + "\u0105" * 200)
    client.call("echo")
    warnings = logged.warnings()
    # Ten lines a second, and the burst may lie across two of them.
    assert 1 <= len(warnings) <= 30
    assert all("\n" not in text and "\x1b" not in text and len(text) < 300 for text in warnings)


def test_events_that_nobody_handles_cost_next_to_nothing(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    for number in range(300):
        site.io.on(f"the name of an event {number}", lambda socket: None)
    client = connect(site)
    for number in range(500):
        client.emit(f"the eman of an event {number}")
    assert client.call("echo", "soon") == ["soon"]
    # More are logged, some each second; but looking for the nearest name takes milliseconds.
    assert 0 < sum("did you mean" in text for text in logged.warnings()) <= MAX_COMPARED


# -- what a client can't trigger -------------------------------------------------------------------------


@pytest.mark.feature(66)
@pytest.mark.parametrize("name", ["connection", "error", "new_namespace"])
def test_clients_cannot_trigger_the_events_of_a_sockets_life(
    serve: Servers, connect: Connect, name: str
) -> None:
    site = serve()
    client = connect(site)
    before = list(site.record)
    client.emit(name, "forged")
    assert client.call("echo", 1) == [1]
    assert site.record == before


@pytest.mark.parametrize("name", ["*", "__init__", "trigger_event", "emit", "__class__"])
def test_odd_names_are_plain_events(serve: Servers, connect: Connect, name: str) -> None:
    site = serve()
    site.io.on(name, lambda socket, value: value)
    assert connect(site).call(name, 5) == [5]


@pytest.mark.parametrize(
    ("number", "name"),
    [(7, "7"), (1.0, "1"), (1.5, "1.5"), (-0.0, "0"), (float("nan"), "nan"), (float("inf"), "inf")],
)
def test_a_number_is_a_name_by_its_text(serve: Servers, number: float, name: str) -> None:
    site = serve(parser="msgpack")
    got: list[Any] = []
    site.io.on(name, lambda socket, value: got.append(value))
    ws = site.websocket()
    for packet in ({"type": 0, "nsp": "/"}, {"type": 2, "nsp": "/", "data": [number, "value"]}):
        ws.send(msgspec.msgpack.encode(packet))
    assert eventually(lambda: got) == ["value"]


# -- nothing leaks from one event into another --------------------------------------------------------------

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="empty")


@pytest.mark.parametrize("queued", [False, True])
def test_context_variables_and_greenlet_locals_do_not_leak_between_events(
    serve: Servers, connect: Connect, queued: bool
) -> None:
    site = serve()
    storage = local()
    seen: list[Any] = []

    @site.io.on("set")
    def set_both(socket: Socket, number: int) -> None:
        seen.append((VARIABLE.get(), getattr(storage, "value", "empty")))
        VARIABLE.set(f"variable {number}")
        if number % 2:
            storage.value = number
        if queued:
            gevent.sleep(0)

    client, other = connect(site), connect(site)
    for number in range(10):
        client.emit("set", number)
        other.emit("set", number)
    client.call("echo")
    other.call("echo")
    assert seen == [("empty", "empty")] * 20


def test_a_handler_that_is_made_to_raise_all_the_time_does_not_flood_the_log(
    serve: Servers, connect: Connect, logged: Logged
) -> None:
    site = serve()
    count = 0

    site.io.on("say", lambda socket, room, text: None)

    @site.io.on("fail")
    def fail(socket: Socket) -> None:
        nonlocal count
        count += 1
        raise ValueError(count)

    client = connect(site)
    for _ in range(500):
        client.emit("say")
        client.emit("fail")
    client.call("echo")
    assert count == 500
    records = logged.take()
    # Ten a second of each; on a slow machine a few seconds pass.
    assert 20 <= len(records) <= 200
    assert all(record.exc_info for record in records)


def test_a_middleware_that_raises_is_called_so(serve: Servers, connect: Connect, logged: Logged) -> None:
    site = serve()
    site.io.use(lambda socket: 1 / 0)
    connect(site, join=False).refusal()
    (record,) = logged.take()
    assert record.getMessage().startswith("a middleware raised (namespace '/', socket ")
    assert functions(record)[-1] == "<lambda>"
