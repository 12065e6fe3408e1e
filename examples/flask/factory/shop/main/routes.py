from flask import session

from ..extensions import socketio
from . import bp


@bp.route("/")
def index():
    return "the shop"


@bp.route("/session/<value>")
def set_value(value):
    session["value"] = value
    return value


@bp.route("/announce/<text>")
def announce(text):
    socketio.emit("announced", text, namespace="/shop")
    return "announced"
