from socketio_sync import Server

io = Server(cors_allowed_origins="*")


@io.on("connection")
def connection(socket):
    socket.emit("welcome", {"id": socket.id})


@io.on("chat message")
def chat(socket, text):
    socket.broadcast.emit("chat message", socket.id, text)
    return "delivered"


if __name__ == "__main__":
    io.run(port=3000)
