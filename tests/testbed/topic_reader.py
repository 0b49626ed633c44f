"""What an edge has written to a topic, as a service reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition

DEADLINE_SECONDS = 60.0


class Written(NamedTuple):
    """One record: its key as text, its value as JSON."""

    key: str
    value: dict[str, Any]


class TopicReader:
    """
    All partitions of a topic, from the beginning.

    Args:
        address: Bootstrap servers.
        topic: Which.

    Attributes:
        found: What was read so far, in the order of each partition.
    """

    def __init__(self, address: str, topic: str) -> None:
        self.found: list[Written] = []
        self._consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "log_level": 0})
        known = self._consumer.list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic].partitions
        self._partitions = [TopicPartition(topic, number, 0) for number in known]
        self._consumer.assign(self._partitions)

    def read_until(self, is_so: Callable[[Sequence[Written]], bool], what: str) -> None:
        """Read until it is so by all that was found, and fail with *what* at the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_so(self.found):
            if time.monotonic() > deadline:
                raise TimeoutError(f"read {len(self.found)} records in vain: {what}; the last: {self.found[-3:]}")
            message = self._consumer.poll(0.5)
            if message is not None and message.error() is None:
                self.found.append(Written((message.key() or b"").decode(), json.loads(message.value() or b"")))

    def read(self, count: int) -> list[Written]:
        """Read so many records, and see that there are no more."""
        self.read_until(lambda found: len(found) >= count, f"{count} records")
        ends = [self._consumer.get_watermark_offsets(partition)[1] for partition in self._partitions]
        assert (len(self.found), sum(ends)) == (count, count)
        return self.found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
