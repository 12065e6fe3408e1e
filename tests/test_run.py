"""The runner: addresses, TLS, signals and the clean stop."""

from __future__ import annotations

import errno
import os
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.ssl import SSLContext

from socketio_sync.run import Runner
from tests.support.client import Connection
from tests.support.runner import Application, Serve, serve
from tests.support.server import eventually

__all__ = ["serve"]

ROOT = Path(__file__).parent.parent


def test_port_0_becomes_a_real_port(serve: Serve) -> None:
    served = serve()
    host, port = served.runner.address
    assert host == "127.0.0.1"
    assert port > 0
    assert served.connect().get("/").status == 200


def test_starting_twice_is_starting_once(serve: Serve) -> None:
    served = serve()
    served.runner.start()
    assert served.runner.address[1] == served.port


def test_a_port_in_use_is_named(serve: Serve) -> None:
    port = serve().port
    with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is in use by another process") as error:
        Runner(Application(), port=port).start()
    assert error.value.errno == errno.EADDRINUSE


def test_an_address_of_somebody_else_is_named() -> None:
    with pytest.raises(OSError, match=r"can't listen on port 0 of 192\.0\.2\.1: "):
        Runner(Application(), host="192.0.2.1", port=0).start()


def test_accepted_connections_have_no_delay(serve: Serve) -> None:
    served = serve()
    connection = served.connect()
    connection.get("/")
    (ours,) = served.runner._server.connections
    assert ours.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ipv6_is_served(serve: Serve) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        # Containers often have none, and a test can't give them one.
        pytest.skip("this machine has no IPv6")
    served = serve(host="::1")
    with socket.create_connection(("::1", served.port), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    assert served.app.environs[0]["REMOTE_ADDR"] == "::1"


# -- TLS


# A key and a certificate that signs itself, for these tests only.
CERTIFICATE = str(Path(__file__).parent / "support" / "localhost.pem")


def over_tls(port: int) -> Connection:
    connection = Connection(port)
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection.sock = context.wrap_socket(connection.sock)
    return connection


def test_tls_is_served(serve: Serve) -> None:
    served = serve(certfile=CERTIFICATE)
    connection = over_tls(served.port)
    body = bytes(range(256)) * 4000
    for _ in range(2):
        assert connection.request("POST", "/echo", body=body).content == body
    assert served.app.environs[0]["wsgi.url_scheme"] == "https"
    assert connection.get("/megabytes/3").content == b"m" * 3_000_000
    connection.send(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.finish().status == 400


def test_who_doesnt_speak_tls_is_dropped_quietly(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    served = serve(certfile=CERTIFICATE, limits={"head_timeout": 0.2})
    plain, silent = served.connect(), served.connect()
    plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with suppress(ConnectionResetError):
        while plain.sock.recv(1000):
            pass
    start = monotonic()
    assert silent.at_end()
    assert monotonic() - start < 2
    assert over_tls(served.port).get("/").status == 200
    assert capfd.readouterr().err == ""


# -- Stopping


def test_stopping_ends_idle_connections_and_lets_requests_finish(serve: Serve) -> None:
    class Slow(Application):
        def do_slow(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            self.go_on.wait(5)
            start_response("200 OK", [])
            return [b"done"]

        def __init__(self) -> None:
            super().__init__()
            self.go_on = gevent.event.Event()

    app = Slow()
    stopped: list[str] = []

    served = serve(app=app, on_stop=lambda: stopped.append("called"))
    idle, fresh, busy = served.connect(), served.connect(), served.connect()
    idle.get("/")
    busy.begin("GET", "/slow")
    eventually(lambda: app.served == ["/", "/slow"])
    stop = gevent.spawn(served.runner.stop)
    eventually(lambda: served.runner._server.stopping)
    app.go_on.set()
    stop.get(timeout=1)
    answer = busy.finish()
    assert (answer.content, answer.header("connection")) == (b"done", "close")
    assert idle.at_end()
    assert fresh.at_end()
    assert busy.at_end()
    with pytest.raises(ConnectionRefusedError):
        served.connect()
    served.runner.stop()
    assert stopped == ["called"]


def test_requests_are_served_as_ever_until_on_stop_has_returned(serve: Serve) -> None:
    go_on = gevent.event.Event()
    served = serve(on_stop=lambda: go_on.wait(5))
    client = served.connect()
    stop = gevent.spawn(served.runner.stop)
    for _ in range(2):
        # On one connection, and on a new one.
        assert client.get("/").header("connection") != "close"
        assert served.connect().get("/").content == b"hello"
    go_on.set()
    stop.get(timeout=5)
    assert client.at_end()
    with pytest.raises(ConnectionRefusedError):
        served.connect()


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_that_has_arrived_when_the_runner_stops_is_answered(serve: Serve, tls: bool) -> None:
    served = serve(**({"certfile": CERTIFICATE} if tls else {}))
    connection = over_tls(served.port) if tls else served.connect()
    assert connection.get("/").status == 200
    # Nobody has looked for it yet.
    connection.begin("GET", "/")
    served.runner.stop()
    answer = connection.finish()
    assert (answer.status, answer.content) == (200, b"hello")
    assert connection.at_end()


def test_stopping_cuts_off_what_doesnt_finish_in_time(serve: Serve) -> None:
    class Endless(Application):
        def do_endless(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            gevent.sleep(60)
            return []

    app = Endless()
    served = serve(app=app, on_stop=lambda: gevent.sleep(60))
    connection = served.connect()
    connection.begin("GET", "/endless")
    eventually(lambda: app.served)
    start = monotonic()
    served.runner.stop(timeout=0.2)
    assert 0.15 < monotonic() - start < 1
    assert connection.finish().status == 500
    assert connection.at_end()


def test_an_on_stop_that_fails_is_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def on_stop() -> None:
        raise LookupError("at the end")

    serve(on_stop=on_stop).runner.stop()
    assert "on_stop failed" in caplog.text
    assert "at the end" in caplog.text


PROGRAM = """
    import sys
    import gevent
    from socketio_sync.run import Runner

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            print("slow", flush=True)
            gevent.sleep(float(environ["QUERY_STRING"]))
        start_response("200 OK", [])
        return [b"hello"]

    def on_stop():
        print("stopping", flush=True)
        gevent.sleep({pause})

    runner = Runner(app, port=0, on_stop=on_stop)
    runner.start()
    print(runner.address[1], flush=True)
    runner.serve_forever()
    print("stopped", flush=True)
"""


@contextmanager
def running(pause: float = 0.0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the runner in a process of its own; yield the process and its port."""
    program = textwrap.dedent(PROGRAM).format(pause=pause)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly(number: signal.Signals) -> None:
    with running() as (process, port):
        idle, busy = Connection(port), Connection(port)
        assert idle.get("/").status == 200
        busy.begin("GET", "/slow?0.3")
        assert line_of(process) == "slow"
        process.send_signal(number)
        assert busy.finish().content == b"hello"
        assert idle.at_end()
        assert [line_of(process), line_of(process)] == ["stopping", "stopped"]
        assert process.wait(timeout=5) == 0


def test_a_second_signal_ends_the_process_at_once() -> None:
    with running(pause=8.0) as (process, port):
        busy = Connection(port)
        busy.begin("GET", "/slow?8")
        assert line_of(process) == "slow"
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopping"
        start = monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == -signal.SIGTERM
        assert monotonic() - start < 1


def test_serving_ends_when_the_runner_is_stopped(serve: Serve) -> None:
    served = serve()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    serving = gevent.spawn(served.runner.serve_forever)
    assert served.connect().get("/").status == 200
    served.runner.stop()
    serving.get(timeout=5)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
