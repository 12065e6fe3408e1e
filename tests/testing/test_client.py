"""The test client against real servers, over both transports."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from socketio_sync import ConnectionRefused, Disconnected, HandshakeRefused, NotConnected, Server, WSGIApp
from socketio_sync.testing import TestClient

TRANSPORTS = ("websocket", "polling")


class App:
    def __init__(self, **options: Any) -> None:
        self.io = Server(**options)
        self.reasons: list[str] = []
        self.io.on("disconnect", lambda socket, reason: self.reasons.append(reason))
        self.io.on("echo", lambda socket, *values: values)
        self.clients: list[TestClient] = []

    def __call__(self, **options: Any) -> TestClient:
        client = TestClient(self.io, **options)
        self.clients.append(client)
        return client


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    yield made
    for client in made.clients:
        client.kill()
    made.io.close()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_answer_comes_in_the_terms_of_python(app: App, transport: str) -> None:
    client = app(transport=transport)
    assert client.call("echo") is None
    assert client.call("echo", 1) == 1
    assert client.call("echo", 1, {"deep": [b"\x00\xff"]}) == (1, {"deep": [b"\x00\xff"]})


@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_the_codec_is_the_servers(transport: str, parser: str) -> None:
    app = App(parser=parser)
    with app(transport=transport) as client:
        assert client.call("echo", b"x", "y") == (b"x", "y")
    app.io.close()


def test_the_server_gets_acknowledgements(app: App, transport: str) -> None:
    answers: list[Any] = []
    client = app(transport=transport)
    client.on("sum", lambda a, b: a + b)
    for socket in app.io.sockets.values():
        socket.emit("sum", 1, 2, ack=answers.append)
        socket.emit("later", ack=answers.append)
    client.expect("later").ack("done")
    client.settle()
    assert answers == [3, "done"]


def test_rooms_separate_clients(app: App, transport: str) -> None:
    app.io.on("join", lambda socket, room: socket.join(room))
    inside, outside = app(transport=transport), app(transport=transport)
    inside.call("join", "a")
    app.io.to("a").emit("news", 1)
    assert inside.expect("news").args == (1,)
    outside.assert_silent()


def test_all_that_was_emitted_is_there_at_rest(app: App, transport: str) -> None:
    def burst(socket: Any) -> None:
        for number in range(200):
            gevent.sleep(0)
            socket.emit("n", number, "x" * 1000)

    app.io.on("burst", burst)
    client = app(transport=transport)
    client.emit("burst")
    assert [event.args[0] for event in client.receive_all()] == list(range(200))


def test_a_missing_event_names_those_that_came(app: App, transport: str) -> None:
    client = app(transport=transport)
    app.io.emit("other", 1)
    with pytest.raises(AssertionError, match=r"no 'wanted'.*<other\(1,\)>"):
        client.expect("wanted", timeout=0.05)
    with pytest.raises(AssertionError, match="expected silence"):
        client.assert_silent()


def test_silence_is_watched_for_as_long_as_is_asked(app: App) -> None:
    client = app()
    gevent.spawn_later(0.02, app.io.emit, "late")
    client.assert_silent()
    with pytest.raises(AssertionError, match="late"):
        client.assert_silent(for_=2)


def test_namespaces_share_a_connection(app: App, transport: str) -> None:
    app.io.of("/chat").on("who", lambda socket: socket.id)
    client = app(transport=transport)
    chat = client.connect("/chat")
    assert chat.call("who") == chat.id
    chat.leave()
    with pytest.raises(NotConnected):
        chat.emit("who")
    assert client.call("echo", 1) == 1


def test_a_refused_namespace_raises_with_message_and_data(app: App, transport: str) -> None:
    def check(socket: Any) -> None:
        if socket.handshake.auth != {"token": "right"}:
            raise ConnectionRefused("no", {"why": 42})

    app.io.use(check)
    with pytest.raises(ConnectionRefused) as refused:
        app(transport=transport, auth={"token": "wrong"})
    assert (refused.value.message, refused.value.data) == ("no", {"why": 42})
    assert app(transport=transport, auth={"token": "right"}).connected


def test_a_foreign_origin_is_refused(app: App, transport: str) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        app(transport=transport, headers={"Origin": "https://evil.example"})
    assert refused.value.code in (3, 4)


def test_a_message_beyond_the_limit_ends_the_connection(transport: str) -> None:
    app = App(max_http_buffer_size=1000)
    client = app(transport=transport)
    with pytest.raises(Disconnected):
        client.call("echo", "x" * 2000)
    assert client.wait_closed() in ("transport close", "transport error")
    assert client.close_code == (1009 if transport == "websocket" else None)
    app.io.close()


def test_a_killed_client_is_one_disconnect(app: App, transport: str) -> None:
    client = app(transport=transport)
    client.settle()
    client.kill()
    client.settle()
    # A poll that is cut off is an error, the end of a WebSocket's connection isn't.
    assert app.reasons == [{"polling": "transport error", "websocket": "transport close"}[transport]]


def test_a_client_that_leaves_is_one_disconnect(app: App, transport: str) -> None:
    with app(transport=transport) as client:
        pass
    assert (client.reason, app.reasons) == ("io client disconnect", ["transport close"])


def test_the_servers_disconnect_is_told(app: App, transport: str) -> None:
    app.io.on("out", lambda socket: socket.disconnect(True))
    client = app(transport=transport)
    with pytest.raises(Disconnected):
        client.call("out")
    client.wait_closed()
    assert client.reason == "io server disconnect"


def test_a_client_that_does_not_read_is_a_slow_consumer() -> None:
    app = App(max_outbound_bytes=100_000)
    client = app()
    client.pause_reading()
    for _ in range(40):
        app.io.emit("much", "x" * 10_000)
    client.settle()
    assert app.reasons == ["slow consumer"]
    client.kill()
    app.io.close()


def test_reading_goes_on_where_it_stopped(app: App, transport: str) -> None:
    client = app(transport=transport)
    client.pause_reading()
    for number in range(20):
        app.io.emit("n", number, "x" * 10_000)
    client.assert_silent()
    client.resume_reading()
    assert [event.args[0] for event in client.receive_all()] == list(range(20))


def test_a_polling_client_upgrades_without_loss(app: App) -> None:
    client = app(transport="polling")
    app.io.emit("before")
    client.upgrade()
    app.io.emit("after")
    assert [event.event for event in client.receive_all()] == ["before", "after"]
    assert (client.transport, client.call("echo", 1)) == ("websocket", 1)


def test_a_client_that_answers_no_pings_is_dead(transport: str) -> None:
    app = App(ping_interval=0.05, ping_timeout=0.05)
    client = app(transport=transport, answer_pings=False)
    client.wait_closed(5)
    assert app.reasons == ["ping timeout"]
    app.io.close()


def test_cookies_are_kept_and_sent() -> None:
    app = App(cookie="io")
    seen: list[str] = []
    app.io.on("connection", lambda socket: seen.append(socket.handshake.headers["cookie"]))
    client = app(transport="polling", cookies={"session": "s"})
    assert client.cookies == {"session": "s", "io": client.sid}
    assert seen == ["session=s"]
    client.kill()
    app.io.close()


def test_an_application_around_the_server_is_served(app: App, transport: str) -> None:
    mounted = WSGIApp(app.io)
    with TestClient(mounted, transport=transport) as client:
        assert client.call("echo", 1) == 1
    with TestClient(lambda *arguments: mounted(*arguments), transport=transport) as client:
        assert client.call("echo", 1) == 1


def test_a_server_of_another_thread_is_refused_with_the_remedy(app: App) -> None:
    app()
    errors: list[str] = []

    def other() -> None:
        try:
            TestClient(app.io)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(10)
    assert len(errors) == 1
    assert "another thread" in errors[0]


def test_nothing_is_left_of_the_client_before() -> None:
    for _ in range(2):
        app = App()
        with app() as client:
            client.assert_silent()
            assert len(app.io.sockets) == 1
        assert (len(app.io.sockets), app.io.engine.clients_count) == (0, 0)
        app.io.close()


def test_an_hour_passes_at_once_and_heartbeats_are_answered(app: App, transport: str) -> None:
    client = app(transport=transport)
    pings: list[str] = []
    app.io.sockets[client.id or ""].conn.on("packet", lambda kind, data: pings.append(kind))
    client.pass_time(3600)
    assert client.connected
    assert pings.count("pong") == 3600 // 25
    assert client.call("echo", 1) == 1


def test_deadlines_come_when_their_time_has_passed(transport: str) -> None:
    app = App(ping_interval=25, ping_timeout=20, connection_state_recovery=True)
    client = app(transport=transport, answer_pings=False)
    client.pass_time(44)
    assert client.connected
    client.pass_time(2)
    assert app.reasons == ["ping timeout"]
    back = app(auth={"pid": client.pid, "offset": client.offset})
    assert app.io.sockets[back.id or ""].recovered
    back.kill()
    other = app()
    other.pass_time(121)
    late = app(auth={"pid": back.pid, "offset": back.offset})
    assert not app.io.sockets[late.id or ""].recovered
    app.io.close()


def test_no_time_passes_for_a_server_that_is_not_known() -> None:
    io = Server()
    with (
        TestClient(lambda environ, start_response: io(environ, start_response)) as client,
        pytest.raises(RuntimeError, match="WSGIApp"),
    ):
        client.pass_time(1)
    io.close()
