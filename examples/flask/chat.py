"""A chat as applications for Flask-SocketIO are written; only the import is another one."""

from threading import Lock

from flask import Flask, session

from flask_socketio_sync import (
    ConnectionRefusedError,
    Namespace,
    SocketIO,
    emit,
    join_room,
    leave_room,
    rooms,
)

app = Flask(__name__)
app.config["SECRET_KEY"] = "secret!"
socketio = SocketIO(app, cors_allowed_origins="*")


thread = None
thread_lock = Lock()


def background_thread():
    """Tell everybody the time of the server, for ever."""
    count = 0
    while True:
        socketio.sleep(0.05)
        count += 1
        socketio.emit("tick", count)


@app.route("/")
def index():
    return "the chat"


@socketio.on("connect")
def connect(auth):
    name = (auth or {}).get("name")
    if name == "eve":
        raise ConnectionRefusedError("not you", {"why": "name"})
    global thread
    with thread_lock:
        if thread is None:
            thread = socketio.start_background_task(background_thread)
    session["name"] = name or "anonymous"
    emit("welcome", session["name"])


@socketio.on("disconnect")
def disconnect(reason):
    socketio.emit("left", (session["name"], reason))


@socketio.on("join")
def join(data):
    join_room(data["room"])
    emit("joined", {"name": session["name"], "room": data["room"]}, to=data["room"])
    return len(rooms())


@socketio.on("leave")
def leave(data):
    leave_room(data["room"])


@socketio.on("room event")
def room_event(data):
    emit("said", {"name": session["name"], "text": data["text"]}, to=data["room"])


@socketio.event
def my_ping():
    emit("my_pong")


@socketio.on("count")
def count():
    session["count"] = session.get("count", 0) + 1
    return session["count"]


@socketio.on("work")
def work(seconds):
    def run():
        socketio.sleep(seconds)
        socketio.emit("worked", seconds)

    socketio.start_background_task(run)


@socketio.on("picture")
def picture(data):
    return data[::-1], len(data)


@socketio.on_error_default
def default_error_handler(error):
    return {"error": type(error).__name__}


@socketio.on("fail")
def fail():
    raise ValueError("on purpose")


@socketio.on("*")
def catch_all(event, *data):
    return f"nobody handles {event}"


class Admin(Namespace):
    def on_connect(self):
        emit("stats", {"rooms": len(rooms())})

    def on_ask(self, question):
        self.emit("question", question)


socketio.on_namespace(Admin("/admin"))

if __name__ == "__main__":
    socketio.run(app, port=5000)
