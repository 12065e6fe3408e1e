"""An application factory; the extension is made before the application is."""

from flask import Flask

from .extensions import socketio


def create_app(test_config=None):
    app = Flask(__name__)
    app.config.update(SECRET_KEY="secret!", SOCKETIO_PING_INTERVAL=20)
    app.config.update(test_config or {})

    from .main import bp

    app.register_blueprint(bp)
    socketio.init_app(app)
    return app
