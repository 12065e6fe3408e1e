from flask import Flask

from socketio_sync import Server, WSGIApp

web = Flask(__name__, static_url_path="")
io = Server(serve_client="node_modules/socket.io-client/dist")
app = WSGIApp(io, web)


@web.route("/")
def index():
    return web.send_static_file("index.html")


@io.on("message")
def message(socket, text):
    io.emit("message", socket.id, text)


if __name__ == "__main__":
    io.run(app, port=3000)
