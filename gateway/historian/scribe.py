"""Records → steps of a history. Records of no channel, poison, and what Kafka keeps for itself are passed, and write nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.core.duplicates import REMEMBERED_OF_THE_PAST, Duplicates
from gateway.core.interpreter import Interpreter, Record, size_of
from gateway.core.retention import Retention
from gateway.core.routing import PoisonRecord
from gateway.core.serial import Serial
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Chapter, Step

STEP_RECORDS = 150  # with what Redis is told of them, under 4 ms of a turn
STEP_BYTES = 1_048_576  # of records in one step, but always one record


class Scribe:
    """
    Turns records into steps.

    Args:
        interpreter: What a record means.
        retention: How much is kept of whose.
        was_copy: Whether the tail has dropped the record at a serial: its first may lie before what is read here.
    """

    def __init__(self, interpreter: Interpreter, retention: Retention, was_copy: Callable[[str], bool]) -> None:
        self._interpreter = interpreter
        self._retention = retention
        self._was_copy = was_copy
        self._duplicates = Duplicates(REMEMBERED_OF_THE_PAST)

    def steps(self, place: HistoryPlace, from_offset: int, records: Sequence[Record], end: int) -> Iterator[Step]:
        """
        Cut records into steps, each small enough for Redis and for a turn of the loop.

        Args:
            from_offset: Where the history goes on; earlier records were written already.
            records: Of that partition, ascending.
            end: Where reading goes on after *records*: past the last one, and past what only Kafka sees.
        """
        chapters: list[Chapter] = []
        size_bytes = count = 0
        for record in records:
            if record.offset < from_offset:
                continue
            if count and (count >= STEP_RECORDS or size_bytes >= STEP_BYTES):
                yield Step(place, from_offset, record.offset, chapters)
                from_offset = record.offset
                chapters, size_bytes, count = [], 0, 0
            count += 1
            chapter = self._chapter(place, record)
            if chapter is not None:
                size_bytes += size_of(record)
                chapters.append(chapter)
        if end > from_offset:
            yield Step(place, from_offset, end, chapters)

    def _chapter(self, place: HistoryPlace, record: Record) -> Chapter | None:
        """None for what has no history, and for copies. The tail reads the same records, and counts and logs the poison among them."""
        try:
            namespace, channel = self._interpreter.channel_of(record)
            keep = self._retention.keep_of(namespace)
            if keep is None:
                return None
            message = self._interpreter.message_of(record, namespace)
        except PoisonRecord:
            return None
        is_kept = self._duplicates.keeps(channel, message, record.topic, record.partition, record.offset)
        if not is_kept or self._was_copy(str(Serial(place.generation, record.partition, record.offset))):
            return None
        return Chapter(record.offset, channel, message, keep)
