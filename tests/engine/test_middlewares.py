"""WSGI middlewares before the engine: they see everything first, and a WebSocket goes past them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from socketio_sync import HandshakeRefused, Server
from socketio_sync.engine import EngineServer
from socketio_sync.run import Runner
from tests.support.client import Connection, Poller, close_all
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged, functions
from tests.support.server import Servers, eventually
from tests.support.ws_client import CLOSE, WebSocket, ask

HANDSHAKE = f"{PATH}?EIO=4&transport=polling"

App = Callable[[dict[str, Any], Any], Any]


def plain(app: App) -> App:
    """Hand everything on as it is."""
    return lambda environ, start_response: app(environ, start_response)


def wrapping(app: App) -> App:
    """Add a header, copy the environ, and wrap the body, as a session middleware does."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Wrapped", "yes")], exc_info)

        return iter(app({**environ, "session": "from the middleware"}, start))

    return middleware


def generator(app: App) -> App:
    """Run only when the body is asked for."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        environ["session"] = "from the middleware"
        yield from app(environ, start_response)

    return middleware


def reading(app: App) -> App:
    """Put another object in the place of the request's body."""

    class Body:
        def __init__(self, body: Any) -> None:
            self.read = body.read

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"] = Body(environ["wsgi.input"])
        return app(environ, start_response)

    return middleware


KINDS = {"plain": plain, "wrapping": wrapping, "generator": generator, "reading": reading}


@pytest.fixture
def runner() -> Iterator[Callable[[EngineServer], int]]:
    started: list[tuple[EngineServer, Runner]] = []

    def start(engine: EngineServer) -> int:
        started.append((engine, Runner(engine, port=0)))
        started[-1][1].start()
        return started[-1][1].address[1]

    yield start
    close_all()
    for engine, each in started:
        engine.close()
        each.stop(timeout=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["pywsgi", "gevent-websocket", "runner"])
@pytest.mark.feature(15)
def test_both_transports_and_the_upgrade_go_through(
    host: str, kind: str, runner: Callable[[EngineServer], int]
) -> None:
    engine = EngineServer(ping_interval=0.2)
    engine.use(KINDS[kind])
    engine.on("connection", lambda session: session.on("message", session.send))
    server: Any = None
    if host == "runner":
        port = runner(engine)
    else:
        handler = {"handler_class": WebSocketHandler} if host == "gevent-websocket" else {}
        server = WSGIServer(("127.0.0.1", 0), engine, log=None, **handler)
        server.start()
        port = server.server_port
    try:
        ws = WebSocket(port, path=PATH).open()
        ws.send("4echo", b"\x00")
        assert [ws.receive(), ws.receive()] == ["4echo", b"\x00"]
        # Longer than the host's handler lives, which must not have taken the connection along.
        assert ws.receive() == "2"
        poller = Poller(port, path=PATH).open()
        assert poller.opened["upgrades"] == ["websocket"]
        poller.hold()
        poller.say("4a")
        assert poller.held() == ["4a"]
        moved = WebSocket(port, f"EIO=4&transport=websocket&sid={poller.sid}", path=PATH)
        moved.send("2probe", "5", "4moved")
        assert [moved.receive(), moved.receive()] == ["3probe", "4moved"]
        poller.gets.close()
    finally:
        close_all()
        engine.close()
        if server is not None:
            server.stop(timeout=1)


GUNICORN = """
import sys
from gunicorn.app.base import BaseApplication
from socketio_sync import Server

io = Server()
io.on("echo", lambda socket, *values: values)

@io.engine.use
def middleware(app):
    def wrapped(environ, start_response):
        yield from app(environ, start_response)
    return wrapped

class Application(BaseApplication):
    def load_config(self):
        for name, value in {"bind": "127.0.0.1:0", "worker_class": "gevent", "when_ready": report,
                            "control_socket_disable": True, "graceful_timeout": 1}.items():
            self.cfg.set(name, value)

    def load(self):
        return io

def report(arbiter):
    print(arbiter.LISTENERS[0].sock.getsockname()[1], flush=True)

Application().run()
"""


def test_under_gunicorn_nothing_of_the_hosts_end_reaches_a_middleware() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", GUNICORN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        port = int(process.stdout.readline())
        ws = WebSocket(port).open()
        ws.join()
        ws.send('421["echo","a"]')
        assert ws.receive() == '431["a"]'
        poller = Poller(port).open()
        poller.say("40")
        assert poller.poll()[0].startswith("40")
    finally:
        close_all()
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors, errors


@pytest.mark.feature(35)
def test_a_middleware_sees_every_request_in_the_order_of_registration(mount: Mount) -> None:
    site = mount()
    seen: list[tuple[str, str]] = []

    def noting(name: str) -> Callable[[App], App]:
        def middleware(app: App) -> App:
            def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
                seen.append((name, environ["REQUEST_METHOD"]))
                return app(environ, start_response)

            return wrapped

        return middleware

    for name in ("first", "second"):
        assert callable(site.engine.use(noting(name)))
    poller, session = site.poller()
    poller.say("4a")
    session.send("b")
    poller.poll()
    site.upgrade(poller)
    Connection(site.port).get(f"{PATH}?transport=nonsense")
    Connection(site.port).get("/elsewhere")
    methods = ["GET", "POST", "GET", "GET", "GET"]
    assert seen == [(name, method) for method in methods for name in ("first", "second")]


@pytest.mark.feature(148)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("kind", [wrapping, generator])
def test_what_it_adds_to_the_environ_is_in_the_handshake(serve: Servers, transport: str, kind: Any) -> None:
    running = serve()
    running.io.engine.use(kind)
    if transport == "polling":
        running.join_poller()
    else:
        running.join_websocket()
    environ = running.sockets[0].handshake.environ
    assert environ["session"] == "from the middleware"
    assert not [key for key in environ if key.startswith("socketio_sync.")]


def test_it_may_add_headers_and_answer_by_itself(mount: Mount) -> None:
    site = mount()
    site.engine.use(wrapping)

    def guard(app: App) -> App:
        def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
            if "let+me+in" in environ["QUERY_STRING"]:
                return app(environ, start_response)
            start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("Connection", "keep-alive")])
            return [b"who are you?"]

        return wrapped

    site.engine.use(guard)
    answer = Connection(site.port).get(HANDSHAKE)
    assert (answer.status, answer.text, answer.header("x-wrapped")) == (401, "who are you?", "yes")
    connection, answer = ask(site.port, path=PATH)
    assert (answer.status, answer.text, answer.header("connection")) == (401, "who are you?", "close")
    assert connection.at_end()
    answer = Connection(site.port).get(f"{HANDSHAKE}&token=let+me+in")
    assert (answer.status, answer.header("x-wrapped")) == (200, "yes")
    assert len(site.sessions) == 1


FAILURES: list[tuple[Any, tuple[int, int, str], dict[str, Any]]] = [
    (LookupError("no such user"), (400, 3, "Bad request"), {"name": "MIDDLEWARE_FAILURE"}),
    (HandshakeRefused(4, "not you"), (403, 4, "not you"), {"message": "not you"}),
]


def failing(error: Exception, lazily: bool) -> Callable[[App], App]:
    def middleware(app: App) -> App:
        def at_once(environ: dict[str, Any], start_response: Any) -> Any:
            raise error

        def later(environ: dict[str, Any], start_response: Any) -> Any:
            yield at_once(environ, start_response)

        return later if lazily else at_once

    return middleware


@pytest.mark.parametrize(("error", "refusal", "context"), FAILURES)
@pytest.mark.parametrize("lazily", [False, True])
def test_one_that_raises_refuses_and_is_logged(
    mount: Mount, logged: Logged, error: Exception, refusal: Any, context: Any, lazily: bool
) -> None:
    site = mount()
    told: list[Any] = []
    site.engine.on("connection_error", lambda environ, *what: told.append(what))
    site.engine.use(failing(error, lazily))
    assert Connection(site.port).get(HANDSHAKE).error == refusal
    posting = Connection(site.port)
    assert posting.request("POST", f"{HANDSHAKE}&sid=x", body=b"4" * 100_000).error == refusal
    connection, answer = ask(site.port, path=PATH)
    assert (answer.error, answer.header("connection")) == (refusal, "close")
    assert connection.at_end()
    assert told == [(*refusal[1:], context)] * 3
    records = logged.take()
    assert len(records) == (0 if isinstance(error, HandshakeRefused) else 3)
    assert all(functions(record)[-1] == "at_once" for record in records)
    assert site.sessions == []


def test_where_the_host_has_answered_101_a_failure_is_a_close_frame(logged: Logged) -> None:
    engine = EngineServer()
    engine.use(failing(LookupError("no such user"), False))
    server = WSGIServer(("127.0.0.1", 0), engine, log=None, handler_class=WebSocketHandler)
    server.start()
    try:
        assert WebSocket(server.server_port, path=PATH).frame()[0] == CLOSE
    finally:
        close_all()
        server.stop(timeout=1)
    assert len(logged.take()) == 1


def test_one_that_raises_when_the_websocket_is_open_costs_nothing_but_a_log_line(
    mount: Mount, logged: Logged
) -> None:
    site = mount()

    def late(app: App) -> App:
        def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
            app(environ, start_response)
            raise LookupError("too late")

        return wrapped

    site.engine.use(late)
    ws, session = site.websocket()
    ws.send("4alive")
    eventually(lambda: site.messages == ["alive"])
    assert session.is_open
    (record,) = logged.take()
    assert functions(record)[-1] == "wrapped"


def test_what_the_engine_or_a_hook_raises_is_not_the_middlewares_fault(
    mount: Mount, logged: Logged, capfd: pytest.CaptureFixture[str]
) -> None:
    def break_down(headers: Any, environ: dict[str, Any]) -> None:
        raise LookupError("in the headers")

    site = mount()
    site.engine.on("headers", break_down)
    site.engine.use(wrapping)
    assert Connection(site.port).get(HANDSHAKE).status == 500
    assert "in the headers" in capfd.readouterr().err
    assert logged.take() == []


def test_an_environ_of_its_own_making_costs_the_websocket_and_says_so(mount: Mount, logged: Logged) -> None:
    site = mount()

    def making(app: App) -> App:
        def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
            own = {key: value for key, value in environ.items() if not key.startswith("socketio_sync")}
            own["wsgi.input"] = None
            return app(own, start_response)

        return wrapped

    site.engine.use(making)
    opened = json.loads(Connection(site.port).get(HANDSHAKE).text[1:])
    assert opened["upgrades"] == []
    assert ask(site.port, path=PATH)[1].status == 503
    assert any("SIO403" in text for text in logged.warnings())


def test_polls_are_watched_behind_a_middleware_too(mount: Mount) -> None:
    site = mount()
    site.engine.use(reading)
    poller, session = site.poller()
    poller.hold()
    eventually(lambda: session.writable)
    poller.gets.close()
    site.closed("transport error")


def test_a_server_without_middlewares_is_called_directly() -> None:
    engine = Server().engine
    assert engine._serve == engine.serve
