from flask import Flask

from socketio_sync import Server, WSGIApp

web = Flask(__name__, static_url_path="")
io = Server(serve_client="node_modules/socket.io-client/dist")
app = WSGIApp(io, web)


@web.route("/")
def index():
    return web.send_static_file("index.html")


@io.on("connection")
def connection(socket):
    print(socket.id, "has come by", socket.conn.transport.name)
    socket.emit("welcome", f"Hello, {socket.id}!")


@io.on("disconnect")
def disconnect(socket, reason):
    print(socket.id, "has gone:", reason)


if __name__ == "__main__":
    io.run(app, port=3000)
