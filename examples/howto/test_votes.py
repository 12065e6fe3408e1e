import pytest

from socketio_sync import ConnectionRefused, Server
from socketio_sync.testing import ClientFactory


@pytest.fixture
def io():
    io = Server(ping_interval=0.2, ping_timeout=0.1)

    @io.use
    def check(socket):
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectionRefused("no", {"why": "token"})

    @io.on("vote")
    def vote(socket, question):
        return io.timeout(1).call("question", question)

    @io.on("divide")
    def divide(socket, number):
        return 1 / number

    yield io
    io.close()


@pytest.fixture
def ann(io, socketio_client):
    return socketio_client(io, auth={"token": "secret"})


def test_a_stranger_is_refused(io, socketio_client):
    with pytest.raises(ConnectionRefused) as refusal:
        socketio_client(io, auth={"token": "guess"})
    assert refusal.value.data == {"why": "token"}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_everybody_votes(io, ann, socketio_client: ClientFactory, transport):
    bob = socketio_client(io, transport=transport, auth={"token": "secret"})
    ann.on("question", lambda question: "yes")
    bob.on("question", lambda question: "no")
    assert sorted(ann.call("vote", "tea?")) == ["no", "yes"]


def test_an_answer_by_hand(io, ann):
    answers = []
    io.emit("question", "tea?", ack=lambda error, values: answers.append((error, values)))
    ann.expect("question").ack("yes")
    ann.assert_silent()
    assert answers == [(None, ["yes"])]


def test_a_division_by_zero(ann, socketio_client):
    ann.emit("divide", 0)
    assert str(socketio_client.expect_error(ZeroDivisionError)) == "division by zero"


def test_a_client_that_is_cut_off(io, ann):
    assert len(io.sockets) == 1
    ann.kill()
    ann.settle()
    assert len(io.sockets) == 0


def test_a_client_that_answers_no_ping(ann):
    ann.answer_pings = False
    assert ann.wait_closed() == "transport close"
