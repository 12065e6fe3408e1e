"""Whoever is sent away because of a fault of its own stands in the log: once, with address and cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

import socketio_sync
from socketio_sync.engine.faults import OPTIONS, UPGRADE
from socketio_sync.options import ServerOptions
from tests.support.client import Connection, Poller
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually, let_poll
from tests.support.ws_client import CONT, TEXT, WebSocket, frame

PACKAGE = Path(socketio_sync.__file__).parent
WebSockets = Callable[[WebSocket], object]

# What a client sends, and what the line must say.
BY_WEBSOCKET: dict[str, tuple[WebSockets, str]] = {
    "frame too long": (lambda ws: ws.bytes.send(frame(TEXT, b"4" + bytes(1000))[:4]), "transport error"),
    "bad frame": (lambda ws: ws.bytes.send(b"\x81\x01x"), "transport error"),
    "bad UTF-8": (lambda ws: ws.bytes.send(frame(TEXT, b"4\xff")), "transport error"),
    "fragments": (
        lambda ws: ws.bytes.send(frame(TEXT, b"4", fin=False) + frame(CONT, fin=False) * 3),
        "transport error",
    ),
    "wrong heartbeat": (lambda ws: ws.send("2"), "transport error"),
    "no Engine.IO packet": (lambda ws: ws.send("x"), "parse error"),
    "empty": (lambda ws: ws.send(""), "parse error"),
    "bad packet": (lambda ws: ws.send("42{}"), "parse error"),
    "second CONNECT": (lambda ws: ws.send("40"), "forced close"),
    "packet for a namespace not joined": (lambda ws: ws.send('42/x,["a"]'), "forced close"),
}


def the_line(logged: Logged, sid: str, reason: str) -> str:
    """Return the one line, which says who and why."""
    (line,) = eventually(logged.warnings)
    what = reason if reason == UPGRADE else f"closing, {reason}"
    assert line.startswith(f"session {sid} of 127.0.0.1: {what}: "), line
    assert len(line.partition(f"{reason}: ")[2]) > 10
    return str(line)


@pytest.mark.parametrize(("send", "reason"), BY_WEBSOCKET.values(), ids=BY_WEBSOCKET)
def test_a_websocket_that_breaks_the_rules_is_logged_once(
    serve: Servers, logged: Logged, send: WebSockets, reason: str
) -> None:
    running = serve(max_http_buffer_size=1000, max_fragments=3)
    ws = running.join_websocket()
    send(ws)
    running.reached("disconnect", "/", reason)
    ws.close()
    eventually(lambda: not running.io.engine.clients_count)
    the_line(logged, ws.sid, reason)


def overlap(poller: Poller) -> None:
    poller.hold()
    assert Connection(poller.port).get(poller.target).status == 400


def second_body(poller: Poller) -> None:
    Connection(poller.port).begin("POST", poller.target, headers=[("Content-Length", "10")])
    eventually(lambda: poller.post(b"3").status == 400)


BY_POLLING: dict[str, tuple[Callable[[Poller], object], str]] = {
    "bad payload": (lambda poller: poller.post(b"x"), "parse error"),
    "bad packet": (lambda poller: poller.post(b"42{}"), "parse error"),
    "compressed": (
        lambda poller: poller.post(b"x", headers=[("Content-Encoding", "gzip")]),
        "transport error",
    ),
    "binary": (
        lambda poller: poller.post(b"x", headers=[("Content-Type", "application/octet-stream")]),
        "transport error",
    ),
    "second GET": (overlap, "transport error"),
    "second POST": (second_body, "transport error"),
}


@pytest.mark.parametrize(("send", "reason"), BY_POLLING.values(), ids=BY_POLLING)
def test_a_polling_client_that_breaks_the_rules_is_logged_once(
    serve: Servers, logged: Logged, send: Callable[[Poller], object], reason: str
) -> None:
    running = serve()
    poller = running.join_poller()
    send(poller)
    running.reached("disconnect", "/", reason)
    the_line(logged, poller.sid, reason)


def fill(running: Running) -> None:
    """Emit more than may wait."""
    for _ in range(3):
        running.sockets[0].emit("a", "x" * 10_000_000)


def test_a_polling_client_that_takes_too_little_is_logged_once(serve: Servers, logged: Logged) -> None:
    running = serve(max_outbound_bytes=10_000)
    poller = running.join_poller()
    fill(running)
    running.reached("disconnect", "/", "slow consumer")
    assert "not polled" in the_line(logged, poller.sid, "slow consumer")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"max_outbound_bytes": 10_000, "close_timeout": 0.1}, "not read"),
        ({"max_outbound_bytes": 100_000_000, "write_stall_timeout": 0.1}, "nothing was read for 0.1 s"),
    ],
    ids=["too much", "too long"],
)
def test_a_websocket_that_takes_too_little_is_logged_once(
    serve: Servers, logged: Logged, options: dict[str, float], why: str
) -> None:
    running = serve(**options)
    ws = running.join_websocket()
    fill(running)
    running.reached("disconnect", "/", "slow consumer")
    assert why in the_line(logged, ws.sid, "slow consumer")


@pytest.mark.parametrize("refused", [False, True])
def test_a_client_that_joins_nothing_is_logged_once(serve: Servers, logged: Logged, refused: bool) -> None:
    ws = serve(connect_timeout=0.05).websocket()
    if refused:
        ws.send("40/nowhere")
        assert ws.text().startswith("44/nowhere,")
    assert ws.closed() == 1008
    assert "in time" in the_line(logged, ws.sid, "forced close")


@pytest.mark.parametrize("packet", ["x", "42", "5", None])
def test_a_websocket_that_gets_no_upgrade_done_is_logged_once(
    serve: Servers, logged: Logged, packet: str | None
) -> None:
    running = serve(upgrade_timeout=0.1)
    poller = running.join_poller()
    ws = running.probe(poller)
    if packet is not None:
        ws.send(packet)
    assert ws.closed() == 1008
    the_line(logged, poller.sid, UPGRADE)


def test_who_goes_is_not_blamed(serve: Servers, logged: Logged) -> None:
    running = serve(ping_interval=0.05, ping_timeout=0.05)
    leaves, cut, silent = running.join_websocket(), running.join_websocket(), running.join_websocket()
    probe = running.probe(running.join_poller())
    probe.close()
    leaves.send("1")
    cut.close()
    eventually(lambda: not running.io.engine.clients_count)
    silent.close()
    # Its end isn't told by anything that the test could wait for.
    let_poll()
    assert logged.warnings() == []


def test_the_option_is_named_with_whatever_a_client_may_have_reached() -> None:
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "faults.py")
    options = {field.name for field in fields(ServerOptions)}
    for text, names in OPTIONS.items():
        assert text in sources, text
        assert set(names.split(", ")) <= options


def test_a_message_that_is_too_long_is_logged_with_its_option(serve: Servers, logged: Logged) -> None:
    running = serve(max_http_buffer_size=1_000)
    ws = running.websocket()
    ws.send("4" + "x" * 2_000)
    assert ws.closed() == 1009
    assert the_line(logged, ws.sid, "transport error").endswith("'message too big' (max_http_buffer_size)")
