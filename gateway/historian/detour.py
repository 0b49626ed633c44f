"""Around what the client library cannot decode: one partition alone, with the other library if it must be."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.interpreter import Record
from gateway.historian.scribe import STEP_RECORDS
from gateway.settings import KafkaSettings
from gateway.stream.reader import OutOfRange, Partition, Reader, Undecodable, UnreadableRecord
from gateway.stream.salvage import salvaged

POLL_SECONDS = 0.5


async def read_alone(
    kafka: KafkaSettings, reader: Reader, partition: Partition, offset: int
) -> tuple[Sequence[Record], int]:
    """
    Some records of a partition; the reader is assigned that partition only, afterwards.

    Returns:
        The records, and where reading goes on. None, at the same place, where another reading meets the same again and
        says what it is.

    Raises:
        KafkaUnavailable: If Kafka does not answer.
    """
    reader.assign({partition: offset})
    try:
        batches = await reader.poll(POLL_SECONDS, STEP_RECORDS)
        return batches.get(partition, ()), await reader.position(partition)
    except Undecodable:
        return await salvaged(kafka, partition, offset, STEP_RECORDS)
    except (OutOfRange, UnreadableRecord):
        return (), offset
