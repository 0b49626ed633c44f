"""Where a history begins: as far back as is promised, and anew where it cannot go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from gateway.metrics.counts import Counts
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Answer, HistoryWriter
from gateway.stream.reader import Partition, Reader
from gateway.stream.topics import TopicLife

_log = logging.getLogger("gateway.historian")
EMBEDDED_RECORDS = 10_000  # read back where Kafka has no time index


class Beginnings:
    """
    Begins histories.

    Args:
        writer: Its way to Redis.
        counts: What the metrics show.
    """

    def __init__(self, writer: HistoryWriter, counts: Counts) -> None:
        self._writer = writer
        self._counts = counts

    async def begin(
        self, reader: Reader, places: Sequence[HistoryPlace], lives: Mapping[str, TopicLife]
    ) -> dict[HistoryPlace, int]:
        """
        Begin histories where there are none: new, or forgotten by Redis. Kafka is asked once for all of a topic.

        Returns:
            Where each goes on; those are left out that have become somebody else's.

        Raises:
            KafkaUnavailable, StoreUnavailable: As they say.
        """
        begun: dict[HistoryPlace, int] = {}
        for topic in sorted({place.topic for place in places}):
            ours = [place for place in places if place.topic == topic]
            floors = await self._floors(reader, [(topic, place.partition) for place in ours], lives[topic])
            _log.info(
                "beginning the histories of partitions",
                extra={"topic": topic, "partitions": len(ours), "generation": lives[topic].generation},
            )
            for place in ours:
                outcome = await self._writer.begin(place, floors[topic, place.partition], expected=None)
                if (next_offset := self._outcome(outcome)) is not None:
                    begun[place] = next_offset
        return begun

    async def begin_anew(self, reader: Reader, place: HistoryPlace, next_offset: int) -> tuple[int | None, int]:
        """
        Begin where Kafka still has records, since it has none at *next_offset*.

        If the log ends before that, it was cut and grows again with other records under the same offsets. Theirs are
        not written until it has passed what was written before: nothing below is proof then.

        Returns:
            Where the history goes on, None if it has become somebody else's; and where Kafka is to be read.

        Raises:
            KafkaUnavailable, StoreUnavailable: As they say.
        """
        partition = (place.topic, place.partition)
        beginning = (await reader.beginnings([partition]))[partition]
        end = (await reader.ends([partition]))[partition]
        is_overtaken = next_offset < beginning
        floor, position = (beginning, beginning) if is_overtaken else (next_offset, end)
        _log.error(
            "the history of a partition cannot go on where it ended, it is begun anew",
            extra={
                "topic": place.topic,
                "partition": place.partition,
                "expected_offset": next_offset,
                "next_offset": floor,
                "reason": "records were deleted before they were read" if is_overtaken else "the log was cut",
            },
        )
        return self._outcome(await self._writer.begin(place, floor, expected=next_offset)), position

    async def _floors(
        self, reader: Reader, partitions: Sequence[Partition], life: TopicLife
    ) -> Mapping[Partition, int]:
        ends = await reader.ends(partitions)
        if not life.has_time_index:
            beginnings = await reader.beginnings(partitions)
            return {of: max(beginnings[of], ends[of] - EMBEDDED_RECORDS) for of in partitions}
        longest_ms = self._writer.retention.milliseconds_of(partitions[0][0])[-1]
        since = await reader.offsets_since(partitions, max(0, time.time_ns() // 1_000_000 - longest_ms))
        return {of: ends[of] if (found := since[of]) is None else found for of in partitions}

    def _outcome(self, answer: Answer) -> int | None:
        if answer.kind == "written":
            self._counts.history_beginnings += 1
        return answer.next_offset
