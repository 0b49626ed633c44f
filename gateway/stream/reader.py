"""
Kafka as the tail reads it: every partition, by position, without a group.

Library exceptions stop here. Positions are kept by the caller, so that a reader may be thrown away and another one goes
on exactly where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError, RecordTooLargeError

from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.connection import aiokafka_arguments, let_go
from gateway.stream.pace import IDLE, Pace, Patience

Partition = tuple[str, int]
RECORD_BYTES = 20  # beside key and value, with its share of the batch's head


class OutOfRange(Exception):
    """
    Positions that Kafka no longer, or not yet, has.

    Args:
        partitions: Whose.
    """

    def __init__(self, partitions: Sequence[Partition]) -> None:
        super().__init__(f"out of range: {partitions}")
        self.partitions = partitions


class UnreadableRecord(Exception):
    """A record that the client library cannot take in; it was skipped."""


class Undecodable(Exception):
    """
    What the client library failed to decode, in some partition; what it had read of others in that call is gone.

    Positions of the caller are right all the same: assign them anew.
    """


class Reader:
    """
    A consumer of given partitions.

    Args:
        settings: How Kafka is reached and read.
        patience: What all fetches ask of the broker; None: what suits the load.
    """

    def __init__(self, settings: KafkaSettings, patience: Patience | None = None) -> None:
        self._pace = Pace(time.monotonic()) if patience is None else None
        fetch = patience or IDLE
        self._consumer = AIOKafkaConsumer(
            **aiokafka_arguments(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            metadata_max_age_ms=30_000,
            fetch_min_bytes=fetch.min_bytes,
            fetch_max_wait_ms=fetch.max_wait_ms,
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=settings.fetch_max_bytes,
            retry_backoff_ms=100,
        )

    async def start(self) -> None:
        """
        Reach the brokers.

        Raises:
            KafkaUnavailable: If none answers.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from None

    async def stop(self) -> None:
        """Let go of everything; never raises."""
        await let_go(self._consumer.stop())

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions, each from its position."""
        partitions = [TopicPartition(*partition) for partition in positions]
        self._consumer.assign(partitions)
        for partition in partitions:
            self._consumer.seek(partition, positions[partition.topic, partition.partition])

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on elsewhere in a partition."""
        self._consumer.seek(TopicPartition(*partition), offset)

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[Any]]:
        """
        The next records, at most so many, of any partitions.

        Raises:
            OutOfRange: If positions are not in the log.
            UnreadableRecord: If one record was skipped because the library cannot take it in.
            Undecodable: If the library failed on what it fetched.
            KafkaUnavailable: If the client gave up.
        """
        try:
            batches = await self._consumer.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=max_records)
        except OffsetOutOfRangeError as error:
            raise OutOfRange([(p.topic, p.partition) for p in error.args[0]]) from None
        except RecordTooLargeError as error:
            raise UnreadableRecord(str(error)) from None
        except CorruptRecordException as error:
            raise Undecodable(str(error)) from None
        except (KafkaError, OSError) as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from None
        except Exception as error:  # whatever it trips over in bytes that any producer may write
            raise Undecodable(f"{type(error).__name__}: {error}") from error
        if self._pace is not None:
            records = sum(map(len, batches.values()))
            size_bytes = sum(len(batch) * _size(batch[0]) for batch in batches.values())
            if self._pace.note(records, size_bytes, time.monotonic()):
                self._tune(self._pace.patience)
        return batches  # type: ignore[no-any-return]

    async def position(self, partition: Partition) -> int:
        """The offset that is read next; past what holds no records for anybody, such as aborted transactions."""
        return await self._consumer.position(TopicPartition(*partition))  # type: ignore[no-any-return]

    def high_water(self, partition: Partition) -> int | None:
        """Where the partition ended at the last fetch."""
        return self._consumer.highwater(TopicPartition(*partition))  # type: ignore[no-any-return]

    def told_at_ms(self, partition: Partition) -> int | None:
        """When the last fetch was answered that told `high_water`, in milliseconds since the epoch."""
        return self._consumer.last_poll_timestamp(TopicPartition(*partition))  # type: ignore[no-any-return]

    async def beginnings(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The oldest offset of each partition."""
        return await self._offsets(self._consumer.beginning_offsets, partitions)

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the newest record of each partition."""
        return await self._offsets(self._consumer.end_offsets, partitions)

    async def offsets_since(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int | None]:
        """
        The first offset at or after a time; None where there is none.

        Raises:
            KafkaUnavailable: Also if the broker cannot tell, as the embedded one.
        """
        wanted = {TopicPartition(*partition): timestamp_ms for partition in partitions}
        try:
            found = await self._consumer.offsets_for_times(wanted)
        except (KafkaError, OSError, ValueError) as error:
            raise KafkaUnavailable(f"Kafka does not tell offsets by time: {error}") from None
        return {(p.topic, p.partition): None if at is None else at.offset for p, at in found.items()}

    def _tune(self, patience: Patience) -> None:
        """Let the next fetches be so patient. aiokafka has no public way to say so; it reads both values for each request."""
        fetcher = self._consumer._fetcher  # noqa: SLF001  # see the docstring
        brokers = len(self._consumer._client.cluster.brokers())  # noqa: SLF001  # each is asked for its share
        fetcher._fetch_min_bytes = max(1, patience.min_bytes // max(1, brokers))  # noqa: SLF001
        fetcher._fetch_max_wait_ms = patience.max_wait_ms  # noqa: SLF001

    async def _offsets(self, ask: Any, partitions: Iterable[Partition]) -> dict[Partition, int]:
        try:
            found = await ask([TopicPartition(*partition) for partition in partitions])
        except (KafkaError, OSError) as error:
            raise KafkaUnavailable(f"Kafka does not tell offsets: {error}") from None
        return {(p.topic, p.partition): offset for p, offset in found.items()}


def _size(record: Any) -> int:
    """About what a record takes in a batch, in bytes; the rest of its batch will be like it."""
    return int(RECORD_BYTES + max(0, record.serialized_key_size) + max(0, record.serialized_value_size))
