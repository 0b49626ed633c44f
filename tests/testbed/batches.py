"""Batches of records as no producer of ours would write them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy


class UndecodableName(str):
    """The name of a header, as some producer in C may write it."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


async def produce_batch(
    address: str, topic: str, records: Sequence[tuple[bytes, Sequence[tuple[str, bytes]]]], *, key: bytes = b"a"
) -> None:
    """Write records of one key as one batch, built by aiokafka's Python, which asks a header's name for its bytes."""
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(
            magic=2,
            compression_type=0,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=16384,
        )
        for value, headers in records:
            batch.append(key=key, value=value, timestamp=int(time.time() * 1000), headers=headers)
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()
