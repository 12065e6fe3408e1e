"""limits.md 2, R19: the log names each cause, then counts; it holds no secrets and can't be forged."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from itertools import count
from urllib.parse import quote

import gevent
import pytest

from tests.security.arena import Arena
from tests.security.conftest import SHORT, Arenas
from tests.security.test_polls import HANDSHAKE
from tests.support.client import DEADLINE, Connection, Headers, Poller, close_all
from tests.support.server import eventually
from tests.support.ws_client import TEXT, UPGRADE_HEADERS, WebSocket, frame

TOKEN = "s3cr3t-t0k3n"
HEADERS = [
    ("Cookie", f"io=1; session={TOKEN}"),
    ("Authorization", f"Bearer {TOKEN}"),
    ("X-Api-Key", TOKEN),
    ("User-Agent", f"browser {TOKEN}"),
    ("Referer", f"http://127.0.0.1/?token={TOKEN}"),
]
QUERY = f"&token={TOKEN}"
AUTH = json.dumps({"token": TOKEN})
LEFT_OUT = re.compile(r" \((\d+) more of this kind left out\)$")


@pytest.fixture(scope="module")
def arena(make_arena: Arenas) -> Arena:
    """Return a target whose namespaces are made for whoever asks; each greenlet that it keeps is there."""
    made = make_arena(**SHORT, dynamic=True)
    client = by_websocket(made)
    client.join("/made")
    client.send('42/made,["fail"]', '42["fail"]', "40/nowhere")
    assert client.text().startswith("44/nowhere,")
    client.send('420["echo"]')
    assert client.text() == "430[]"
    close_all()
    return made


def by_polling(arena: Arena) -> Poller:
    """Join by polling, with the token wherever one may stand."""
    poller = Poller(arena.port, query=QUERY, headers=HEADERS).open()
    poller.say(f"40{AUTH}")
    poller.poll()
    return poller


def by_websocket(arena: Arena) -> WebSocket:
    """Do the same on a WebSocket."""
    client = WebSocket(arena.port, f"EIO=4&transport=websocket{QUERY}", headers=HEADERS).open()
    client.send(f"40{AUTH}")
    assert client.text().startswith("40{")
    return client


def say(*packets: str | bytes) -> Callable[[Arena], object]:
    """Return an attack that sends messages on a WebSocket and is sent away for it."""

    def attack(arena: Arena) -> None:
        client = by_websocket(arena)
        client.send(*packets)
        while client.frame()[0] == TEXT:
            pass
        client.close()

    return attack


def send(data: bytes) -> Callable[[Arena], object]:
    """Do the same with bytes."""

    def attack(arena: Arena) -> None:
        client = by_websocket(arena)
        client.bytes.send(data)
        assert client.closed() is not None
        client.close()

    return attack


def post(body: bytes, length: int | None = None, headers: Headers = ()) -> Callable[[Arena], object]:
    """Do the same by polling."""

    def attack(arena: Arena) -> None:
        poller = by_polling(arena)
        size = len(body) if length is None else length
        poller.posts.begin("POST", poller.target, headers=[("Content-Length", str(size)), *headers, *HEADERS])
        poller.posts.send(body)
        assert poller.posts.finish().status in (400, 413, 415)
        poller.close()

    return attack


def ask(target: str, *headers: tuple[str, str]) -> Callable[[Arena], object]:
    """Return an attack that is one request."""

    def attack(arena: Arena) -> None:
        connection = Connection(arena.port)
        assert connection.get(target, headers=[*headers, *HEADERS]).status in (400, 403)
        connection.close()

    return attack


def overlap(arena: Arena) -> None:
    """Poll twice at a time."""
    poller = by_polling(arena)
    poller.hold()
    assert Connection(arena.port).get(poller.target).status == 400
    poller.close()


def bad_head(arena: Arena) -> None:
    """Send a head that is refused."""
    connection = Connection(arena.port)
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS)
    connection.send(f"GET {HANDSHAKE}{QUERY} HTTP/1.1\r\nHost: a\r\nHost: b\r\n{fields}\r\n".encode())
    assert connection.finish().status == 400
    connection.close()


def unhandled(arena: Arena) -> None:
    """Send an event that nobody handles."""
    client = by_websocket(arena)
    client.join("/made")
    client.send(f'42/made,["unknown","{TOKEN}"]', '420["echo"]')
    assert client.text() == "430[]"
    client.close()


FOREIGN = ("Origin", "https://evil.example")
# An attack, and what every line about it says.
CAUSES: dict[str, tuple[Callable[[Arena], object], str]] = {
    "body too long": (post(b"", 1_000_001), "SIO811"),
    "bad payload": (post(f'42["nothing","{TOKEN}"]\x1e9{TOKEN}'.encode()), "parse error"),
    "compressed body": (post(TOKEN.encode(), None, [("Content-Encoding", "gzip")]), "transport error"),
    "overlapping polls": (overlap, "transport error: 'overlap"),
    "bad packet": (say(f'42["nothing","{TOKEN}"'), "parse error"),
    "bad name": (say(f'42["connect","{TOKEN}"]'), "parse error"),
    "bad acknowledgement": (say(f'430{{"token":"{TOKEN}"}}'), "parse error"),
    "no packet": (say(f"x{TOKEN}"), "parse error"),
    "bad attachment": (
        say(f'451-["nothing","{TOKEN}",{{"_placeholder":true,"num":7}}]', b"x"),
        "parse error",
    ),
    "second CONNECT": (say(f"40{AUTH}"), "forced close"),
    "refused CONNECTs": (say(*[f"40/n,{AUTH}"] * 16), "forced close"),
    "not joined": (say(f'42/n,["nothing","{TOKEN}"]'), "forced close"),
    "bad frame": (send(b"\x81\x10" + TOKEN.encode()), "transport error"),
    "message too long": (send(frame(TEXT, bytes(1_000_001))[:14] + TOKEN.encode()), "transport error"),
    "bad UTF-8": (send(frame(TEXT, f'42["nothing","{TOKEN}'.encode() + b"\xff")), "transport error"),
    "foreign origin": (ask(f"{HANDSHAKE}{QUERY}", FOREIGN), "SIO501"),
    "no upgrade": (ask(f"/socket.io/?EIO=4&transport=websocket{QUERY}"), "SIO402"),
    "bad head": (bad_head, "refused a request from 127.0.0.1"),
    "unhandled event": (unhandled, "nobody handles the event 'unknown'"),
}


@pytest.mark.parametrize(("attack", "cause"), CAUSES.values(), ids=CAUSES)
def test_a_cause_is_named_and_then_counted_and_no_secret_with_it(
    arena: Arena, attack: Callable[[Arena], object], cause: str
) -> None:
    with arena.attack(cpu=2.0) as outcome, gevent.Timeout(20):
        for made in count(1):
            attack(arena)
            if made < 30:
                continue
            # What was left out is told with the first line of a later second.
            arena.stats()
            if counted(arena.log) == made:
                break
    assert len(outcome.log) < made
    assert all(cause in line for line in outcome.log)
    assert TOKEN not in outcome.full


def counted(lines: list[str]) -> int:
    """Return how many problems the lines stand for."""
    return len(lines) + sum(int(match[1]) for line in lines if (match := LEFT_OUT.search(line)))


def test_a_traceback_of_the_application_shows_nothing_that_was_sent(arena: Arena) -> None:
    with arena.attack(tracebacks=1) as outcome:
        client = by_websocket(arena)
        client.send(f'42["fail","{TOKEN}"]', '420["echo"]')
        assert client.text() == "430[]"
    assert "Traceback" in outcome.full
    assert TOKEN not in outcome.full


def test_a_session_is_named_as_such_and_nowhere_else(arena: Arena) -> None:
    with arena.attack() as outcome:
        client, poller = by_websocket(arena), by_polling(arena)
        client.send("x")
        assert client.closed() == 1008
        poller.post(b"x")
    for sid in (client.sid, poller.sid):
        assert outcome.full.count(sid) == outcome.full.count(f"session {sid} of 127.0.0.1") == 1


# -- what strangers chose ---------------------------------------------------------------------------------

EVIL = {
    "line feed": "\nERROR root: forged",
    "line ends": "\r\nERROR root: forged",
    "colour": "\x1b[31mforged\x1b[0m",
    "C1 escape": "\x9b31mforged",
    "line separator": "\u2028ERROR root: forged",
    "next line": "\x85ERROR root: forged",
    "right to left": "\u202edegrof",
    "NUL": "\x00forged",
    "surrogate": "\ud800forged",
    "long": "forged" * 1_000,
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_what_packets_say_forges_no_line(arena: Arena, text: str) -> None:
    # Not the longest that is refused; its end must be there to be seen.
    name = text[:240]
    fresh_second()
    with arena.attack(tracebacks=1) as outcome:
        for packet in (
            json.dumps([name]),
            json.dumps([name[:100], {name[:50]: name}]),
            f"/n{name},{json.dumps([name])}",
            f"/n{text * 2},{json.dumps([name])}",
            json.dumps([text * 2]),
        ):
            client = by_websocket(arena)
            client.send(frame_of(f"42{packet}"))
            client.send("1")
            client.close()
        client = by_websocket(arena)
        namespace = f"/made{name}"
        client.send(frame_of(f"40{namespace},"))
        assert client.text().startswith("40/made")
        unknown = json.dumps([f"unknown{name[:100]}"])
        client.send(frame_of(f'42{namespace},["fail"]'), frame_of(f"42{namespace},{unknown}"))
        client.send('420["echo"]')
        assert client.text() == "430[]"
        # Where a poll says it, it is the head that is looked at.
        ask(f"{HANDSHAKE}&sid={quote(text, errors='surrogatepass')}&a={quote(name, errors='replace')}")(arena)
    assert any("nobody handles the event 'unknown" in line for line in outcome.log)
    assert any("raised (namespace '/made" in line for line in outcome.log)


def fresh_second() -> None:
    """Wait until what was logged before doesn't count any more; both processes have the same clock."""
    began = int(time.monotonic())
    eventually(lambda: int(time.monotonic()) > began)


def frame_of(text: str) -> str:
    """Return text that UTF-8 can carry: what it can't is written as JSON does."""
    return text.encode("utf-8", "backslashreplace").decode()


WHERE = {
    "origin": ("Origin", "https://evil.example/{}"),
    "user agent": ("User-Agent", "{}"),
    "cookie": ("Cookie", "{}"),
    "address": ("X-Forwarded-For", "{}"),
    "proxy": ("Via", "1.1 {}"),
    "subprotocol": ("Sec-WebSocket-Protocol", "{}"),
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_what_headers_and_targets_say_forges_no_line(arena: Arena, text: str) -> None:
    raw = text.encode("utf-8", "replace") if max(text) > "\xff" else text.encode("latin-1")
    fresh_second()
    with arena.attack() as outcome:
        for target in (HANDSHAKE, "/socket.io/?EIO=4&transport=websocket"):
            upgrade = [f"{name}: {value}\r\n".encode() for name, value in UPGRADE_HEADERS[:1]]
            for name, value in WHERE.values():
                field = f"{name}: ".encode() + value.encode().replace(b"{}", raw) + b"\r\n"
                for fields in ([field], [field, *upgrade]):
                    send_head(arena, f"GET {target} HTTP/1.1\r\nHost: a\r\n".encode() + b"".join(fields))
            send_head(arena, f"GET {target}&a=".encode() + raw + b" HTTP/1.1\r\nHost: a\r\n")
            send_head(arena, b"GET /" + raw + b" HTTP/1.1\r\nHost: a\r\n")
            send_head(arena, f"GET {target} HTTP/1.1\r\nHost: a".encode() + raw + b"\r\n")
    assert any(line.startswith(("SIO501 origin ", "refused a request ")) for line in outcome.log)


def send_head(arena: Arena, head: bytes) -> None:
    """Send a head; whatever it is answered with, the connection is closed then."""
    connection = Connection(arena.port)
    connection.send(head + b"Connection: close\r\n\r\n")
    with gevent.Timeout(DEADLINE):
        while connection.sock.recv(65536):
            pass
    connection.close()
