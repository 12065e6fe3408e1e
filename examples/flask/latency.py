"""A page that shows how long a message takes, there and back. First: ``npm install socket.io-client``."""

from flask import Flask

from flask_socketio_sync import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, serve_client="node_modules/socket.io-client/dist")

PAGE = """<!doctype html>
<title>Latency</title>
<p>There and back: <output id="latency">?</output> ms, by <output id="transport">?</output></p>
<script src="/socket.io/socket.io.min.js"></script>
<script>
  const socket = io();
  const show = (id, text) => (document.getElementById(id).textContent = text);
  let sent;
  const ask = () => {
    sent = performance.now();
    socket.emit("ping_from_client", sent);
  };
  socket.on("connect", ask);
  socket.on("pong_from_server", () => {
    show("latency", (performance.now() - sent).toFixed(1));
    show("transport", socket.io.engine.transport.name);
    setTimeout(ask, 200);
  });
</script>
"""


@app.route("/")
def index():
    return PAGE


@socketio.event
def ping_from_client(sent):
    emit("pong_from_server", sent)


if __name__ == "__main__":
    socketio.run(app, port=5000)
