"""A chat for members: Flask-Login's users, on pages and in the handlers of events."""

from flask import Flask, redirect, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user

from flask_socketio_sync import SocketIO, emit, login_required_event

app = Flask(__name__)
app.config["SECRET_KEY"] = "secret!"
login_manager = LoginManager(app)
socketio = SocketIO(app, serve_client="node_modules/socket.io-client/dist")

PAGE = """<!doctype html>
<title>Members</title>
<p id="status">connecting</p>
<ul id="messages"></ul>
<script src="/socket.io/socket.io.min.js"></script>
<script>
  const socket = io();
  const status = document.getElementById("status");
  socket.on("welcome", (name) => (status.textContent = `here as ${name}`));
  socket.on("connect_error", (error) => (status.textContent = `refused: ${error.message}`));
  socket.on("disconnect", (reason) => (status.textContent = `disconnected: ${reason}`));
  socket.on("said", (name, text) => {
    const item = document.createElement("li");
    item.textContent = `${name}: ${text}`;
    document.getElementById("messages").append(item);
  });
</script>
"""


class User(UserMixin):
    def __init__(self, name):
        self.id = name


@login_manager.user_loader
def load_user(name):
    return User(name)


@app.route("/login")
def login():
    login_user(User(request.args["name"]))
    return redirect("/")


@app.route("/logout")
def logout():
    logout_user()
    return "good-bye"


@app.route("/")
def index():
    return PAGE


@app.route("/secret")
@login_required
def secret():
    return "for members"


@socketio.on("connect")
@login_required_event
def connect():
    emit("welcome", current_user.id)


@socketio.on("say")
@login_required_event
def say(text):
    emit("said", (current_user.id, text), broadcast=True)


if __name__ == "__main__":
    socketio.run(app, port=5000)
