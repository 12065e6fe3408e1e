"""Rate limits: so much passes, one more is refused, and nobody else notices. The clock stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from socketio_sync.engine import rates
from socketio_sync.engine.rates import key_of
from socketio_sync.options import RateLimits
from tests.support.client import Connection, Headers, Poller, Response
from tests.support.engine_server import PATH, Mount
from tests.support.logged import Logged
from tests.support.server import Running, Servers, eventually
from tests.support.ws_client import UPGRADE_HEADERS, WebSocket, ask

REFUSED = (429, 4, "too many requests")
# All that is on by default is off here.
NONE = {"events": None, "bytes": None, "handshakes": None}
# So slow that no token comes back within a test, if the clock didn't stand still.
SLOW = 0.25


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "monotonic", clock)
    return clock


def only(kind: str, burst: float, **more: Any) -> dict[str, Any]:
    """Limit one thing."""
    return {**NONE, kind: SLOW, f"{kind}_burst": burst, **more}


# -- handshakes -------------------------------------------------------------------------------------


def by_polling(port: int, headers: Headers = ()) -> Response:
    return Connection(port).get(f"{PATH}?EIO=4&transport=polling", headers=headers)


def by_websocket(port: int, headers: Headers = ()) -> Response:
    return ask(port, path=PATH, headers=[*UPGRADE_HEADERS, *headers])[1]


WAYS = pytest.mark.parametrize("handshake", [by_polling, by_websocket])
Handshake = Callable[..., Response]


@pytest.mark.feature(136)
@WAYS
def test_one_handshake_too_many_is_429_before_anything_is_made(
    mount: Mount, logged: Logged, handshake: Handshake
) -> None:
    asked: list[Any] = []
    site = mount(rate_limit=only("handshakes", 3), allow_request=asked.append)
    told: list[Any] = []
    site.engine.on("connection_error", lambda environ, *what: told.append(what))
    assert [handshake(site.port).status for _ in range(3)] in ([200] * 3, [101] * 3)
    answer = handshake(site.port)
    assert (answer.error, answer.header("retry-after")) == (REFUSED, "4")
    assert site.engine.clients_count == len(asked) == 3
    context = {"name": "RATE_LIMIT", "kind": "handshakes", "retry_after": 4}
    assert told == [(4, "too many requests", context)]
    (text,) = [text for text in logged.warnings() if "SIO805" in text]
    assert all(word in text for word in ("127.0.0.1", "handshakes=0.25, 3 at once", "trusted_proxies"))


@WAYS
def test_after_the_time_that_was_named_one_more_may_come(
    mount: Mount, clock: Clock, handshake: Handshake
) -> None:
    site = mount(rate_limit=only("handshakes", 1))
    handshake(site.port)
    answer = handshake(site.port)
    clock.now += 1.5
    later = handshake(site.port)
    assert (answer.header("retry-after"), later.header("retry-after")) == ("4", "3")
    clock.now += 2.5
    assert handshake(site.port).status in (200, 101)
    assert handshake(site.port).status == 429


def test_what_belongs_to_a_session_is_no_handshake(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 1))
    poller, session = site.poller()
    for number in range(5):
        poller.say(f"4{number}")
        session.send("answer")
        assert poller.poll() == ["4answer"]
    site.upgrade(poller).send("4last")
    eventually(lambda: "last" in site.messages)


def test_addresses_are_those_that_trusted_proxies_tell(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 1), trusted_proxies=1)

    def come(address: str) -> int:
        return by_polling(site.port, headers=[("X-Forwarded-For", f"6.6.6.6, {address}")]).status

    assert [come("1.2.3.4"), come("1.2.3.4"), come("1.2.3.5"), come("::ffff:1.2.3.5")] == [200, 429, 200, 429]
    assert [come("2001:db8::1"), come("2001:db8::2:1"), come("2001:db8:0:1::1")] == [200, 429, 200]


def test_without_trust_a_client_cannot_name_another_address(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 1))
    statuses = [by_polling(site.port, headers=[("X-Forwarded-For", f"1.2.3.{n}")]).status for n in range(3)]
    assert statuses == [200, 429, 429]


def test_no_more_addresses_are_remembered_than_allowed(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 2, max_addresses=10, address_events=1.0), trusted_proxies=1)
    for number in range(100):
        by_polling(site.port, headers=[("X-Forwarded-For", f"1.2.3.{number}")])
    assert site.engine.rates is not None
    (_, buckets), *_ = site.engine.rates._handshakes
    assert len(buckets) == 10


def test_where_no_address_is_known_nobody_is_refused(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 1, address_events=SLOW, address_events_burst=1))
    site.engine.use(lambda app: lambda environ, start: app({**environ, "REMOTE_ADDR": ""}, start))
    for _ in range(3):
        poller, _ = site.poller()
        poller.say("4a", "4b")


# -- messages ---------------------------------------------------------------------------------------

# A CONNECT is a message, too: of one byte.
LIMITS = pytest.mark.parametrize(
    "limits",
    [
        only("events", 4),
        only("bytes", 1 + 3 * 8),
        only("address_events", 4),
        only("address_bytes", 1 + 3 * 8),
    ],
    ids=["events", "bytes", "address_events", "address_bytes"],
)
EVENTS = [f'42["e",{number}]' for number in range(1, 5)]


def kind_of(limits: dict[str, Any]) -> str:
    return next(kind for kind, value in limits.items() if value == SLOW)


@pytest.mark.feature(136)
@LIMITS
def test_one_message_too_many_closes_a_websocket_with_1008(
    serve: Servers, logged: Logged, limits: dict[str, Any]
) -> None:
    running = serve(rate_limit=limits)
    ws = running.join_websocket("e")
    ws.send(*EVENTS, '42["e",5]')
    running.assert_closed(ws, 1008, "rate limit")
    assert running.events() == [("e", 1), ("e", 2), ("e", 3)]
    (text,) = [text for text in logged.warnings() if "SIO806" in text]
    assert "127.0.0.1" in text
    assert f"{kind_of(limits)}=0.25" in text
    assert running.descriptions[0].startswith(f"rate limit: {kind_of(limits)}=0.25")


@LIMITS
def test_one_message_too_many_is_answered_400_where_it_is_posted(
    serve: Servers, limits: dict[str, Any]
) -> None:
    running = serve(rate_limit=limits)
    told: list[Any] = []
    running.io.engine.on("connection_error", lambda environ, *what: told.append(what))
    poller = running.join_poller("e")
    assert poller.post("\x1e".join([*EVENTS, '42["e",5]']).encode()).error == (400, 3, "Bad request")
    running.assert_ended("rate limit")
    assert running.events() == [("e", 1), ("e", 2), ("e", 3)]
    assert told == [(3, "Bad request", {"name": "RATE_LIMIT"})]


def talk(running: Running) -> WebSocket:
    """Join, and use up what a client has."""
    ws = running.join_websocket("e")
    ws.send(*EVENTS[:3])
    eventually(lambda: len(running.events()) % 3 == 0 and running.events())
    return ws


def test_a_client_that_is_closed_takes_nothing_from_others(serve: Servers) -> None:
    running = serve(rate_limit=only("events", 4))
    quiet, noisy = talk(running), running.join_websocket()
    noisy.send(*EVENTS, *EVENTS)
    assert noisy.closed() == 1008
    assert running.io.engine.clients_count == 1
    running.io.emit("still here")
    assert quiet.receive() == '42["still here"]'


def test_clients_of_one_address_share_what_is_for_the_address(serve: Servers) -> None:
    running = serve(rate_limit=only("address_events", 6))
    first, second = talk(running), running.join_websocket("f")
    second.send('42["f"]')
    assert running.reached("event", "/", "f")
    first.send(EVENTS[3])
    assert first.closed() == 1008
    assert running.io.engine.clients_count == 1


def test_tokens_come_back_with_time(serve: Servers, clock: Clock) -> None:
    running = serve(rate_limit=only("events", 4))
    ws = talk(running)
    clock.now += 4.0
    ws.send(EVENTS[3])
    assert running.reached("event", "/", "e", 4)
    ws.send(EVENTS[0])
    running.assert_closed(ws, 1008, "rate limit")


def test_heartbeats_are_not_counted(serve: Servers) -> None:
    running = serve(rate_limit=only("events", 2), ping_interval=0.02, ping_timeout=2)
    ws = running.join_websocket("e")
    for _ in range(5):
        assert ws.receive() == "2"
        ws.send("3")
    ws.send(EVENTS[0])
    assert running.reached("event", "/", "e", 1)


def test_acknowledgements_and_attachments_are_counted(serve: Servers) -> None:
    running = serve(rate_limit=only("events", 4))
    ws = running.join_websocket("e")
    called = gevent.spawn(running.sockets[0].call, "question", timeout=5)
    ws.receive()
    ws.send("430[1]", '451-["e",{"_placeholder":true,"num":0}]', b"data", EVENTS[0])
    running.assert_closed(ws, 1008, "rate limit")
    assert called.get() == 1
    assert running.events() == [("e", b"data")]


def test_bytes_are_those_of_utf_8(serve: Servers) -> None:
    running = serve(rate_limit=only("bytes", 1 + 12))
    ws = running.join_websocket("e")
    ws.send('42["e","éé"]')
    running.assert_closed(ws, 1008, "rate limit")
    assert running.events() == []


def test_both_ways_of_one_session_count_together(mount: Mount) -> None:
    site = mount(rate_limit=only("events", 3))
    poller, session = site.poller()
    poller.say("41", "42")
    ws = site.upgrade(poller)
    ws.send("43", "44")
    assert ws.closed() == 1008
    site.closed("rate limit")
    assert site.messages == ["1", "2", "3"]
    assert session.reason == "rate limit"


def test_who_watches_packets_sees_the_one_too_many(mount: Mount) -> None:
    site = mount(rate_limit=only("events", 1))
    ws, session = site.websocket()
    seen: list[Any] = []
    session.on("packet", lambda type, data: seen.append((type, data)))
    ws.send("4a", "4b")
    assert ws.closed() == 1008
    eventually(lambda: len(seen) == 2)
    assert site.messages == ["a"]


# -- on, off, and neither ---------------------------------------------------------------------------


def test_the_application_may_let_more_pass(mount: Mount, logged: Logged) -> None:
    asked: list[str] = []

    def allow(environ: Any, kind: str) -> bool:
        asked.append(kind)
        return "token=admin" in environ["QUERY_STRING"]

    limits = {**only("events", 1), **only("handshakes", 1)} | {"events": SLOW, "events_burst": 1}
    site = mount(rate_limit={**limits, "allow": allow})
    site.websocket()
    assert by_polling(site.port).status == 429
    ws, _ = site.websocket("EIO=4&transport=websocket&token=admin")
    ws.send("41", "42", "43")
    eventually(lambda: site.messages == ["1", "2", "3"])
    assert asked == ["handshakes", "handshakes", "events", "events"]
    assert len([text for text in logged.warnings() if "SIO80" in text]) == 1


def test_a_function_that_fails_lets_nothing_pass(mount: Mount, logged: Logged) -> None:
    def allow(environ: Any, kind: str) -> bool:
        raise RuntimeError("oops")

    site = mount(rate_limit=only("handshakes", 1, allow=allow))
    assert [by_polling(site.port).status for _ in range(2)] == [200, 429]
    (record,) = logged.take()
    assert "rate limits" in record.getMessage()


@pytest.mark.parametrize("off", [None, False])
def test_without_limits_nothing_stands_before_the_handler(mount: Mount, off: Any) -> None:
    site = mount(rate_limit=off)
    _, session = site.websocket()
    assert site.engine.rates is None
    assert type(session._handler).__name__ == "SessionEvents"


def test_where_only_handshakes_are_limited_nothing_stands_before_the_handler(mount: Mount) -> None:
    site = mount(rate_limit=only("handshakes", 5))
    _, session = site.websocket()
    assert type(session._handler).__name__ == "SessionEvents"


def test_an_honest_client_passes_the_default_limits(serve: Servers) -> None:
    running = serve(rate_limit=True)
    running.collect("e")
    pollers = [running.join_poller() for _ in range(20)]
    for poller in pollers:
        poller.say(*EVENTS, '42["e","' + "x" * 999_000 + '"]')
    eventually(lambda: len(running.events()) == 100)


def test_limits_may_be_an_object(mount: Mount) -> None:
    site = mount(rate_limit=RateLimits(handshakes=SLOW, handshakes_burst=1))
    assert [by_polling(site.port).status for _ in range(2)] == [200, 429]


def test_the_default_burst_is_what_comes_in_four_seconds_and_at_least_one_message(mount: Mount) -> None:
    site = mount(rate_limit={"events": 5, "bytes": 10, "handshakes": 0.1, "handshakes_burst": None})
    assert site.engine.rates is not None
    bursts = {limit.kind: limit.burst for limit in site.engine.rates._own}
    assert bursts == {"events": 20, "bytes": 1_000_000}
    assert [limit.burst for limit, _ in site.engine.rates._handshakes] == [1]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("_hidden", "_hidden"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_an_address_is_counted_as_what_one_client_may_have(address: str, key: str) -> None:
    assert key_of(address) == key


def test_a_poller_of_revision_3_is_limited_alike(mount: Mount) -> None:
    site = mount(rate_limit=only("events", 1))
    poller = Poller(site.port, path=PATH, eio=3).open()
    assert poller.post(b"2:4a2:4b").status == 400
    site.closed("rate limit")
    assert site.messages == ["a"]
