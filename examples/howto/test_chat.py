from socketio_sync import Server
from socketio_sync.testing import TestClient


def make_server():
    io = Server()

    @io.on("chat message")
    def chat(socket, text):
        socket.broadcast.emit("chat message", text)
        return "delivered"

    return io


def test_a_message_reaches_the_others():
    io = make_server()
    with TestClient(io) as ann, TestClient(io, transport="polling") as bob:
        assert ann.call("chat message", "hello") == "delivered"
        assert bob.expect("chat message").args == ("hello",)
        ann.assert_silent()
