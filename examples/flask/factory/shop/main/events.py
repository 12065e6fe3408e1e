from flask import current_app, session

from flask_socketio_sync import emit, join_room

from ..extensions import socketio


@socketio.on("connect", namespace="/shop")
def connect():
    emit("status", {"app": current_app.name, "value": session.get("value")})


@socketio.on("set", namespace="/shop")
def set_value(value):
    session["value"] = value


@socketio.on("get", namespace="/shop")
def get_value():
    return session.get("value")


@socketio.on("joined", namespace="/shop")
def joined(room):
    join_room(room)
    emit("status", {"joined": room}, to=room)
