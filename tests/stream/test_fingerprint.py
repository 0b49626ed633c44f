"""A recreated topic is told from the one that was read by a record of it, where the broker gives no topic id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from gateway.dev.embedded import embedded_kafka
from gateway.settings import KafkaSettings
from gateway.stream.fingerprint import Mark, mark_of, recreated
from gateway.stream.reader import Partition
from tests.testbed.records import Records


class Record(NamedTuple):
    """What a mark is made of."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@pytest.fixture(params=["real", "embedded"])
def any_kafka(request: pytest.FixtureRequest) -> Iterator[tuple[Records, str]]:
    """The real one and the embedded listener, and a topic of four partitions there."""
    if request.param == "real":
        records = request.getfixturevalue("records")
        yield records, records.make_topic()
    else:
        with embedded_kafka(["test.same"]) as address, Records(address) as records:
            yield records, "test.same"


def marks_of(records: Records, topic: str) -> Mapping[Partition, Mark]:
    """What an edge that has read all of *topic* remembers: the last record of each partition."""
    return {
        (topic, record.partition()): mark_of(
            Record(record.offset(), record.timestamp()[1], record.key(), record.value())
        )
        for record in records.read(topic)
    }


def fill(records: Records, topic: str, text: str, count: int = 40) -> None:
    records.produce(topic, ((str(number), f"{text} {number}") for number in range(count)))


async def test_a_topic_that_grew_is_the_same(any_kafka: tuple[Records, str]) -> None:
    records, topic = any_kafka
    fill(records, topic, "first")
    marks = marks_of(records, topic)
    fill(records, topic, "more")

    assert await recreated(KafkaSettings(bootstrap_servers=records.address), marks) == set()


async def test_a_topic_that_was_recreated_and_filled_beyond_what_was_read_is_another(records: Records) -> None:
    """Its offsets fit, so nothing but what lies at them tells."""
    topic = records.make_topic()
    fill(records, topic, "first")
    marks = marks_of(records, topic)
    records.delete_topic(topic)
    records.make_topic(name=topic)
    fill(records, topic, "first", count=80)  # the same keys and values; only the time is another

    assert await recreated(KafkaSettings(bootstrap_servers=records.address), marks) == {topic}


async def test_a_log_that_ends_before_what_was_read_is_another(records: Records) -> None:
    topic = records.make_topic()
    fill(records, topic, "first")
    marks = marks_of(records, topic)
    records.delete_topic(topic)
    records.make_topic(name=topic)

    assert await recreated(KafkaSettings(bootstrap_servers=records.address), marks) == {topic}


async def test_what_retention_has_taken_is_no_evidence(records: Records) -> None:
    topic = records.make_topic()
    fill(records, topic, "first")
    marks = marks_of(records, topic)
    fill(records, topic, "more", count=80)
    for (_, number), mark in marks.items():
        records.delete_before(topic, number, mark.offset + 1)

    assert await recreated(KafkaSettings(bootstrap_servers=records.address), marks) == set()


def test_a_tombstone_is_not_an_empty_value() -> None:
    assert mark_of(Record(7, 1000, b"1", None)) != mark_of(Record(7, 1000, b"1", b""))


def test_what_belongs_to_the_key_is_not_taken_for_the_value() -> None:
    assert mark_of(Record(7, 1000, b"12", b"3")) != mark_of(Record(7, 1000, b"1", b"23"))
