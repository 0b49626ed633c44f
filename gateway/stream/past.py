"""
What Kafka still has of its topics' past, asked without reading it.

Offsets say where a record was, not that all records between two offsets are still there. They are, if the topic lives the
same life, its log begins before them, and it is not compacted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from gateway.core.life import RECREATED
from gateway.errors import ContinuityLost
from gateway.settings import KafkaSettings
from gateway.stream.cleanup import Cleanup, CleanupWatch
from gateway.stream.reader import Partition, Reader
from gateway.stream.topics import TopicLife, Topics

UNPROVABLE: Mapping[Cleanup, str] = {
    "compacts": "the topic behind this channel is compacted, so its past cannot be proven; load the state anew",
    "untold": "Kafka may not tell whether the topic behind this channel is compacted, so its past cannot be proven; "
    "load the state anew",
}
LOOK_SECONDS = 1.0  # a topic that is recreated within this is noticed by the tail, which tells everybody


class Past:
    """
    Asks Kafka about the records it keeps.

    Args:
        kafka: How Kafka is reached.
        lives: Topic → the life that the tail reads.
    """

    def __init__(self, kafka: KafkaSettings, lives: Callable[[], Mapping[str, TopicLife]]) -> None:
        self._kafka = kafka
        self._topics = Topics(kafka)
        self._cleanup = CleanupWatch(self._topics)
        self._lives = lives
        self._reader: Reader | None = None
        self._starting = asyncio.Lock()
        self._seen_at: dict[tuple[str, str], float] = {}

    async def check(self, topic: str, generation: str) -> None:
        """
        See whether a topic's log is without holes, and still that of *generation*.

        Raises:
            ContinuityLost: If not.
            KafkaUnavailable: If Kafka does not answer.
        """
        life = self._lives().get(topic)
        if life is None or life.generation != generation:
            raise ContinuityLost(RECREATED)
        if not life.has_time_index:
            return  # the embedded listener: its topics are neither recreated nor compacted, and it cannot be asked
        if time.monotonic() - self._seen_at.get((topic, generation), -LOOK_SECONDS) >= LOOK_SECONDS:
            facts = (await self._topics.look([topic])).get(topic)
            if facts is None or (facts.topic_id, facts.partitions) != (life.topic_id, life.partitions):
                raise ContinuityLost(RECREATED)
            self._seen_at[topic, generation] = time.monotonic()
        cleanup = await self._cleanup.cleanup_of(topic)
        if cleanup != "keeps":
            raise ContinuityLost(UNPROVABLE[cleanup])

    async def beginnings(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """
        The oldest offset that each partition still has.

        Raises:
            KafkaUnavailable: If Kafka does not answer.
        """
        reader = await self._started()
        return await reader.beginnings(partitions)

    def has_time_index(self, topic: str) -> bool:
        """Whether Kafka can tell offsets by time; the embedded listener cannot."""
        life = self._lives().get(topic)
        return life is not None and life.has_time_index

    async def offsets_since(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int | None]:
        """
        The first offset at or after a time, by Kafka's time index; None where there is none.

        Raises:
            KafkaUnavailable: Also if the broker has no such index, as the embedded one.
        """
        reader = await self._started()
        return await reader.offsets_since(partitions, timestamp_ms)

    async def stop(self) -> None:
        """Let go of Kafka for good."""
        self._topics.close()
        if self._reader is not None:
            await self._reader.stop()
            self._reader = None

    async def _started(self) -> Reader:
        async with self._starting:
            if self._reader is None:
                reader = Reader(self._kafka)
                await reader.start()
                self._reader = reader
            return self._reader
