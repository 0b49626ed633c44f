"""
Kafka as publications go into it: acknowledged by all replicas, written once, in order, and together where they belong together.

aiokafka's idempotent producer repeats what a broker did not answer until it does, without writing it twice. So what was
handed over is written sooner or later, or the producer breaks for good and another one takes its place.

It does not linger: it has one request under way to each broker, and what comes meanwhile shares the next one. So one
publisher waits for nobody, and many share; aiokafka's linger would only hold a request's successor back.

Source: KIP-98 for idempotence; a record batch is written whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    RecordListTooLargeError,
    RecordTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner

from gateway.core.published import OutgoingRecord
from gateway.errors import KafkaUnavailable, MessageTooLarge
from gateway.settings import KafkaSettings
from gateway.stream.connection import aiokafka_arguments, let_go

BATCH_BYTES = 1 << 20
_BROKEN = (IllegalOperation, OutOfOrderSequenceNumber, ProducerClosed, ProducerFenced)
_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)


class Placed(NamedTuple):
    """Where Kafka put records: the first one's offset, the others follow."""

    partition: int
    offset: int


class Producer:
    """
    A producer that outlives its failures.

    Args:
        settings: How Kafka is reached.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._partitioner = DefaultPartitioner()
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Lock = asyncio.Lock()

    async def hand_over(self, topic: str, records: Sequence[OutgoingRecord]) -> Awaitable[Placed]:
        """
        Put records of one key behind what was handed over before.

        Returns:
            To be awaited for where Kafka put them; raises KafkaUnavailable or MessageTooLarge.

        Raises:
            KafkaUnavailable: If there is no broker, or no such topic.
            MessageTooLarge: If a record is more than a batch may hold.
        """
        producer = await self._running()
        try:
            if len(records) == 1:
                (record,) = records
                taken = await producer.send(topic, record.value, record.key, headers=record.headers)
            else:
                taken = await self._hand_over_batch(producer, topic, records)
        except _TOO_LARGE as error:
            raise MessageTooLarge(f"Kafka does not take a record of this size: {error}") from None
        except (KafkaError, OSError) as error:
            await self._replace(producer, error)
            raise KafkaUnavailable(f"Kafka does not take what is published: {error}") from None
        return self._placed(producer, taken)

    async def stop(self) -> None:
        """Let go of everything once what was handed over is written, or cannot be; never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await let_go(producer.stop())

    async def _hand_over_batch(self, producer: AIOKafkaProducer, topic: str, records: Sequence[OutgoingRecord]) -> Any:
        partitions = sorted(await producer.partitions_for(topic))
        partition = self._partitioner(records[0].key, partitions, partitions)
        batch = producer.create_batch()
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
                raise MessageTooLarge(f"messages that are published together may have at most {BATCH_BYTES} bytes")
        return await producer.send_batch(batch, topic, partition=partition)

    async def _placed(self, producer: AIOKafkaProducer, taken: Any) -> Placed:
        try:
            metadata = await taken
        except _TOO_LARGE as error:
            raise MessageTooLarge(f"Kafka does not take a record of this size: {error}") from None
        except (KafkaError, OSError) as error:
            await self._replace(producer, error)
            raise KafkaUnavailable(f"Kafka does not take what is published: {error}") from None
        return Placed(metadata.partition, metadata.offset)

    async def _running(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **aiokafka_arguments(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=self._settings.max_record_bytes + BATCH_BYTES,
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    await let_go(producer.stop())
                    raise KafkaUnavailable(f"Kafka does not answer: {error}") from None
                except asyncio.CancelledError:
                    await let_go(producer.stop())
                    raise
                self._producer = producer
            return self._producer

    async def _replace(self, broken: AIOKafkaProducer, error: Exception) -> None:
        """A producer whose sequence is broken takes nothing any more; the next publication gets a new one."""
        is_broken = isinstance(error, _BROKEN) or type(error) is KafkaError  # which stands for a sender that has ended
        is_in_use = self._producer is broken
        if is_broken and is_in_use:
            self._producer = None
            await let_go(broken.stop())
