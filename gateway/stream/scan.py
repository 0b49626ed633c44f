"""
One partition's past, read piece by piece from an offset on.

The consumer is kept from one scan to the next: to start one costs more than most scans do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.reader import OutOfRange, Partition, Reader, Undecodable, UnreadableRecord
from gateway.stream.salvage import salvaged

PIECE_RECORDS = 200  # taken out of the client library in one step: about 0.5 ms
FETCH_BYTES = (
    1048576  # what is taken in at once; four times as much is read no faster, and holds the loop up for longer
)
WAIT_SECONDS = 0.25


class PastGone(Exception):
    """The log does not have the offset any more: deleted by age or size."""


class Piece(NamedTuple):
    """Some records, and where reading goes on: past the last one, and past what only Kafka sees."""

    records: Sequence[Any]
    next_offset: int


class Scan:
    """
    Reads one partition at a time.

    Args:
        kafka: How Kafka is reached and read.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka.model_copy(update={"fetch_max_bytes": min(kafka.fetch_max_bytes, FETCH_BYTES)})
        self._reader: Reader | None = None
        self._partition: Partition = ("", 0)
        self._next_offset = 0

    async def begin(self, partition: Partition, offset: int) -> None:
        """
        Go to an offset of a partition.

        Raises:
            KafkaUnavailable: If Kafka does not answer.
        """
        if self._reader is None:
            reader = Reader(self._kafka)
            await reader.start()
            self._reader = reader
        self._partition, self._next_offset = partition, offset
        self._reader.assign({partition: offset})

    async def read(self) -> Piece:
        """
        The next records; none if none came in a moment. Others always have their turn before.

        Raises:
            PastGone: If they were deleted.
            KafkaUnavailable: If Kafka does not answer.
        """
        reader = self._started()
        await asyncio.sleep(0)  # the client library does not wait for what it has already
        try:
            batches = await reader.poll(WAIT_SECONDS, PIECE_RECORDS)
        except OutOfRange:
            raise PastGone from None
        except UnreadableRecord:
            batches = {}  # the tail has met, counted and logged it
        except Undecodable:
            return await self._read_otherwise()
        self._next_offset = await reader.position(self._partition)
        return Piece(batches.get(self._partition, ()), self._next_offset)

    async def _read_otherwise(self) -> Piece:
        """Past what the client library cannot decode."""
        records, next_offset = await salvaged(self._kafka, self._partition, self._next_offset, PIECE_RECORDS)
        self._next_offset = next_offset
        self._started().assign({self._partition: next_offset})
        return Piece(records, next_offset)

    def go_back(self, offset: int) -> None:
        """Read from *offset* again."""
        self._next_offset = offset
        self._started().seek(self._partition, offset)

    def rest(self) -> None:
        """Fetch nothing until the next `begin`."""
        if self._reader is not None:
            self._reader.assign({})

    async def stop(self) -> None:
        """Let go of Kafka; the next `begin` starts over."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.stop()

    def _started(self) -> Reader:
        if self._reader is None:
            raise KafkaUnavailable("the scan was not begun")
        return self._reader
