"""
All deadlines of all sockets in one timer.

A timer per connection costs memory and a heap; here a deadline is one more entry in the bucket of its tick. Nothing is
ever cancelled: who is called and has no more need of it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_SECONDS = 0.1
Due = Callable[[float], None]


class Wheel:
    """
    Calls back at about the time wanted, never early, at most a tick late.

    Args:
        now: The time at the start, seconds of any clock that only goes forward.
    """

    def __init__(self, now: float) -> None:
        self._tick = int(now / TICK_SECONDS)
        self._buckets: dict[int, list[Due]] = {}

    def at(self, when: float, due: Due) -> None:
        """Call *due* with the time once *when* has passed."""
        tick = max(int(when / TICK_SECONDS), self._tick) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [due]
        else:
            bucket.append(due)

    def turn(self, now: float) -> None:
        """Call everything that is due by *now*."""
        until = int(now / TICK_SECONDS)
        while self._tick < until:
            self._tick += 1
            for due in self._buckets.pop(self._tick, ()):
                due(now)

    async def run(self) -> None:
        """Turn for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.turn(loop.time())
