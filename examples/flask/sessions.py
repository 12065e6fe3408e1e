"""One session for pages and events: it is kept at the server, by Flask-Session."""

from tempfile import mkdtemp

from cachelib import FileSystemCache
from flask import Flask, request, session
from flask_session import Session

from flask_socketio_sync import SocketIO, emit

app = Flask(__name__)
app.config["SESSION_TYPE"] = "cachelib"
app.config["SESSION_CACHELIB"] = FileSystemCache(mkdtemp())
Session(app)
socketio = SocketIO(app, manage_session=False)


@app.route("/")
def index():
    return "the shop"


@app.route("/cart", methods=["GET", "POST"])
def cart():
    if request.method == "POST":
        session["cart"] = [*session.get("cart", ()), request.get_json()]
    return {"cart": session.get("cart", [])}


@socketio.on("add")
def add(product):
    session["cart"] = [*session.get("cart", ()), product]
    emit("cart", session["cart"])


@socketio.on("cart")
def show_cart():
    return session.get("cart", [])


if __name__ == "__main__":
    socketio.run(app, port=5000)
