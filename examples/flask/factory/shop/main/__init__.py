from flask import Blueprint

bp = Blueprint("main", __name__)

# They register with the blueprint, and with the extension.
from . import events, routes  # noqa: E402, F401
