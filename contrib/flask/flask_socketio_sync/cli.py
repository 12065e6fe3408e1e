"""The command ``flask socketio run``."""

from __future__ import annotations

import os
from typing import Any

import click
from flask.cli import ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag

from flask_socketio_sync.extension import SocketIO
from flask_socketio_sync.reloader import inherited_fd

_FILE = click.Path(exists=True, dir_okay=False)


def _paths(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    return value.split(os.pathsep) if value else []


@click.group("socketio")
def socketio_command() -> None:
    """Serve an application with its Socket.IO server."""


@socketio_command.command("run")
@click.option(
    "--host",
    "-h",
    default="127.0.0.1",
    show_default=True,
    envvar="FLASK_RUN_HOST",
    help="The address to listen on.",
)
@click.option(
    "--port", "-p", default=5000, show_default=True, envvar="FLASK_RUN_PORT", help="The port to listen on."
)
@click.option("--cert", "certfile", type=_FILE, help="A file with the certificate chain, for TLS.")
@click.option("--key", "keyfile", type=_FILE, help="A file with its key, if --cert doesn't hold it.")
@click.option(
    "--reload/--no-reload",
    "use_reloader",
    default=None,
    help="Start anew when a file has changed; by default in debug mode.",
)
@click.option(
    "--extra-files",
    callback=_paths,
    help=f"More files that lead to a new start, separated by {os.pathsep!r}.",
)
@click.option(
    "--exclude-patterns",
    callback=_paths,
    help=f"Patterns of files that don't, separated by {os.pathsep!r}.",
)
@pass_script_info
def run(info: ScriptInfo, /, host: str, port: int, **options: Any) -> None:
    """Serve until SIGTERM or SIGINT; ``flask --debug`` is debug mode."""
    app = info.load_app()
    extension = app.extensions.get("socketio")
    if not isinstance(extension, SocketIO):
        raise click.ClickException(f"the application {app.name!r} has no SocketIO: SocketIO(app) is missing")
    if options["keyfile"] and not options["certfile"]:
        raise click.UsageError("--key is for the certificate of --cert, which is missing")
    if inherited_fd() is None:
        scheme = "https" if options["certfile"] else "http"
        click.echo(f" * Socket.IO and {app.name!r} at {scheme}://{host}:{port} (Ctrl+C ends it)")
    extension.run(app, host=host, port=port, debug=get_debug_flag(), **options)
