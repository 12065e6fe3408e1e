from flask import Flask

from socketio_sync import Server, WSGIApp

flask_app = Flask(__name__)
io = Server()
app = WSGIApp(io, flask_app)


@flask_app.route("/")
def index():
    return "hello"


@io.on("chat message")
def chat(socket, text):
    io.emit("chat message", text)


if __name__ == "__main__":
    io.run(app, port=5000)
