"""What is so, read from Kafka itself: at the end of a round, and before anything is deleted."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.plan import NAMESPACES, topic_of
from tests.chaos.writing import Writer
from tests.checker.kafka import Reading
from tests.checker.truth import Truth


class Books:
    """
    The truth of a run, and who keeps it.

    Args:
        address: Bootstrap servers.
    """

    def __init__(self, address: str) -> None:
        self.truth = Truth({namespace: topic_of(namespace) for namespace in NAMESPACES})
        self._address = address
        self._lives: Counter[str] = Counter()
        self._readings = {namespace: Reading(address, [topic_of(namespace)]) for namespace in NAMESPACES}

    async def learn(self, namespace: str, writer: Writer) -> None:
        """
        Read what was written since; all of it is flushed.

        Raises:
            RuntimeError: If Kafka has not got what it has acknowledged: then nothing can be judged.
        """
        reading, life = self._readings[namespace], self._lives[namespace]
        acknowledged = [record for record in writer.acknowledged if record.offset is not None]  # None if told twice
        for record in await asyncio.to_thread(lambda: list(reading.to_the_end())):
            self.truth.add(record, life)
        for record in acknowledged:
            if self.truth.log(f"{namespace}:{record.key}", life).index_of(record.offset) is None:
                raise RuntimeError(f"Kafka has acknowledged, and has not: {record}")
        writer.acknowledged.clear()

    def next_offset(self, namespace: str, partition: int) -> int:
        """How far it was read."""
        return self._readings[namespace].next_offset(topic_of(namespace), partition)

    async def begin_life(self, namespace: str) -> int:
        """Its topic was recreated. Returns: the number of its new life."""
        self._readings[namespace].close()
        self._readings[namespace] = await asyncio.to_thread(Reading, self._address, [topic_of(namespace)])
        self._lives[namespace] = self.truth.begin_life(topic_of(namespace))
        return self._lives[namespace]

    def close(self) -> None:
        """End all reading."""
        for reading in self._readings.values():
            reading.close()
