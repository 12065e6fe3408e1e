"""The program of flask_socketio_gevent.py with one import changed, as its users would change it."""

from __future__ import annotations

from pathlib import Path

source = Path(__file__).with_name("flask_socketio_gevent.py").read_text()
changed = source.replace("from flask_socketio import", "from flask_socketio_sync import")
assert changed != source
exec(compile(changed, __file__, "exec"))
