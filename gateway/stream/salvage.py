"""
Reading on past what aiokafka cannot decode: with librdkafka, which takes each record for itself.

aiokafka decodes the names of headers, and fails on a whole batch if one of them is not UTF-8; any producer may write
that. librdkafka decodes what it is asked for, so one record is lost to it and not the batch. It is not asked for every
record because it costs more, and blocks: it is called in a thread here, and only when something is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.connection import librdkafka_arguments
from gateway.stream.reader import Partition

READ_SECONDS = 2.0
MORE_SECONDS = 0.05  # others are held up meanwhile


class SalvagedRecord(NamedTuple):
    """A record with the fields that aiokafka's have; *headers* is None where they cannot be decoded."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None


async def salvage(settings: KafkaSettings, partition: Partition, offset: int, count: int) -> Sequence[SalvagedRecord]:
    """
    The next records of a partition, at most so many; none if none can be had now.

    Raises:
        KafkaUnavailable: If the client gave up.
    """
    try:
        return await asyncio.to_thread(_read, settings, TopicPartition(*partition, offset), count)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka does not answer: {error}") from None


async def salvaged(settings: KafkaSettings, partition: Partition, offset: int, count: int) -> tuple[Sequence[Any], int]:
    """
    The same without those that are poison, for who reads what the tail has read, counted and logged before.

    Returns:
        Records, and where reading goes on.
    """
    records = await salvage(settings, partition, offset, count)
    return [one for one in records if one.headers is not None], records[-1].offset + 1 if records else offset


def _read(settings: KafkaSettings, start: TopicPartition, count: int) -> Sequence[SalvagedRecord]:
    consumer = Consumer(
        {
            **librdkafka_arguments(settings),
            "group.id": settings.client_id,  # asked for, and never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.assign([start])
        found = consumer.consume(1, READ_SECONDS)
        found += consumer.consume(count, MORE_SECONDS)
        return [_record_of(message) for message in found if message.error() is None]
    finally:
        consumer.close()


def _record_of(message: Any) -> SalvagedRecord:
    try:
        headers = message.headers() or ()
    except (UnicodeDecodeError, SystemError):  # the latter where its C code goes on after the former
        headers = None
    return SalvagedRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers,
    )
