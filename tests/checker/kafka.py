"""What Kafka itself says: a plain consumer over topics, from their beginnings on, of what was committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.checker.messages import Record

DEADLINE_SECONDS = 240.0
READ_AT_ONCE = 1000
LOOK_SECONDS = 0.1


class Reading:
    """
    Reads topics as often as asked, each time from where it stopped to the present end.

    Args:
        address: Bootstrap servers.
        topics: Nothing is deleted of them that was not read.

    Raises:
        TimeoutError: If no broker knows one of them.
    """

    def __init__(self, address: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "checker",  # a name that librdkafka asks for; there is no group
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "log_level": 0,
            }
        )
        self._next = {(topic, partition): 0 for topic in topics for partition in self._partitions(topic)}

    def to_the_end(self) -> Iterator[Record]:
        """What was committed since, in the order of each partition's offsets; nothing may be open when this is called."""
        self._consumer.assign([TopicPartition(*at, offset) for at, offset in self._next.items()])
        open_partitions = set(self._next)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while open_partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Kafka could not be read to its end: {sorted(open_partitions)}")
            for message in self._consumer.consume(READ_AT_ONCE, 1.0):
                at = (message.topic(), message.partition())
                error = message.error()
                if error is None:
                    self._next[at] = message.offset() + 1
                    yield _record(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(at)
                elif not error.retriable() and error.code() != KafkaError._TRANSPORT:
                    raise KafkaException(error)
        self._consumer.unassign()

    def _partitions(self, topic: str) -> Sequence[int]:
        """Of a topic that may have been created just now: not every broker knows it in that moment."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            found = self._consumer.list_topics(timeout=DEADLINE_SECONDS).topics.get(topic)
            if found is not None and found.partitions:
                return list(found.partitions)
            time.sleep(LOOK_SECONDS)
        raise TimeoutError(f"no broker knows {topic}")

    def next_offset(self, topic: str, partition: int) -> int:
        """How far it was read."""
        return self._next[topic, partition]

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()


def _record(message) -> Record:
    _, timestamp = message.timestamp()
    headers = tuple(message.headers() or ())
    key = message.key().decode()
    return Record(message.topic(), message.partition(), message.offset(), timestamp, key, message.value(), headers)
