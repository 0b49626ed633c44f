"""Who reads the demo's Kafka beside the edge, and so knows what there was to be recovered."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer

DEADLINE_SECONDS = 30.0


class Posted(NamedTuple):
    """A record of the demo bank."""

    number: int
    partition: int
    offset: int
    timestamp: int


class Witness:
    """
    The records of one account, as Kafka has them.

    Args:
        kafka: The address of the demo's broker.
        account: The key.
    """

    def __init__(self, kafka: str, account: str) -> None:
        self.records: list[Posted] = []
        self._account = account.encode()
        self._consumer = AIOKafkaConsumer("edge.accounts", bootstrap_servers=kafka, auto_offset_reset="earliest")
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._consumer.stop()

    async def until_after(self, timestamp: int, count: int) -> None:
        """Wait until Kafka has so many records of the account that are younger than *timestamp* (ms)."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while sum(record.timestamp > timestamp for record in self.records) < count:
                self._news.clear()
                await self._news.wait()

    async def until_number(self, number: int) -> None:
        """Wait until this one is read, too."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self.records or self.records[-1].number < number:
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        async for record in self._consumer:
            if record.key == self._account:
                number = json.loads(record.value)["number"]
                self.records.append(Posted(number, record.partition, record.offset, record.timestamp))
                self._news.set()
