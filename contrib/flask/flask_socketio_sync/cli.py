"""The command ``flask socketio run``."""

from __future__ import annotations

import click
from flask.cli import ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag

from flask_socketio_sync.extension import SocketIO


@click.group("socketio")
def socketio_command() -> None:
    """Serve an application with its Socket.IO server."""


@socketio_command.command("run")
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", "-p", default=5000, show_default=True, help="The port to listen on.")
@pass_script_info
def run(info: ScriptInfo, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; ``flask --debug`` is debug mode."""
    app = info.load_app()
    extension = app.extensions.get("socketio")
    if not isinstance(extension, SocketIO):
        raise click.ClickException(f"the application {app.name!r} has no SocketIO: SocketIO(app) is missing")
    click.echo(f" * Socket.IO and {app.name!r} at http://{host}:{port} (Ctrl+C ends it)")
    extension.run(app, host=host, port=port, debug=get_debug_flag())
