"""Which host it is, is decided per request; a threaded one reaches a hub of ours."""

from __future__ import annotations

import threading
from functools import partial
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import gevent
import pytest

from socketio_sync import Server
from socketio_sync.engine.host import HubThread, on_gevent, refusal_reason, run_on_hub
from tests.support.outcomes import in_thread
from tests.support.server import eventually


def test_a_greenlet_of_the_hub_may_block() -> None:
    assert gevent.spawn(on_gevent).get() is True
    assert gevent.spawn(refusal_reason, {}).get() is None


def test_a_plain_thread_may_hold_polls_only_on_a_threaded_host() -> None:
    assert in_thread(on_gevent).get()[1] is False
    assert in_thread(refusal_reason, {"wsgi.multithread": True}).get()[1] is None
    reason = in_thread(refusal_reason, {"SERVER_SOFTWARE": "toy/1", "wsgi.multithread": False}).get()[1]
    assert reason.startswith("SIO411")
    assert "toy/1" in reason
    assert "gunicorn -k gevent" in reason


def request(server: Server, query: str, method: str = "GET", **environ: Any) -> tuple[str, bytes]:
    """Serve a request in the calling thread, as a threaded host does."""
    made: dict[str, Any] = {"PATH_INFO": "/socket.io/", "QUERY_STRING": query, "REQUEST_METHOD": method}
    setup_testing_defaults(made)
    made.update({"wsgi.multithread": True, **environ})
    started: list[str] = []
    body = b"".join(server(made, lambda status, headers: started.append(status)))
    return started[0], body


def test_a_threaded_host_holds_polls_and_invites_nobody_to_upgrade() -> None:
    server = Server()
    server.on("echo", lambda socket, value: value)
    status, body = in_thread(request, server, "EIO=4&transport=polling").get()[1]
    assert status == "200 OK"
    assert b'"upgrades":[]' in body
    sid = body.partition(b'"sid":"')[2][:20].decode()
    session = f"EIO=4&transport=polling&sid={sid}"
    held = in_thread(request, server, session)
    for packet in (b"40", b'421["echo",1]'):
        posted = {"wsgi.input": BytesIO(packet), "CONTENT_LENGTH": str(len(packet))}
        assert in_thread(partial(request, server, session, "POST", **posted)).get()[1] == ("200 OK", b"ok")
    answered = held.get()[1][1] + in_thread(request, server, session).get()[1][1]
    assert answered.startswith(b"40")
    assert b"431[1]" in answered
    in_thread(server.close).get()


def test_a_websocket_request_on_a_threaded_host_is_503_with_the_reason() -> None:
    upgrade = {
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    ask = partial(request, Server(), "EIO=4&transport=websocket", **upgrade)
    status, body = in_thread(ask).get()[1]
    assert status == "503 Service Unavailable"
    assert body.startswith(b"SIO401")


def test_a_host_that_serves_one_request_at_a_time_is_503_at_once() -> None:
    ask = partial(request, Server(), "EIO=4&transport=polling", **{"wsgi.multithread": False})
    status, body = in_thread(ask).get()[1]
    assert status == "503 Service Unavailable"
    assert body.startswith(b"SIO411")


def test_run_on_hub_returns_and_raises_what_the_function_does() -> None:
    runtime = HubThread().runtime
    # Giving way works only in a greenlet of that hub.
    ident, value = run_on_hub(runtime, lambda: (threading.get_ident(), gevent.sleep(0)))
    assert ident != threading.get_ident()
    assert value is None
    with pytest.raises(LookupError, match="there"):
        run_on_hub(runtime, _fail)


def _fail() -> None:
    raise LookupError("there")


@pytest.mark.feature(116)
def test_a_task_asked_for_before_the_first_request_chooses_no_hub_and_begins_with_it() -> None:
    server = Server()
    ran: list[int] = []
    server.background(lambda: ran.append(threading.get_ident()))
    in_thread(server.background, lambda: ran.append(threading.get_ident())).get()
    assert not server.engine.is_bound
    assert in_thread(request, server, "EIO=4&transport=polling").get()[1][0] == "200 OK"
    eventually(lambda: len(ran) == 2)
    # On the hub's own thread: the host serves requests in others.
    assert set(ran) == {run_on_hub(server.engine.runtime, threading.get_ident)}
    assert ran[0] != threading.get_ident()
    in_thread(server.close).get()
