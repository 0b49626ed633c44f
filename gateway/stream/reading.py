"""Reading for ever: one consumer after another, and a look at the topics beside it every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Self, TypeVar

from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.pace import Patience
from gateway.stream.reader import Reader

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.2, 5.0
Look = TypeVar("Look")


async def keep_reading(
    kafka: KafkaSettings,
    read: Callable[[Reader], Awaitable[None]],
    tell: Callable[[KafkaUnavailable], None],
    patience: Patience | None = None,
) -> None:
    """
    Read for ever, with another consumer whenever one has ended; Kafka being away is waited for.

    Args:
        read: Reads with one consumer, until that makes no progress any more.
        tell: Told each time that Kafka is away.
        patience: What fetches ask of the broker; None: what suits the load.
    """
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        reader, began_at = Reader(kafka, patience), time.monotonic()
        try:
            await reader.start()
            await read(reader)
        except KafkaUnavailable as error:
            tell(error)
            lasted = time.monotonic() - began_at
            backoff = FIRST_BACKOFF_SECONDS if lasted > MAX_BACKOFF_SECONDS else min(backoff * 2, MAX_BACKOFF_SECONDS)
            await asyncio.sleep(backoff)
        finally:
            await reader.stop()


class Looks(Generic[Look]):
    """
    What is asked of Kafka in a task of its own, so that reading never waits for the answer.

    To be entered for as long as one consumer reads; the first look is due at once.

    Args:
        every_seconds: Between the beginnings of two looks, at least.
        name: Of the task.
    """

    def __init__(self, every_seconds: float, name: str) -> None:
        self._every_seconds = every_seconds
        self._name = name
        self._looking: asyncio.Task[Look] | None = None
        self._due_at = 0.0

    async def __aenter__(self) -> Self:
        self._due_at = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def begin_when_due(self, look: Callable[[], Coroutine[Any, Any, Look]]) -> None:
        """Begin one if it is time, and none is under way."""
        now = time.monotonic()
        if self._looking is None and now >= self._due_at:
            self._due_at = now + self._every_seconds
            self._looking = asyncio.create_task(look(), name=self._name)

    def hurry(self, within_seconds: float) -> None:
        """The next one is due so soon."""
        self._due_at = min(self._due_at, time.monotonic() + within_seconds)

    def found(self) -> Look | None:
        """What the last look has found, once; None as long as there is nothing new."""
        if self._looking is None or not self._looking.done():
            return None
        looked, self._looking = self._looking, None
        return looked.result()

    async def wait(self, seconds: float) -> None:
        """Until the look that is under way has ended, but not longer than this."""
        if self._looking is None:
            await asyncio.sleep(seconds)
        else:
            await asyncio.wait([self._looking], timeout=seconds)

    async def stop(self) -> None:
        """Give the look up that is under way: what it finds would be old."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            self._looking = None
