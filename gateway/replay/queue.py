"""Who waits for what: queues that anybody can leave at any moment, and a share of the loop's turn."""

from __future__ import annotations

import asyncio
import time

from gateway.core.replay import Replay

SHARE_SECONDS = 0.004  # of one turn of the loop; live messages wait no longer than that


class Queue:
    """Replays in the order in which they came."""

    __slots__ = ("_filled", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Replay, None] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, replay: Replay) -> None:
        """Wait."""
        self._waiting[replay] = None
        self._filled.set()

    def drop(self, replay: Replay) -> None:
        """Wait no more; idempotent."""
        self._waiting.pop(replay, None)

    async def take(self, limit: int) -> list[Replay]:
        """The first ones, at most so many; waits until there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        first = list(self._waiting)[:limit] if len(self._waiting) <= limit else self._first(limit)
        for replay in first:
            del self._waiting[replay]
        return first

    def _first(self, limit: int) -> list[Replay]:
        waiting = iter(self._waiting)
        return [next(waiting) for _ in range(limit)]


class Share:
    """The part of a turn of the loop that one worker may use up."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.monotonic() + SHARE_SECONDS

    async def spend(self) -> None:
        """Let others have their turn if this one's is used up."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + SHARE_SECONDS
