"""Mounting: the server alone, before an application, with its client bundle, under the package's runner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import monkey

from socketio_sync import Server, WSGIApp
from tests.support.client import Connection, Poller, close_all
from tests.support.server import Host, eventually
from tests.support.ws_client import WebSocket, ask

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"page"]


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    hosts: list[Host] = []
    yield hosts
    close_all()
    for host in hosts:
        host.stop()


def hosted(hosts: list[Host], app: Any) -> int:
    hosts.append(Host(app))
    return hosts[-1].port


def test_a_server_is_a_wsgi_application(hosts: list[Host]) -> None:
    io = Server()
    port = hosted(hosts, io)
    assert Connection(port).get(HANDSHAKE).status == 200
    answer = Connection(port).get("/elsewhere")
    assert (answer.status, answer.content) == (404, b"not found")
    assert WebSocket(port).open().join()
    io.close()


@pytest.mark.parametrize("path", ["/socket.io", "/realtime/"])
@pytest.mark.feature(14)
def test_an_application_gets_every_request_that_is_not_the_servers(hosts: list[Host], path: str) -> None:
    io = Server(path=path)
    port = hosted(hosts, WSGIApp(io, page))
    mine = path.rstrip("/")
    assert Connection(port).get(f"{mine}/?EIO=4&transport=polling").content[:1] == b"0"
    assert Connection(port).get(f"{mine}/unknown").error == (400, 0, "Transport unknown")
    for other in (mine, f"{mine}?EIO=4&transport=polling", "/", f"{mine}x/", f"/x{mine}/"):
        assert Connection(port).get(other).content == b"page"
    assert ask(port, path=f"{mine}/")[1].status == 101
    io.close()


def test_without_an_application_other_paths_are_404(hosts: list[Host]) -> None:
    io = Server()
    port = hosted(hosts, WSGIApp(io))
    assert Connection(port).get("/").status == 404
    assert Connection(port).get(HANDSHAKE).status == 200
    io.close()


def test_two_servers_live_beside_each_other(hosts: list[Host]) -> None:
    first, second = Server(path="/first"), Server(path="/second")
    port = hosted(hosts, WSGIApp(first, WSGIApp(second, page)))
    seen: list[str] = []
    first.on("connection", lambda socket: seen.append("first"))
    second.on("connection", lambda socket: seen.append("second"))
    for name in ("second", "first"):
        Poller(port, path=f"/{name}/").open().join()
    assert seen == ["second", "first"]
    assert Connection(port).get("/").content == b"page"
    first.close()
    second.close()


# -- the client bundle -----------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name in ("socket.io.js", "socket.io.min.js", "socket.io.min.js.map"):
        (tmp_path / name).write_text(f"/* {name} */ " + "x" * 5000)
    (tmp_path / "secret.js").write_text("secret")
    return tmp_path


@pytest.mark.feature(129)
def test_the_client_bundle_is_served_with_an_etag(hosts: list[Host], bundle: Path) -> None:
    io = Server(serve_client=str(bundle), cors_allowed_origins="*")
    port = hosted(hosts, WSGIApp(io, page))
    connection = Connection(port)
    answer = connection.get("/socket.io/socket.io.js")
    assert answer.status == 200
    assert answer.text.startswith("/* socket.io.js */")
    assert answer.header("content-type") == "application/javascript; charset=utf-8"
    assert answer.header("cache-control") == "public, max-age=0"
    assert answer.header("access-control-allow-origin") == "*"
    tag = answer.header("etag")
    assert tag is not None
    for condition in (tag, f"W/{tag}", f'"other", {tag}'):
        again = connection.get("/socket.io/socket.io.js", headers=[("If-None-Match", condition)])
        assert (again.status, again.content, again.header("etag")) == (304, b"", tag)
    assert connection.get("/socket.io/socket.io.js", headers=[("If-None-Match", '"other"')]).status == 200
    source_map = connection.get("/socket.io/socket.io.min.js.map")
    assert source_map.header("content-type") == "application/json; charset=utf-8"
    assert source_map.header("etag") != tag


def test_the_client_bundle_is_compressed(hosts: list[Host], bundle: Path) -> None:
    port = hosted(hosts, Server(serve_client=str(bundle)))
    answer = Connection(port).get("/socket.io/socket.io.js", headers=[("Accept-Encoding", "gzip")])
    assert answer.header("content-encoding") == "gzip"
    assert len(answer.content) < 200


@pytest.mark.parametrize(
    "name", ["secret.js", "../secret.js", "%2e%2e/secret.js", "socket.io.esm.min.js", "x.js"]
)
def test_other_files_are_not_served(hosts: list[Host], bundle: Path, name: str) -> None:
    port = hosted(hosts, Server(serve_client=str(bundle)))
    assert Connection(port).get(f"/socket.io/{name}").error == (400, 0, "Transport unknown")


def test_the_bundle_takes_get_and_head_only(hosts: list[Host], bundle: Path) -> None:
    port = hosted(hosts, Server(serve_client=str(bundle)))
    head = Connection(port).request("HEAD", "/socket.io/socket.io.js")
    assert (head.status, head.content) == (200, b"")
    post = Connection(port).request("POST", "/socket.io/socket.io.js", body=b"")
    assert (post.status, post.header("allow")) == (405, "GET, HEAD")


def test_a_folder_without_the_bundle_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="npm install socket"):
        Server(serve_client=str(tmp_path))


def test_without_the_option_no_bundle_is_served(hosts: list[Host]) -> None:
    port = hosted(hosts, Server())
    assert Connection(port).get("/socket.io/socket.io.js").error == (400, 0, "Transport unknown")


# -- run -------------------------------------------------------------------------------------------------

RUN = """
import threading
from gevent.socket import socket
from socketio_sync import Server, WSGIApp

io = Server()
io.on("connection", lambda socket: socket.emit("hello"))

@io.on("disconnect")
def disconnect(socket, reason):
    io.sleep(0.05)
    print(reason, flush=True)

@io.on("close")
def close(socket, by):
    io.close() if by == "a handler" else threading.Thread(target=io.close).start()

def page(environ, start_response):
    if environ["PATH_INFO"] == "/close":
        io.close()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]

probe = socket()
probe.bind(("127.0.0.1", 0))
port = probe.getsockname()[1]
probe.close()
print(port, flush=True)
io.run({app}, port=port)
print("stopped", flush=True)
"""


@contextmanager
def running(app: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the program; yield the process and its port."""
    command = [sys.executable, "-c", RUN.replace("{app}", app)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        close_all()


def ends_with(process: subprocess.Popen[str], *lines: str) -> bool:
    """Tell whether a program says these lines, and ends without an error."""
    assert process.stdout is not None
    # The native pipe is read in a thread: the hub must go on meanwhile.
    output = gevent.get_hub().threadpool.apply(process.stdout.read)
    return output.splitlines() == [*lines] and gevent.get_hub().threadpool.apply(process.wait) == 0


@pytest.mark.parametrize("app", ["page", "WSGIApp(io, page)", "None"])
def test_run_serves_until_a_signal_and_lets_the_last_handlers_end(app: str) -> None:
    with running(app) as (process, port):
        connection = eventually(lambda: reachable(port), deadline=10)
        assert connection.get("/").status == (404 if app == "None" else 200)
        poller = Poller(port).open()
        poller.say("40")
        assert poller.poll()[-1] == '42["hello"]'
        ws = WebSocket(port).open()
        ws.join()
        assert ws.receive() == '42["hello"]'
        process.send_signal(signal.SIGTERM)
        assert ws.closed() == 1001
        ws.close()
        poller.close()
        assert ends_with(process, "server shutting down", "server shutting down", "stopped")


@pytest.mark.parametrize("by", ["a handler", "a page", "a thread"])
def test_run_ends_when_the_server_is_closed(by: str) -> None:
    with running("page") as (process, port):
        connection = eventually(lambda: reachable(port), deadline=10)
        ws = WebSocket(port).open()
        ws.join()
        if by == "a page":
            # Which is answered all the same.
            assert connection.get("/close").status == 200
        else:
            ws.send(f'42["close","{by}"]')
        assert ws.text() == '42["hello"]'
        assert ws.closed() == 1001
        assert ends_with(process, "server shutting down", "stopped")


def reachable(port: int) -> Connection | None:
    try:
        return Connection(port)
    except OSError:
        return None


def test_importing_the_package_patches_nothing() -> None:
    assert not monkey.is_module_patched("socket")
    code = "import socketio_sync; from gevent import monkey; print(monkey.saved)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "{}\n"
    )
