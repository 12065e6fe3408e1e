"""Token buckets, and a bounded table of them. They are told the time, on any clock that never goes back."""

from __future__ import annotations

import math
from collections import OrderedDict


class TokenBucket:
    """Lets ``rate`` tokens a second through in the long run, and ``burst`` at once.

    In any window of t seconds at most ``burst + rate * t`` are taken.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Begin with a full bucket at ``now``, in seconds."""
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take so many tokens and return True; where fewer are left, take none and return False."""
        # Not by _level_at: this is done for every message.
        level = self._level + (now - self._at) * self._rate
        if level > self._burst:
            level = self._burst
        self._at = now
        if level < amount:
            self._level = level
            return False
        self._level = level - amount
        return True

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return in how many seconds so many tokens can be taken: infinity if there are never so many."""
        if amount > self._burst:
            return math.inf
        return max(0.0, (amount - self._level_at(now)) / self._rate)

    def is_full(self, now: float) -> bool:
        """Tell whether the bucket is as good as a new one."""
        return self._level_at(now) >= self._burst

    def _level_at(self, now: float) -> float:
        return min(self._burst, self._level + (now - self._at) * self._rate)


class Buckets:
    """A bucket for each key, of which so many are kept.

    The one that was looked for longest ago is forgotten first: as soon as it is full, when a new one is as
    good, or where there are too many.
    """

    __slots__ = ("_buckets", "_burst", "_most", "_rate")

    def __init__(self, rate: float, burst: float, most: int) -> None:
        """Keep ``most`` buckets of ``rate`` and ``burst``."""
        self._rate = rate
        self._burst = burst
        self._most = most
        # In the order in which they were looked for last: that of becoming full, nearly.
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._buckets)

    def of(self, key: str, now: float) -> TokenBucket:
        """Return the bucket of a key, a full one if none is kept."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
            return bucket
        self._make_room(now)
        bucket = self._buckets[key] = TokenBucket(self._rate, self._burst, now)
        return bucket

    def _make_room(self, now: float) -> None:
        # Two for each that comes: what isn't needed any more goes sooner than new ones come, at a fixed cost.
        for _ in range(2):
            oldest = next(iter(self._buckets), None)
            if oldest is None or not (len(self._buckets) >= self._most or self._buckets[oldest].is_full(now)):
                return
            del self._buckets[oldest]
