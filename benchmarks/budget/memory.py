"""What an idle connection holds, in bytes and in objects."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from array import array
from collections import Counter
from functools import partial
from pathlib import Path

from benchmarks.budget.client import WebSocket, eventually
from benchmarks.budget.cost import Cost
from benchmarks.budget.stage import Stage

# The first ones are there for what is made once, and for tables that grow in steps.
FIRST, MORE = 40, 100


def measure_memory() -> Cost:
    """Return what one idle WebSocket in the main namespace holds.

    ``bytes`` and ``blocks`` are what Python allocated: neither the stacks of greenlets nor what the kernel
    holds. ``objects`` are those that the garbage collector looks at.
    """
    return Stage().play(_hold)


def _hold(stage: Stage) -> Cost:
    """Measure in the clients' thread, which keeps bare descriptors of its connections."""
    descriptors = array("i", bytes(4 * (FIRST + MORE)))
    _open(stage, descriptors, range(FIRST))
    tracemalloc.start()
    try:
        # In this order nothing that one measurement keeps is taken for growth by another.
        before = tracemalloc.take_snapshot()
        types = _types()
        blocks = sys.getallocatedblocks()
        _open(stage, descriptors, range(FIRST, FIRST + MORE))
        gc.collect()
        blocks = sys.getallocatedblocks() - blocks
        types = _types() - types
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
        for descriptor in descriptors:
            os.close(descriptor)
    details = {f"objects: {name}": _each(number) for name, number in types.items() if _each(number)}
    for size in after.compare_to(before, "filename"):
        # What measuring takes itself is spread over all connections and less than this.
        if _each(size.size_diff) >= 16:
            details[f"bytes: {_place(size.traceback[0].filename)}"] = _each(size.size_diff)
    totals = {"blocks": _each(blocks)}
    for what in ("bytes", "objects"):
        totals[what] = round(sum(each for name, each in details.items() if name.startswith(what)), 1)
    return Cost(totals, dict(sorted(details.items())))


def _open(stage: Stage, descriptors: array[int], places: range) -> None:
    for place in places:
        descriptors[place] = WebSocket(stage.port, stage.settle).sock.detach()
    # Deadlines that were cancelled are held until the next one falls due.
    due: list[None] = []
    engine = stage.io.engine
    engine.run_on_hub_soon(engine.runtime.timers.after, 0.0, partial(due.append, None))
    eventually(lambda: due)
    stage.settle()


def _types() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def _each(amount: int) -> float:
    return round(amount / MORE, 1)


def _place(filename: str) -> str:
    """Return a file's name with that of its folder: the rest differs from machine to machine."""
    return "/".join(Path(filename).parts[-2:])
