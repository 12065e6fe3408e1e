import pytest
from app import app, io

from socketio_sync import ConnectionRefused


@pytest.fixture
def enter(socketio_client):
    def enter(name, room="lobby", **options):
        client = socketio_client(app, auth={"name": name, "room": room}, **options)
        client.expect("people")
        return client

    return enter


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_message_reaches_the_others_in_the_room(enter, transport):
    ann, bob = enter("Ann"), enter("Bob", transport=transport)
    eve = enter("Eve", room="elsewhere")
    assert ann.call("message", {"text": "hello"}) == {"ok": True}
    assert bob.expect("message").args == ("Ann", {"text": "hello"})
    eve.assert_silent()


def test_everybody_knows_who_is_here(enter):
    ann, bob = enter("Ann"), enter("Bob")
    assert ann.expect("people").args == (["Ann", "Bob"],)
    bob.kill()
    assert ann.expect("people").args == (["Ann"],)


@pytest.mark.parametrize("auth", [{}, {"name": ""}, {"name": "x" * 21}, {"name": 1}])
def test_who_has_no_name_is_refused(socketio_client, auth):
    with pytest.raises(ConnectionRefused, match="a name has 1 to 20 characters"):
        socketio_client(app, auth=auth)


def test_an_empty_message_is_an_error(enter):
    answer = enter("Ann").call("message", {"text": ""})
    assert answer["error"]["type"] == "PayloadError"


def test_a_client_that_was_cut_off_misses_nothing(enter, socketio_client):
    ann, bob = enter("Ann"), enter("Bob")
    bob.kill()
    ann.call("message", {"text": "are you there?"})
    back = socketio_client(app, auth={"name": "Bob", "pid": bob.pid, "offset": bob.offset})
    assert back.expect("message").args == ("Ann", {"text": "are you there?"})
    assert io.sockets[back.id].recovered
