"""The Engine.IO server by itself: a WSGI callable, a table of sessions, events of their lives."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync.engine import EngineServer, EngineSocket
from socketio_sync.engine.host import reduced
from socketio_sync.engine.server import new_id
from tests.support.client import Connection, Poller
from tests.support.server import Host, Servers, eventually
from tests.support.ws_client import WebSocket

PATH = "/engine.io/"


@pytest.fixture
def engine() -> Any:
    engine = EngineServer(ping_interval=5)
    host = Host(engine)
    engine.port = host.port  # type: ignore[attr-defined]
    yield engine
    engine.close()
    host.stop()


def test_messages_of_both_kinds_come_and_go_in_order(engine: Any) -> None:
    engine.on("connection", lambda session: session.on("message", session.send))
    ws = WebSocket(engine.port, path=PATH).open()
    ws.send("4a", b"\x00\xff", "4b")
    assert [ws.receive() for _ in range(3)] == ["4a", b"\x00\xff", "4b"]
    poller = Poller(engine.port, path=PATH).open()
    poller.say("4a", "bAP8=")
    assert poller.poll() == ["4a", "bAP8="]


def test_a_path_that_is_not_its_own_is_404(engine: Any) -> None:
    for path in ("/", "/engine.io", "/engine.iox/", "/socket.io/?EIO=4&transport=polling"):
        assert Connection(engine.port).get(path).status == 404
    assert Connection(engine.port).get("/engine.io/below/?EIO=4&transport=polling").status == 200


def test_sessions_are_counted_and_found_by_id(engine: Any) -> None:
    ws = WebSocket(engine.port, path=PATH).open()
    assert engine.clients_count == 1
    session = engine.sessions[ws.sid]
    assert isinstance(session, EngineSocket)
    assert engine.find(ws.sid) is session
    assert engine.find("nobody") is None
    assert engine.find(None) is None
    with pytest.raises(TypeError):
        engine.sessions[ws.sid] = session
    ws.close()
    eventually(lambda: engine.clients_count == 0)


def test_there_are_no_other_events_than_the_documented_ones(engine: Any) -> None:
    with pytest.raises(ValueError, match="connexion"):
        engine.on("connexion", print)


@pytest.mark.feature(43)
def test_refused_requests_are_told_with_code_and_context(engine: Any) -> None:
    errors: list[Any] = []
    engine.on("connection_error", lambda environ, *error: errors.append((environ["PATH_INFO"], *error)))
    assert Connection(engine.port).get(PATH).error == (400, 0, "Transport unknown")
    assert errors == [(PATH, 0, "Transport unknown", errors[0][3])]
    assert "transport" in errors[0][3]


def test_hooks_add_headers_to_all_or_to_the_first_answer(engine: Any) -> None:
    engine.on("headers", lambda headers, environ: headers.append(("X-All", "1")))
    engine.on("initial_headers", lambda headers, environ: headers.append(("X-First", "1")))
    poller = Poller(engine.port, path=PATH)
    first = poller.gets.get(poller.target)
    assert (first.header("x-all"), first.header("x-first")) == ("1", "1")
    poller.opened = {"sid": next(iter(engine.sessions))}
    poller.target += f"&sid={poller.sid}"
    later = poller.post(b"4x")
    assert (later.header("x-all"), later.header("x-first")) == ("1", None)
    ws = WebSocket(engine.port, path=PATH)
    assert (ws.answer.header("x-all"), ws.answer.header("x-first")) == ("1", "1")


def test_close_ends_every_session_and_refuses_new_ones(engine: Any) -> None:
    reasons: list[str] = []
    engine.on("connection", lambda session: session.on("close", lambda *why: reasons.append(why[0])))
    ws = WebSocket(engine.port, path=PATH).open()
    poller = Poller(engine.port, path=PATH).open()
    poller.hold()
    eventually(lambda: engine.sessions[poller.sid].transport.held)
    engine.close()
    engine.close()
    assert ws.closed() == 1001
    assert poller.held() == ["1"]
    assert reasons == ["server shutting down"] * 2
    assert Connection(engine.port).get(f"{PATH}?EIO=4&transport=polling").status == 503


def test_ids_are_twenty_characters_and_safe_in_a_url() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(made) for made in ids} == {20}
    assert all(made.replace("-", "").replace("_", "").isalnum() for made in ids)


@pytest.mark.feature(40)
def test_an_application_may_make_the_ids(serve: Servers) -> None:
    running = serve(generate_id=lambda environ: f"mine-{environ['QUERY_STRING'][-1]}")
    assert running.poller(query="&n=7").sid == "mine-7"


@pytest.mark.parametrize("allowed", [True, None, False])
def test_an_application_may_refuse_sessions(serve: Servers, allowed: bool | None) -> None:
    running = serve(allow_request=lambda environ: allowed)
    answer = Connection(running.port).get("/socket.io/?EIO=4&transport=polling")
    assert answer.status == (403 if allowed is False else 200)


@pytest.mark.feature(32)
def test_what_belongs_to_the_host_does_not_outlive_the_request() -> None:
    environ = {"wsgi.input": 1, "gunicorn.socket": 2, "HTTP_HOST": "a", "my.key": 3}
    assert reduced(environ) == {"HTTP_HOST": "a", "my.key": 3}
