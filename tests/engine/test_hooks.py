"""Where an application has its say in requests: hooks for headers and refusals, and who is let in."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.exceptions import HandshakeRefused
from tests.support.client import Connection
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import Servers
from tests.support.ws_client import ask

HANDSHAKE = f"{PATH}?EIO=4&transport=polling"


@pytest.mark.feature(42)
def test_headers_are_added_to_every_answer_and_to_the_first_of_a_session(mount: Mount) -> None:
    site = mount()
    site.engine.on("headers", lambda headers, environ: headers.append(("X-Every", environ["REQUEST_METHOD"])))
    site.engine.on("initial_headers", lambda headers, environ: headers.append(("X-First", "yes")))
    connection = Connection(site.port)
    opened = connection.get(HANDSHAKE)
    assert (opened.header("x-every"), opened.header("x-first")) == ("GET", "yes")
    poller, session = site.poller()
    session.send("a")
    later = poller.get()
    assert (later.header("x-every"), later.header("x-first")) == ("GET", None)
    assert connection.get(f"{HANDSHAKE}&sid=nobody").header("x-every") == "GET"
    ws, _ = site.websocket()
    assert (ws.answer.header("x-every"), ws.answer.header("x-first")) == ("GET", "yes")
    assert site.probe(poller).answer.header("x-first") is None


def test_a_hook_cannot_split_the_answer_to_an_upgrade(
    mount: Mount, capfd: pytest.CaptureFixture[str]
) -> None:
    site = mount()
    site.engine.on("headers", lambda headers, environ: headers.append(("X-Bad", "a\r\nX-Evil: 1")))
    _, answer = ask(site.port, path=PATH)
    assert answer.status == 500
    assert answer.header("x-evil") is None
    # The application's fault, and reported as such.
    assert "ValueError: not a header" in capfd.readouterr().err


REFUSALS: list[tuple[Any, tuple[int, int, str]]] = [
    (False, (403, 4, "Forbidden")),
    (HandshakeRefused(), (403, 4, "Forbidden")),
    (HandshakeRefused(4, "come back later"), (403, 4, "come back later")),
]


@pytest.mark.parametrize(("verdict", "error"), REFUSALS)
@pytest.mark.feature(36)
def test_allow_request_refuses_before_there_is_a_session(mount: Mount, verdict: Any, error: Any) -> None:
    asked: list[str] = []
    told: list[Any] = []

    def allow(environ: Any) -> Any:
        asked.append(environ["QUERY_STRING"])
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    site = mount(allow_request=allow)
    site.engine.on("connection_error", lambda environ, code, message, context: told.append((code, message)))
    assert Connection(site.port).get(HANDSHAKE).error == error
    assert ask(site.port, path=PATH)[1].error == error
    assert asked == ["EIO=4&transport=polling", "EIO=4&transport=websocket"]
    assert told == [error[1:]] * 2
    assert site.sessions == []


def test_an_error_in_allow_request_allows_nothing(mount: Mount, logged: Logged) -> None:
    site = mount(allow_request=lambda environ: 1 / 0)
    assert Connection(site.port).get(HANDSHAKE).error == (403, 4, "Forbidden")
    assert ask(site.port, path=PATH)[1].error == (403, 4, "Forbidden")
    records = logged.take()
    assert [record.getMessage() for record in records] == ["allow_request failed"] * 2
    assert site.sessions == []


@pytest.mark.parametrize("verdict", [True, None, 0, ""])
def test_only_false_refuses(mount: Mount, verdict: Any) -> None:
    site = mount(allow_request=lambda environ: verdict)
    site.poller()
    site.websocket()
    assert site.engine.clients_count == 2


def test_allow_request_is_asked_once_for_each_session(mount: Mount) -> None:
    asked: list[Any] = []
    site = mount(allow_request=asked.append)
    poller, session = site.poller()
    poller.say("4x")
    session.send("y")
    poller.poll()
    site.upgrade(poller)
    assert len(asked) == 1


@pytest.mark.parametrize("configured", ["/deep/path", "/deep/path/"])
def test_the_path_is_an_option(mount: Mount, configured: str) -> None:
    site = mount(path=configured)
    assert Connection(site.port).get("/deep/path/?EIO=4&transport=polling").status == 200
    assert Connection(site.port).get("/deep/path?EIO=4&transport=polling").status == 404
    connection, answer = ask(site.port, path="/elsewhere")
    assert answer.status == 400
    assert connection.at_end()


@pytest.mark.parametrize("path", ["/deep/path", "/deep/path/"])
@pytest.mark.feature(11)
def test_the_path_without_a_slash_is_served_where_clients_add_none(mount: Mount, path: str) -> None:
    site = mount(path=path, add_trailing_slash=False)
    for target in ("/deep/path", "/deep/path/", "/deep/path/below"):
        assert Connection(site.port).get(f"{target}?EIO=4&transport=polling").status == 200
    assert Connection(site.port).get("/deep/pathos?EIO=4&transport=polling").status == 404
    assert ask(site.port, path="/deep/path")[1].status == 101


def test_an_id_that_is_in_use_is_refused_and_its_session_lives(serve: Servers, logged: Logged) -> None:
    running = serve(generate_id=lambda environ: "always-the-same")
    poller = running.join_poller()
    answer = Connection(running.port).get("/socket.io/?EIO=4&transport=polling")
    assert answer.error == (400, 3, "Bad request")
    assert len(logged.take()) == 1
    poller.say('421["echo",1]')
    assert poller.poll() == ["431[1]"]
