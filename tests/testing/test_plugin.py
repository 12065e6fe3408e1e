"""The pytest plugin, as installed: in pytest runs of their own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

APP = """
import pytest
from socketio_sync import ConnectionRefused, Server

io = Server()

@io.on("echo")
def echo(socket, value):
    socket.broadcast.emit("news", value)
    return value

@io.on("fail")
def fail(socket):
    raise ValueError("the handler's fault")

@io.on("disconnect")
def disconnect(socket, reason):
    print("left:", reason)
"""


def outcome(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(app=APP, test_app=f"import pytest\nfrom app import io\n{tests}")
    return pytester.runpytest_subprocess("-W", "error", "-rP", *arguments)


def test_clients_are_made_by_the_fixture_and_disconnected_at_the_end(pytester: pytest.Pytester) -> None:
    result = outcome(
        pytester,
        """
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_news(socketio_client, transport):
    ann, bob = socketio_client(io), socketio_client(io, transport=transport)
    assert ann.call("echo", 1) == 1
    assert bob.expect("news").args == (1,)
    assert len(io.sockets) == 2

def test_nobody_is_left(socketio_client):
    assert len(io.sockets) == 0
""",
    )
    result.assert_outcomes(passed=3)
    assert (
        result.outlines.count("left: transport close")
        + result.outlines.count("left: client namespace disconnect")
        == 4
    )


def test_a_test_fails_when_a_handler_has_raised(pytester: pytest.Pytester) -> None:
    result = outcome(
        pytester,
        """
def test_raises(socketio_client):
    client = socketio_client(io)
    client.emit("fail")

def test_next(socketio_client):
    assert socketio_client(io).call("echo", 1) == 1
""",
    )
    # The test itself has passed when its end fails.
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*application code has raised:*", "*ValueError: the handler's fault*"])


@pytest.mark.parametrize("quiet", ["logging.disable(logging.CRITICAL)", "logging.getLogger().setLevel(60)"])
def test_it_fails_even_where_nothing_is_logged(pytester: pytest.Pytester, quiet: str) -> None:
    result = outcome(
        pytester,
        f"""
import logging

{quiet}

def test_raises(socketio_client):
    socketio_client(io).emit("fail")
""",
    )
    result.assert_outcomes(passed=1, errors=1)


def test_an_error_that_the_test_expects_is_none(pytester: pytest.Pytester) -> None:
    result = outcome(
        pytester,
        """
def test_expected(socketio_client):
    client = socketio_client(io)
    client.emit("fail")
    assert str(socketio_client.expect_error(ValueError)) == "the handler's fault"

def test_missing(socketio_client):
    client = socketio_client(io)
    client.emit("fail")
    socketio_client.expect_error(KeyError, timeout=0.1)
""",
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*nothing has raised KeyError within 0.1 s, but [[]ValueError*"])


def test_an_application_may_patch_the_standard_library_after_the_plugin_was_loaded(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest("from gevent import monkey\nmonkey.patch_all()")
    result = outcome(
        pytester,
        """
import time
from threading import Thread

def test_patched(socketio_client):
    client = socketio_client(io)
    io.on("sleep", lambda socket, seconds: time.sleep(seconds))
    thread = Thread(target=io.emit, args=("from a thread",))
    thread.start()
    client.expect("from a thread")
    assert client.call("sleep", 0.01) is None
""",
    )
    result.assert_outcomes(passed=1)


def test_a_project_that_does_not_use_it_sees_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys
import threading

def test_plain():
    assert threading.active_count() == 1
    assert "gevent.monkey" not in sys.modules or not sys.modules["gevent.monkey"].saved
"""
    )
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("-p", "no:socketio_sync", "--fixtures")
    result.stdout.no_fnmatch_line("*socketio_client*")


@pytest.mark.parametrize("serving", ["io", "WSGIApp(io, page)"])
def test_an_application_is_served_on_a_port_for_other_programs(
    pytester: pytest.Pytester, serving: str
) -> None:
    script = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
    result = outcome(
        pytester,
        f"""
import sys
from socketio_sync import WSGIApp

def page(environ, start_response):
    start_response("200 OK", [])
    return []

def test_served(socketio_server, socketio_client):
    url = socketio_server({serving})
    path = "/socket.io/?EIO=4&transport=polling"
    assert socketio_server.run([sys.executable, "-c", {script!r}, url + path]).stdout == "200\\n"
    # The same server, without the port.
    assert socketio_client(io).call("echo", 1) == 1

def test_failure(socketio_server):
    with pytest.raises(AssertionError, match="NameError"):
        socketio_server.run([sys.executable, "-c", "nobody"])
    program = "import time; print('begun', flush=True); time.sleep(60)"
    with pytest.raises(AssertionError, match="hasn't ended within 2 s:\\\\nbegun"):
        socketio_server.run([sys.executable, "-c", program], timeout=2)
""",
    )
    result.assert_outcomes(passed=2)
