"""Topics and records: what services would put into Kafka, put there by tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.testbed import secrecy
from tests.testbed.process import wait_until

DEADLINE_SECONDS = 60.0
Text = str | bytes | None
Record = tuple[Text, Text] | tuple[Text, Text, Mapping[str, Text]]


class Records:
    """
    A producer and an administrator of one Kafka.

    Args:
        address: Its bootstrap servers.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        common = {"bootstrap.servers": address, "log_level": 0}
        self.admin = AdminClient(common)
        self._producer = Producer(
            common
            | {
                "enable.idempotence": True,  # a retry over a restarted broker neither doubles nor reorders
                # With more, a broker that does not lead a new partition yet refuses a first batch and takes the second: then
                # the first one's retry passes for a copy of it, and is acknowledged without being there.
                "max.in.flight.requests.per.connection": 1,
                "linger.ms": 1,
                "partitioner": "murmur2_random",  # what Java's clients do, so keys lie where a bank's services put them
                "topic.metadata.refresh.interval.ms": 1_000,
                "reconnect.backoff.max.ms": 500,
                "delivery.timeout.ms": int(DEADLINE_SECONDS * 1000),
            }
        )
        self._failures: list[str] = []

    def make_topic(self, partitions: int = 4, *, name: str | None = None, replicas: int = -1, **config: str) -> str:
        """
        Create a topic and wait until each partition is led.

        Args:
            partitions: How many.
            name: Else a new one.
            replicas: Else as many as the brokers' default.
            config: Its settings, with _ for dots, such as ``cleanup_policy="compact"``.

        Returns:
            Its name.
        """
        name = name or f"test.{uuid.uuid4().hex[:12]}"
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}

        def is_created() -> bool:  # the name of a topic just deleted is taken for a moment
            try:
                self.admin.create_topics([NewTopic(name, partitions, replicas, config=settings)])[name].result(
                    DEADLINE_SECONDS
                )
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                return False
            return True

        wait_until(is_created, f"{name} is created")
        self.wait_for_partitions(name, partitions)
        return name

    def wait_for_partitions(self, topic: str, partitions: int) -> None:
        """Wait until a topic has so many partitions, each with a leader."""

        def is_whole() -> bool:
            found = self.admin.list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic].partitions
            return len(found) == partitions and all(partition.leader >= 0 for partition in found.values())

        wait_until(is_whole, f"{topic} has {partitions} partitions")

    def read(self, topic: str) -> list[Message]:
        """All that a topic holds, partition by partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "reads everything",
                "enable.auto.commit": "false",
                "log_level": 0,
            }
        )
        found: list[Message] = []
        try:
            for number in self.admin.list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic].partitions:
                place = TopicPartition(topic, number, OFFSET_BEGINNING)
                _, end = consumer.get_watermark_offsets(place, timeout=DEADLINE_SECONDS)
                consumer.assign([place])
                deadline = time.monotonic() + DEADLINE_SECONDS
                while consumer.position([place])[0].offset < end and end > 0:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{topic}:{number} was not read up to {end} in time")
                    found += [record for record in consumer.consume(5_000, timeout=0.5) if record.error() is None]
        finally:
            consumer.close()
        return found

    def delete_topic(self, topic: str) -> None:
        """Delete a topic; Kafka does so a little later."""
        self.admin.delete_topics([topic])[topic].result(DEADLINE_SECONDS)

    def add_partitions(self, topic: str, total: int) -> None:
        """Let a topic have *total* partitions."""
        self.admin.create_partitions([NewPartitions(topic, total)])[topic].result(DEADLINE_SECONDS)
        self.wait_for_partitions(topic, total)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Lose the records before *offset*, as retention does."""
        asked = TopicPartition(topic, partition, offset)
        self.admin.delete_records([asked])[asked].result(DEADLINE_SECONDS)

    def produce(self, topic: str, records: Iterable[Record], *, partition: int | None = None) -> None:
        """
        Write records, and wait until Kafka has acknowledged all of them.

        Args:
            topic: Where.
            records: Key, value and, if any, headers.
            partition: Else the one that the key says.

        Raises:
            RuntimeError: With Kafka's reason, if one was not taken.
        """
        for record in records:
            self.send(topic, record, partition=partition)
        self.flush()

    def send(self, topic: str, record: Record, *, partition: int | None = None) -> None:
        """Write a record without waiting; `flush` says whether it was taken."""
        key, value, headers = (*record, {})[:3]
        secrecy.remember(value)
        where = {} if partition is None else {"partition": partition}
        while True:
            try:
                self._producer.produce(
                    topic, key=key, value=value, headers=list(headers.items()), on_delivery=self._note, **where
                )
            except BufferError:  # the queue is full: let some of it be sent
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Wait until all that was sent is acknowledged."""
        left = self._producer.flush(DEADLINE_SECONDS)
        if left or self._failures:
            raise RuntimeError(f"{left} records not acknowledged in time; failures: {self._failures[:3]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.purge()
        self._producer.flush(5)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failures.append(error.str())
