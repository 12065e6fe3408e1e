"""Settings of gunicorn for the interop tests."""

from __future__ import annotations

workers = 1
graceful_timeout = 1
# Or every server would put one at the same place in the user's home.
control_socket_disable = True
