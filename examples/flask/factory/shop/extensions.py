from flask_socketio_sync import SocketIO

socketio = SocketIO()
