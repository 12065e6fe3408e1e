"""One Engine.IO session: what it sends and takes, its heartbeat, its one end."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from socketio_sync.engine.socket import EngineSocket
from socketio_sync.protocol.engineio.packet import Message
from tests.support.engine_server import Mount
from tests.support.logged import Logged, functions
from tests.support.outcomes import in_thread
from tests.support.server import Servers, eventually
from tests.support.ws_client import WebSocket

QUICK = {"ping_interval": 0.05, "ping_timeout": 0.05}


# -- messages -------------------------------------------------------------------------------------


def test_messages_keep_their_order_and_kind(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    for message in ("a", b"b", "", bytearray(b"c"), memoryview(b"d"), "ä\U0001f600"):
        session.send(message)  # type: ignore[arg-type]
    assert [ws.receive() for _ in range(6)] == ["4a", b"b", "4", b"c", b"d", "4ä\U0001f600"]
    ws.send("4x", b"y", "bAAE=")
    eventually(lambda: len(site.messages) == 3)
    assert site.messages == ["x", b"y", b"\x00\x01"]


def test_messages_from_threads_keep_the_order_of_each_thread(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()

    def send(name: str) -> None:
        for number in range(100):
            session.send(f"{name}{number}")

    running = [in_thread(send, name) for name in "ab"]
    got = [str(ws.receive())[1:] for _ in range(200)]
    for name in "ab":
        assert [text for text in got if text[0] == name] == [f"{name}{number}" for number in range(100)]
    for result in running:
        result.get(timeout=5)


def test_what_is_sent_after_the_close_is_ignored(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    session.close()
    session.send("late")
    session.send_messages((Message(b"late", False),))
    assert not session.is_open
    assert not session.writable
    assert poller.poll() == ["6", "1"]


@pytest.mark.feature(20)
def test_bytes_are_counted_until_they_are_delivered(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    assert session.buffered_bytes == 0
    session.send("12345")
    session.send(b"678")
    assert session.buffered_bytes == 8
    assert not session.writable
    poller.poll()
    assert session.buffered_bytes == 0
    poller.hold()
    eventually(lambda: session.writable)


# -- events ---------------------------------------------------------------------------------------


def test_the_names_of_events_are_checked(mount: Mount) -> None:
    _, session = mount().poller()
    for event in EngineSocket.EVENTS:
        session.on(event)(lambda *arguments: None)
    with pytest.raises(ValueError, match="'disconnect'"):
        session.on("disconnect", lambda: None)
    assert session.listeners("drain")


def test_drain_tells_when_everything_has_left(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    drained: list[int] = []
    session.on("drain", lambda: drained.append(session.buffered_bytes))
    session.send("a")
    assert drained == []
    poller.poll()
    assert drained == [0]


@pytest.mark.feature(17)
def test_upgrade_tells_the_new_transports_name(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    seen: list[Any] = []
    session.on("upgrade", seen.append)
    ws = site.upgrade(poller)
    eventually(lambda: seen)
    assert seen == ["websocket"]
    assert session.transport.name == "websocket"
    session.send("now here")
    assert ws.receive() == "4now here"


def test_listeners_may_block_and_fail(mount: Mount, logged: Any) -> None:
    site = mount()
    _, session = site.websocket()
    go = gevent.event.Event()
    done: list[str] = []
    session.on("close", lambda reason, description: go.wait())
    session.on("close", lambda reason, description: done.append(reason))
    session.close()
    assert done == ["forced close"]
    go.set()


# -- heartbeat --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_that_answers_pings_stays(mount: Mount, transport: str) -> None:
    site = mount(ping_interval=0.05, ping_timeout=0.5)
    if transport == "websocket":
        ws, session = site.websocket()
        for _ in range(4):
            assert ws.receive() == "2"
            ws.send("3")
    else:
        poller, session = site.poller()
        for _ in range(4):
            assert poller.poll() == ["2"]
            poller.say("3")
    assert session.is_open


@pytest.mark.feature(110)
def test_a_client_that_answers_no_ping_is_closed(mount: Mount) -> None:
    site = mount(**QUICK)
    ws, session = site.websocket()
    assert ws.receive() == "2"
    assert ws.closed() is None
    site.closed("ping timeout")
    assert session.reason == "ping timeout"
    assert not session.refused


def test_a_session_that_is_never_polled_ends_by_its_heartbeat(mount: Mount) -> None:
    site = mount(**QUICK)
    poller, _ = site.poller()
    site.closed("ping timeout")
    assert poller.is_forgotten()


def test_a_held_poll_is_told_of_the_timeout(mount: Mount) -> None:
    site = mount(**QUICK)
    poller, _ = site.poller()
    assert poller.poll() == ["2"]
    assert poller.poll() == ["1"]


def test_messages_do_not_replace_pongs_for_long(mount: Mount) -> None:
    site = mount(ping_interval=0.1, ping_timeout=0.1)
    ws, session = site.websocket()
    # A client that says something ten times in each timeout; it ends with the test.
    talking = gevent.spawn(lambda: [(ws.send("4x"), gevent.sleep(0.01)) for _ in range(200)])
    site.closed("ping timeout")
    assert len(site.messages) < 60
    talking.kill()
    assert not session.is_open


@pytest.mark.parametrize(("eio", "packet"), [(4, "2"), (3, "3")])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_heartbeat_in_the_wrong_direction_ends_the_session(
    mount: Mount, eio: int, packet: str, transport: str
) -> None:
    site = mount()
    if transport == "websocket":
        ws, session = site.websocket(f"EIO={eio}&transport=websocket")
        ws.send(packet)
        assert ws.closed() == 1008
    else:
        poller, session = site.poller(eio=eio)
        answer = poller.post(packet.encode() if eio == 4 else f"1:{packet}".encode())
        assert answer.error == (400, 3, "Bad request")
    site.closed("transport error")
    assert site.closes[0][1] == "invalid heartbeat direction"
    assert session.refused


def test_a_client_of_revision_3_pings_and_is_answered(mount: Mount) -> None:
    site = mount(ping_interval=0.2, ping_timeout=0.2)
    ws, session = site.websocket("EIO=3&transport=websocket")
    for _ in range(6):
        # The client's interval; together more than the server waits for one ping.
        gevent.sleep(0.08)
        ws.send("2")
        assert ws.receive() == "3"
    assert session.is_open
    site.closed("ping timeout")


def test_a_session_that_reads_nothing_blames_nobody_for_a_missing_pong(mount: Mount) -> None:
    site = mount(**QUICK)
    ws, session = site.websocket()
    session.pause()
    assert ws.receive() == "2"
    # It hears that the server is there, for longer than would blame it for its silence.
    for _ in range(3):
        assert ws.receive() == "2"
    assert session.is_open
    ws.send("3")
    session.resume()
    assert ws.receive() == "2"


# -- the one end --------------------------------------------------------------------------------------


def forced(session: Any, peer: Any) -> None:
    session.close()
    session.close()


ENDS: list[tuple[Any, str, bool]] = [
    (forced, "forced close", False),
    (lambda session, ws: ws.close(), "transport close", False),
    (lambda session, ws: ws.send("x"), "parse error", True),
    (lambda session, ws: ws.send("2", "x", ""), "transport error", True),
    (lambda session, ws: session.shut("server shutting down", code=1001), "server shutting down", False),
    (lambda session, ws: session.refuse("parse error", "what"), "parse error", True),
]


@pytest.mark.parametrize(("end", "reason", "refused"), ENDS)
def test_a_session_ends_once_with_the_first_reason(
    mount: Mount, end: Any, reason: str, refused: bool
) -> None:
    site = mount()
    ws, session = site.websocket()
    end(session, ws)
    site.closed(reason)
    session.close()
    session.on_close("transport error", "later")
    session.refuse("parse error", "later")
    session.on_packet(4, "later")
    ws.close()
    # A turn, in which a second end would be told.
    gevent.sleep(0)
    site.closed(reason)
    assert (session.reason, session.refused, session.is_open) == (reason, refused, False)
    assert site.messages == []


def test_a_close_from_a_thread(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    in_thread(session.close).get(timeout=5)
    assert ws.closed() is None
    site.closed("forced close")


@pytest.mark.parametrize("packet", ["0", "1", "5", "6"])
def test_packets_that_mean_nothing_now_are_ignored(mount: Mount, packet: str) -> None:
    site = mount()
    ws, session = site.websocket()
    ws.send(packet, "4after")
    eventually(lambda: site.messages == ["after"])
    assert session.is_open


def test_a_close_packet_over_polling_ends_the_session_and_the_held_get(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    poller.hold()
    eventually(lambda: session.writable)
    poller.say("4last", "1", "4ignored")
    assert poller.held() == ["6"]
    site.closed("transport close")
    assert site.messages == ["last"]
    assert poller.is_forgotten()


def test_the_close_is_held_up_by_no_handler(mount: Mount) -> None:
    site = mount()
    ws, session = site.websocket()
    go = gevent.event.Event()
    session.on("message", lambda message: go.wait())
    ws.send("4x")
    eventually(lambda: site.messages)
    ws.close()
    site.closed("transport close")
    go.set()


def test_what_polling_had_not_delivered_moves_on_the_upgrade(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    ws: WebSocket = site.probe(poller)
    session.send("a")
    session.send(b"b")
    ws.send("2probe")
    assert ws.receive() == "3probe"
    session.send("c")
    ws.send("5")
    assert [ws.receive() for _ in range(3)] == ["4a", b"b", "4c"]


def test_a_handler_that_raises_is_logged_with_the_session(serve: Servers, logged: Logged) -> None:
    running = serve()
    ws = running.websocket()
    session = running.session(ws.sid)

    @session.on("close")
    def close(reason: str, description: str) -> None:
        raise LookupError("the application's fault")

    session.close()
    assert ws.closed() is None
    (record,) = logged.take()
    assert session.id in record.getMessage()
    assert functions(record)[-1] == "close"


def test_a_client_of_revision_3_that_is_not_read_does_not_lose_its_heartbeat(mount: Mount) -> None:
    site = mount(ping_interval=0.1, ping_timeout=0.1)
    ws, session = site.websocket("EIO=3&transport=websocket")
    session.pause()
    ws.send("2")
    # As much as would blame the client, three times.
    gevent.sleep(0.6)
    assert session.is_open
    ws.send("2")
    session.resume()
    assert ws.receive() == "3"


# -- flush ------------------------------------------------------------------------------------------


BIG = "x" * 4_000_000


@pytest.mark.parametrize("run", [gevent.spawn, in_thread], ids=["greenlet", "thread"])
def test_flush_waits_for_the_kernel(mount: Mount, run: Any) -> None:
    ended: list[bool] = []
    site = mount()
    ws, session = site.websocket()
    assert session.flush()
    session.send("small")
    assert session.flush()
    assert session.buffered_bytes == 0
    session.send(BIG)
    waiting = run(lambda: ended.append(session.flush()))
    with pytest.raises(gevent.Timeout):
        waiting.get(timeout=0.05)
    assert session.buffered_bytes > 0
    assert ws.receive() == "4small"
    assert ws.receive() == f"4{BIG}"
    waiting.get(timeout=5)
    assert ended == [True]
    assert session.buffered_bytes == 0


def test_flush_waits_for_the_poll(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    session.send("a")
    waiting = gevent.spawn(session.flush)
    with pytest.raises(gevent.Timeout):
        waiting.get(timeout=0.02)
    assert poller.poll() == ["4a"]
    assert waiting.get(timeout=5) is True


def test_flush_goes_on_across_an_upgrade(mount: Mount) -> None:
    site = mount()
    poller, session = site.poller()
    session.send("a")
    waiting = gevent.spawn(session.flush)
    ws = site.upgrade(poller)
    assert waiting.get(timeout=5) is True
    assert session.transport.name == "websocket"
    assert ws is not None


@pytest.mark.parametrize("how", ["close", "cut"])
def test_flush_ends_with_the_session(mount: Mount, how: str) -> None:
    site = mount()
    ws, session = site.websocket()
    session.send(BIG)
    waiting = gevent.spawn(session.flush)
    eventually(lambda: session._flushing)
    if how == "close":
        session.close()
    else:
        ws.close()
    assert waiting.get(timeout=5) is False
    assert session.flush() is False
