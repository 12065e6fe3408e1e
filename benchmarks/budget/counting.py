"""Counts every function call of one thread, by name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from statistics import median
from types import FrameType
from typing import Any

from benchmarks.budget.cost import Cost

# Between a function of the library and the one that it calls, where that isn't the library's.
ARROW = " > "

# These are frames up to Python 3.11, and none from 3.12 on.
_COMPREHENSIONS = frozenset(("<listcomp>", "<dictcomp>", "<setcomp>"))

_IGNORED = (
    # What was cancelled leaves the deadlines at some other moment; that it was put in is counted.
    ("_heapq", "heappop"),
    # Attributes of enumerations: a function in Python in some versions, in C in others.
    ("enum", "__get__"),
)

_OWN = "socketio_sync."

# The place of a caller or of a function in Python (module and name), or that of a caller and what it calls.
Key = tuple[str, ...]
Counts = Mapping[Key, int]
Calls = dict[str, float]

# Of the C socket class, and of the one that gevent derives from it.
_CLASSES = ("socket", "_wrefsocket")
_RECEIVES = frozenset(f"{name}.{call}" for name in _CLASSES for call in ("recv", "recv_into"))
_SENDS = frozenset(f"{name}.{call}" for name in _CLASSES for call in ("send", "sendmsg"))


class CallCounter:
    """Counts the calls of the thread that it is started in, whichever greenlets make them.

    Only beginnings are counted: with greenlets the ends come in any order.
    """

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()

    def start(self) -> None:
        """Count from now on, in this thread."""
        sys.setprofile(self._on_event)

    def stop(self) -> None:
        """Count no more; in the same thread."""
        sys.setprofile(None)

    def snapshot(self) -> Counts:
        """Return the counts so far, for :func:`per_unit`; from any thread."""
        return self._counts.copy()

    def _on_event(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "call":
            if frame.f_code.co_name in _COMPREHENSIONS:
                return
            place: Key = _place(frame)
            caller = _place(frame.f_back) if frame.f_back is not None else ("",)
            if _is_own(caller[0]) and not _is_own(place[0]):
                place = caller + place
            self._counts[place] += 1
        elif event == "c_call":
            while frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None:
                frame = frame.f_back
            # Not the object: a method has another one at each call.
            self._counts[_place(frame, function.__module__ or "", function.__qualname__)] += 1


def per_unit(snapshots: Sequence[Counts], size: int) -> Calls:
    """Return the calls of one unit of work by name, from the snapshots between groups of ``size`` units.

    ``socketio_sync.transports.websocket._take`` is a function of the library, and
    ``socketio_sync.transports.writer.flush > socket.send`` one that isn't, behind the name of its caller.
    The median of all groups: what happens now and then, such as a tick of the clock, isn't the work's.
    """
    groups: list[Counter[str]] = []
    for before, after in pairwise(snapshots):
        groups.append(Counter())
        for key, count in after.items():
            if key[-2:] not in _IGNORED:
                groups[-1][_name(key)] += count - before.get(key, 0)
    names = sorted(set().union(*groups))
    typical = {name: round(median(group[name] for group in groups) / size, 1) for name in names}
    return {name: calls for name, calls in typical.items() if calls}


def cost_of(calls: Calls) -> Cost:
    """Return the cost that some calls are, by name."""
    totals = dict.fromkeys(("own calls", "calls out", "calls beyond", "receives", "sends"), 0.0)
    for name, number in calls.items():
        caller, _, callee = name.partition(ARROW)
        if not _is_own(caller):
            totals["calls beyond"] += number
        elif callee:
            totals["calls out"] += number
        else:
            totals["own calls"] += number
        if callee in _RECEIVES:
            totals["receives"] += number
        elif callee in _SENDS:
            totals["sends"] += number
    return Cost({what: round(number, 1) for what, number in totals.items()}, calls)


def _is_own(name: str) -> bool:
    return name.startswith(_OWN)


def _place(frame: FrameType, *called: str) -> Key:
    return frame.f_globals.get("__name__", ""), frame.f_code.co_name, *called


@cache
def _name(key: Key) -> str:
    places = [f"{module}.{function}" for module, function in zip(key[::2], key[1::2], strict=True)]
    return ARROW.join(place.removeprefix(".").removeprefix("builtins.") for place in places)
