"""
Whether a topic is still the one that was read, told by a record of it: for brokers that give topics no id.

What lies at an offset never changes. So the last record that was read is asked for again now and then:

    there, as it was                                        the same topic
    there, but another; or the log ends before it           the topic was recreated
    not there: retention or compaction has taken it         no evidence, either way

Source: KIP-516 for topic ids, which Kafka has since 2.8.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from gateway.settings import KafkaSettings
from gateway.stream.reader import OutOfRange, Partition, Reader

READ_SECONDS = 2.0
FETCH_BYTES = 65536  # the least that the settings allow; a longer record comes all the same


class Mark(NamedTuple):
    """What a record was like: where it lay, and a digest of its time, key and value."""

    offset: int
    digest: bytes


def mark_of(record: Any) -> Mark:
    """
    Remember a record.

    Args:
        record: As aiokafka gives it.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{record.timestamp} {_length(record.key)} {_length(record.value)} ".encode())
    digest.update(record.key or b"")
    digest.update(record.value or b"")
    return Mark(record.offset, digest.digest())


def _length(part: bytes | None) -> int:
    return -1 if part is None else len(part)


class Marks:
    """
    The last records read of topics without an id.

    Those of the look before are compared, not the newest: these may be of the new topic already, if its offsets fit.

    Args:
        settings: How Kafka is reached.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._nameless: Set[str] = frozenset()
        self._newest: dict[Partition, Mark] = {}
        self._before: Mapping[Partition, Mark] = {}

    def note(self, partition: Partition, record: Any) -> None:
        """Remember what was read last of a partition."""
        if partition[0] in self._nameless:
            self._newest[partition] = mark_of(record)

    def forget(self) -> None:
        """What was read before is no measure of what is read from now on."""
        self._newest, self._before = {}, {}

    async def compare(self, nameless: Set[str]) -> Set[str]:
        """
        Find which of the topics without an id are others than at the last look.

        Raises:
            KafkaUnavailable: If it cannot be told now; the next look compares the same marks.
        """
        self._nameless = nameless
        newest = dict(self._newest)
        found = await recreated(self._settings, {at: mark for at, mark in self._before.items() if at[0] in nameless})
        self._before = newest
        return found


async def recreated(settings: KafkaSettings, marks: Mapping[Partition, Mark]) -> set[str]:
    """
    Find the topics that are no longer those that *marks* were taken of.

    Raises:
        KafkaUnavailable: If it cannot be told now.
    """
    if not marks:
        return set()
    reader = Reader(settings.model_copy(update={"fetch_max_bytes": FETCH_BYTES}))
    try:
        await reader.start()
        beginnings, ends = await reader.beginnings(marks), await reader.ends(marks)
        found = {partition[0] for partition, mark in marks.items() if ends[partition] <= mark.offset}
        for partition, mark in marks.items():
            if partition[0] not in found and beginnings[partition] <= mark.offset:
                record = await _record_from(reader, partition, mark.offset)
                if record is not None and record.offset == mark.offset and mark_of(record) != mark:
                    found.add(partition[0])
        return found
    finally:
        await reader.stop()


async def _record_from(reader: Reader, partition: Partition, offset: int) -> Any | None:
    """The first record at or after *offset*; None if there is none, or none comes in time."""
    reader.assign({partition: offset})
    deadline = time.monotonic() + READ_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            batches = await reader.poll(left, 1)
        except OutOfRange:
            return None
        if records := batches.get(partition):
            return records[0]
    return None
