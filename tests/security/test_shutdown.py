"""limits.md 1 and R13: SIGTERM, with everybody there."""

from __future__ import annotations

import json
import time

from tests.security.arena import Program
from tests.support.client import Poller, close_all
from tests.support.ws_client import WebSocket

WEBSOCKETS, POLLERS = 900, 100


def test_1000_clients_are_told_their_handlers_run_and_the_process_ends_within_3_s() -> None:
    target = Program("tests.security.target", "{}")
    port = int(target.line())
    sockets = [WebSocket(port).open() for _ in range(WEBSOCKETS)]
    for socket in sockets:
        socket.join()
    pollers = [Poller(port).open() for _ in range(POLLERS)]
    for poller in pollers:
        poller.join()
    for poller in pollers[::2]:
        # The others aren't waiting for anything at that moment.
        poller.hold()
    before = time.monotonic()
    target.process.terminate()
    for socket in sockets:
        assert socket.closed() == 1001
        socket.close()
    assert [poller.held()[-1] for poller in pollers[::2]] == ["1"] * (POLLERS // 2)
    close_all()
    left = json.loads(target.line())
    assert target.wait() == 0
    assert time.monotonic() - before < 3
    assert left == {"server shutting down": WEBSOCKETS + POLLERS}
