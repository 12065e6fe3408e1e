"""wire.md 2.1, the requests of a polling session: what is taken, refused, and what ends the session."""

from __future__ import annotations

import gzip

import pytest

from tests.support.client import Connection, Poller
from tests.support.server import Running, Servers, eventually


def assert_works(running: Running, poller: Poller) -> None:
    poller.say('421["echo","alive"]')
    assert poller.poll() == ['431["alive"]']
    assert running.reasons() == []


# -- methods and kinds of body ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PATCH"])
def test_2_1_other_methods_with_a_session_are_405_and_change_nothing(serve: Servers, method: str) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    answer = poller.posts.request(method, poller.target)
    assert (answer.status, answer.content) == (405, b"")
    assert answer.header("allow") == "GET, POST"
    assert_works(running, poller)


def test_2_1_binary_body_in_revision_4_is_400_and_ends_the_session(serve: Servers) -> None:
    running = serve()
    answer = running.join_poller("a", "b").post(
        b'42["a"]', headers=[("Content-Type", "application/octet-stream")]
    )
    assert (answer.status, answer.content) == (400, b"")
    running.assert_ended("transport error")
    assert running.events() == []
    assert "invalid content" in running.descriptions


def test_2_1_compressed_body_is_415_and_never_inflated(serve: Servers) -> None:
    running = serve()
    answer = running.join_poller("a", "b").post(
        gzip.compress(b'42["a"]'), headers=[("Content-Encoding", "gzip")]
    )
    assert answer.status == 415
    running.assert_ended("transport error")
    assert running.events() == []


# -- size ---------------------------------------------------------------------------------------------


def event_of(size: int) -> bytes:
    body = b'42["a","%b"]'
    return body % (b"x" * (size - len(body) + 2))


def test_2_1_body_of_exactly_the_limit_passes(serve: Servers) -> None:
    running = serve(max_http_buffer_size=1000)
    poller = running.join_poller("a", "b")
    assert poller.post(event_of(1000)).content == b"ok"
    assert len(running.events()[0][1]) == 1000 - len('42["a",""]')
    assert_works(running, poller)


@pytest.mark.parametrize("announced", [1001, 10**18])
@pytest.mark.feature(134)
def test_2_1_longer_body_is_413_before_it_is_sent_and_ends_the_session(
    serve: Servers, announced: int
) -> None:
    running = serve(max_http_buffer_size=1000)
    poller = running.join_poller("a", "b")
    poller.posts.begin("POST", poller.target, headers=[("Content-Length", str(announced))])
    answer = poller.posts.finish()
    assert (answer.status, answer.content) == (413, b"")
    assert answer.header("connection") == "close"
    assert poller.posts.at_end()
    running.assert_ended("transport close")


def chunked(poller: Poller, *chunks: bytes) -> None:
    poller.posts.begin("POST", poller.target, headers=[("Transfer-Encoding", "chunked")])
    for chunk in chunks:
        poller.posts.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))


def test_2_1_chunked_body_of_exactly_the_limit_passes(serve: Servers) -> None:
    running = serve(max_http_buffer_size=1000)
    poller = running.join_poller("a", "b")
    body = event_of(1000)
    chunked(poller, body[:400], body[400:], b"")
    assert poller.posts.finish().content == b"ok"
    assert_works(running, poller)


def test_2_1_chunked_body_is_counted_while_it_is_read(serve: Servers) -> None:
    running = serve(max_http_buffer_size=1000)
    poller = running.join_poller("a", "b")
    body = event_of(1001)
    # Without the chunk that ends the body: nobody may wait for it.
    chunked(poller, body[:400], body[400:])
    answer = poller.posts.finish()
    assert (answer.status, answer.content) == (413, b"")
    assert answer.header("connection") == "close"
    assert poller.posts.at_end()
    running.assert_ended("transport close")


@pytest.mark.parametrize(("count", "status"), [(5, 200), (6, 400)])
def test_2_1_more_packets_than_the_limit_are_refused_all_together(
    serve: Servers, count: int, status: int
) -> None:
    running = serve(max_packets_per_payload=5)
    answer = running.join_poller("a", "b").post(b"\x1e".join([b'42["a"]'] * count))
    assert answer.status == status
    assert len(running.events()) == (count if status == 200 else 0)
    assert running.reasons() == ([] if status == 200 else ["parse error"])


# -- overlaps and lost connections ------------------------------------------------------------------


def test_2_1_second_get_while_one_is_held(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    assert Connection(running.port).get(poller.target).status == 400
    assert poller.held() == ["1"]
    running.assert_ended("transport error")
    assert "overlap from client" in running.descriptions
    assert poller.is_forgotten()


def begin_post(poller: Poller, body: bytes) -> None:
    """Send a POST but for the last byte of its body."""
    poller.posts.begin("POST", poller.target, headers=[("Content-Length", str(len(body)))])
    poller.posts.send(body[:-1])


def wait_until_reading(running: Running, poller: Poller) -> None:
    eventually(lambda: running.session(poller.sid).transport.posting)


def test_2_1_second_post_while_one_is_read(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    begin_post(poller, b'42["a"]')
    wait_until_reading(running, poller)
    second = Connection(running.port).request("POST", poller.target, body=b'42["b"]')
    assert second.status == 400
    running.assert_ended("transport error")
    assert "data request overlap from client" in running.descriptions
    # What stood in the first one is never handled, so nobody may be told that it was.
    poller.posts.send(b"]")
    assert poller.posts.finish().status == 400
    assert running.events() == []


def test_2_1_held_get_dropped_by_the_peer(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    poller.gets.close()
    running.assert_ended("transport error")
    assert "poll connection closed prematurely" in running.descriptions


def test_2_1_post_dropped_by_the_peer(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    begin_post(poller, b'42["a"]')
    wait_until_reading(running, poller)
    poller.posts.close()
    running.assert_ended("transport error")
    assert any("data request connection closed prematurely" in text for text in running.descriptions)
    assert running.events() == []


# -- packets ------------------------------------------------------------------------------------------

MALFORMED = {
    "empty body": b"",
    "unknown type 7": b"7",
    "unknown type 9": b"9",
    "garbage": b"x",
    "NUL": b"\x00",
    "empty packet": b"\x1e",
    "empty packet at the end": b'42["a"]\x1e',
    "bad base64": b"b!!!!",
    "base64 without padding": b"bAQI",
    "bad UTF-8": b'42["\xff"]',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_2_1_malformed_payload_is_400_and_a_parse_error(serve: Servers, body: bytes) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    assert poller.post(body).error == (400, 3, "Bad request")
    running.assert_ended("parse error")
    assert poller.poll() == ["6", "1"]
    assert poller.is_forgotten()


def test_2_1_packets_before_a_bad_one_are_handled_by_ordinary_listeners(serve: Servers) -> None:
    running = serve()
    answer = running.join_poller("a", "b").post(b'42["a",1]\x1e9\x1e42["b"]')
    assert answer.error == (400, 3, "Bad request")
    assert running.events() == [("a", 1)]
    running.assert_ended("parse error")


@pytest.mark.parametrize("packet", ["0", "0{}", "5", "6", "6x", "5x"])
def test_2_1_types_0_5_and_6_from_a_client_are_ignored(serve: Servers, packet: str) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.say(packet, '42["a"]')
    assert running.events() == [("a",)]
    assert_works(running, poller)


def test_2_1_close_from_the_client_ends_the_held_get_with_a_noop(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    poller.say("1")
    assert poller.held() == ["6"]
    running.assert_ended("transport close")
    assert poller.is_forgotten()


def test_2_1_post_after_close_is_code_1(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.say("1")
    assert poller.post(b'42["a"]').error == (400, 1, "Session ID unknown")
    assert running.events() == []


def test_2_1_poll_that_the_clients_close_has_overtaken_is_answered_once(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.say("1")
    poller.hold()
    assert poller.held() == ["6"]
    assert poller.is_forgotten()


@pytest.mark.parametrize("behind", [b'42["a"]', b"9", b"", b"\xff"])
def test_2_1_packets_behind_a_close_are_ignored(serve: Servers, behind: bytes) -> None:
    running = serve()
    answer = running.join_poller("a", "b").post(b"1\x1e" + behind)
    assert (answer.status, answer.content) == (200, b"ok")
    assert running.events() == []
    running.assert_ended("transport close")


def test_2_1_ping_from_a_client_of_revision_4_ends_the_session(serve: Servers) -> None:
    running = serve()
    poller = running.join_poller("a", "b")
    poller.hold()
    eventually(lambda: running.session(poller.sid).writable)
    assert poller.post(b"2").status == 400
    assert poller.held() == ["1"]
    running.assert_ended("transport error")
    assert "invalid heartbeat direction" in running.descriptions
