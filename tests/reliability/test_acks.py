"""R10: acknowledgements settle once, or time out, and nothing of them is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent

from socketio_sync import AckTimeout, Disconnected
from tests.reliability.conftest import Scale
from tests.support.server import Servers, eventually
from tests.support.sio_client import Connect


def test_acks_of_a_mute_client_all_time_out_and_settle_at_once_when_it_leaves(
    serve: Servers, connect: Connect, scale: Scale, figure: Callable[[str], None]
) -> None:
    count = scale(5_000, 100_000)
    site = serve(max_pending_acks=count)
    client = connect(site)
    client.answers["anybody"] = lambda: None
    socket = site.sockets[0]
    settled: Counter[type] = Counter()
    latest = 0.0

    def on_answer(error: Any, *values: Any) -> None:
        nonlocal latest
        settled[type(error)] += 1
        latest = time.monotonic()

    timeout = scale(1, 10)
    for number in range(count):
        socket.timeout(timeout).emit("anybody", ack=on_answer)
        if number % 100 == 0:
            # The client must be able to read.
            gevent.sleep(0)
    asked = time.monotonic()
    eventually(lambda: settled[AckTimeout] == count, deadline=timeout + 30)
    assert not socket._acks
    late = latest - asked - timeout
    assert late < 1.0
    for _ in range(1_000):
        socket.timeout(60).emit("anybody", ack=on_answer)
    client.close()
    eventually(lambda: settled[Disconnected] == 1_000)
    assert settled == {AckTimeout: count, Disconnected: 1_000}
    assert not socket._acks
    figure(f"{count:,} acknowledgements of a mute client timed out, {late * 1000:.0f} ms late; none is left")
