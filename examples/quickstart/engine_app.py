from gevent.pywsgi import WSGIServer

from socketio_sync.engine import EngineServer

engine = EngineServer()


@engine.on("connection")
def connection(session):
    session.on("message", session.send)


if __name__ == "__main__":
    WSGIServer(("127.0.0.1", 3000), engine).serve_forever()
