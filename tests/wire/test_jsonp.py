"""wire.md 2.11, JSONP: polling by script tags and forms, for browsers that know nothing else."""

from __future__ import annotations

import json
import re
from urllib.parse import quote_plus

import pytest

from tests.support.client import Connection, Poller, Response, packets_of_revision_3
from tests.support.server import Running, Servers

TARGET = "/socket.io/?EIO=3&transport=polling"
FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def unwrap(answer: Response, index: str = "0") -> str:
    """Return the payload that the script hands to the callback of this number."""
    match = re.fullmatch(rf"___eio\[{index}\]\((\".*\")\);", answer.text)
    assert match is not None, answer.text
    payload = json.loads(match[1])
    assert isinstance(payload, str)
    return payload


class Script(Poller):
    """A polling client that polls by script tags and posts by forms."""

    def packets(self, response: Response) -> list[str]:
        payload = unwrap(response)
        return payload.split("\x1e") if self.eio == 4 else packets_of_revision_3(payload)

    def form(self, payload: str) -> Response:
        """Post a payload as the form of a browser does."""
        return self.post(b"d=" + quote_plus(payload.replace("\n", "\\n")).encode(), headers=FORM)


def script(running: Running, *events: str, eio: int = 3) -> Script:
    running.collect(*events)
    client = Script(running.port, eio=eio, query="&j=0")
    client.open()
    if eio == 4:
        client.form("40")
    assert client.poll()[0][:2] == "40"
    running.watch(client.sid)
    return client


@pytest.mark.parametrize("eio", [3, 4])
def test_2_11_jsonp_is_off_unless_asked_for(serve: Servers, eio: int) -> None:
    running = serve()
    target = f"/socket.io/?EIO={eio}&transport=polling&j=0"
    assert Connection(running.port).get(target).error == (400, 3, "Bad request")
    assert running.io.engine.clients_count == 0


@pytest.mark.parametrize("eio", [3, 4])
@pytest.mark.feature(9)
def test_2_11_jsonp_answers_are_scripts_that_call_the_callback(serve: Servers, eio: int) -> None:
    running = serve(jsonp=True)
    target = f"/socket.io/?EIO={eio}&transport=polling&j=17"
    answer = Connection(running.port).get(target)
    assert answer.status == 200
    # Node says text/plain, which browsers don't run where sniffing is forbidden.
    assert answer.header("content-type") == "application/javascript; charset=UTF-8"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cache-control") == "no-store"
    payload = unwrap(answer, "17")
    packet = payload if eio == 4 else payload.partition(":")[2]
    assert list(json.loads(packet[1:])) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]


@pytest.mark.parametrize("j", ["1);alert(2", "a1b2", "1%D9%A2.2", "12%00"])
def test_2_11_jsonp_index_is_its_ascii_digits(serve: Servers, j: str) -> None:
    answer = Connection(serve(jsonp=True).port).get(f"{TARGET}&j={j}")
    assert re.match(r"___eio\[12?2?\]\(", answer.text)


@pytest.mark.parametrize("later", ["", "&j=5"], ids=["left out", "another"])
def test_2_11_jsonp_index_is_fixed_at_the_handshake(serve: Servers, later: str) -> None:
    running = serve(jsonp=True)
    client = script(running)
    running.sockets[0].emit("x")
    answer = client.gets.get(f"{TARGET}&sid={client.sid}{later}")
    assert unwrap(answer) == '7:42["x"]'


def test_2_11_jsonp_is_not_for_a_session_that_began_without_it(serve: Servers) -> None:
    running = serve(jsonp=True)
    poller = running.poller(eio=3)
    assert poller.gets.get(poller.target + "&j=0").content == b"2:40"


@pytest.mark.parametrize("text", ["\u2028\u2029", "</script>", "'\"\\", "caf\u00e9 \U0001f600", "a\nb\x1e"])
def test_2_11_jsonp_payload_is_an_escaped_javascript_string(serve: Servers, text: str) -> None:
    running = serve(jsonp=True)
    client = script(running)
    running.sockets[0].emit("x", text)
    answer = client.get()
    assert answer.content.isascii()
    assert b"<" not in answer.content
    assert b"\n" not in answer.content
    assert json.loads(unwrap(answer).partition(":")[2][2:]) == ["x", text]


def test_2_11_jsonp_binary_is_base64(serve: Servers) -> None:
    running = serve(jsonp=True)
    client = script(running, "a")
    running.sockets[0].emit("x", b"\x01\x02\x03")
    assert client.poll() == ['451-["x",{"_placeholder":true,"num":0}]', "b4AQID"]


@pytest.mark.parametrize("eio", [3, 4])
def test_2_11_jsonp_post_is_a_form_with_the_payload_in_d(serve: Servers, eio: int) -> None:
    running = serve(jsonp=True)
    client = script(running, "a", eio=eio)
    packet = '42["a","+ &=%\u00e9"]'
    answer = client.form(f"{len(packet)}:{packet}" if eio == 3 else packet)
    assert (answer.status, answer.content) == (200, b"ok")
    assert running.events() == [("a", "+ &=%\u00e9")]


def test_2_11_jsonp_post_escapes_newlines(serve: Servers) -> None:
    running = serve(jsonp=True)
    client = script(running, "a")
    # In JSON a newline is the two characters \n already, which the client writes as \\n; one in
    # white space stays one and comes as \n.
    packet = '42["a",\n"x\\ny"]'
    form = f"{len(packet)}:{packet}".replace("\\n", "\\\\n").replace("\n", "\\n")
    assert client.post(b"d=" + quote_plus(form).encode(), headers=FORM).content == b"ok"
    assert running.events() == [("a", "x\ny")]


@pytest.mark.parametrize("form", [b"", b"e=1:2", b"x"])
def test_2_11_jsonp_post_without_d_does_nothing(serve: Servers, form: bytes) -> None:
    running = serve(jsonp=True)
    client = script(running)
    answer = client.post(form, headers=FORM)
    assert (answer.status, answer.content) == (200, b"ok")
    assert running.session(client.sid).is_open


def test_2_11_jsonp_malformed_payload_is_a_parse_error(serve: Servers) -> None:
    running = serve(jsonp=True)
    assert script(running).form("x").status == 400
    running.assert_ended("parse error")
