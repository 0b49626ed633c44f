"""
Scripts that many ask for at once, in few round trips: one batch is under way, the next one gathers.

Batches go one behind the other, so what one caller asks first is done first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from gateway.errors import StoreUnavailable
from gateway.store.redis import Line
from gateway.store.script import Call, run_scripts

BATCH_CALLS = 500
MAX_CALLS = 100_000  # that wait; each of their callers has a deadline
_Waiting = tuple[Sequence[Call], "asyncio.Future[Sequence[Any]]"]


class Joined:
    """
    A line that several share.

    Args:
        line: To Redis.
        timeout_seconds: Deadline of every caller, from when it asks.
    """

    def __init__(self, line: Line, timeout_seconds: float) -> None:
        self._line = line
        self._timeout_seconds = timeout_seconds
        self._waiting: deque[_Waiting] = deque()
        self._calls = 0
        self._asking: asyncio.Task[None] | None = None

    async def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """
        Run scripts together with others'.

        Returns:
            For each call its answer, or the exception of Redis that came instead.

        Raises:
            StoreUnavailable: If Redis does not answer in time, or too much waits for it already.
        """
        if not calls:
            return ()
        if self._calls + len(calls) > MAX_CALLS:
            raise StoreUnavailable("too much waits for Redis already")
        answered: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((calls, answered))
        self._calls += len(calls)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await answered
        except TimeoutError:
            raise StoreUnavailable("Redis does not answer") from None

    async def _ask(self) -> None:
        try:
            while self._waiting:
                batch: list[_Waiting] = []
                count = 0
                while self._waiting and (not batch or count + len(self._waiting[0][0]) <= BATCH_CALLS):
                    waiting = self._waiting.popleft()
                    self._calls -= len(waiting[0])
                    if not waiting[1].done():  # nobody waits for it any more
                        batch.append(waiting)
                        count += len(waiting[0])
                await self._answer(batch)
        finally:
            self._asking = None

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await run_scripts(self._line, [call for calls, _ in batch for call in calls]) if batch else []
        except StoreUnavailable as error:
            for _, answered in batch:
                if not answered.done():
                    answered.set_exception(error)
            return
        at = 0
        for calls, answered in batch:
            if not answered.done():
                answered.set_result(answers[at : at + len(calls)])
            at += len(calls)
