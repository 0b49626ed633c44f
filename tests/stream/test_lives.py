"""What becomes of topics, as the hub and the positions are told of it; offsets come from a listener, facts are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.window import Window
from gateway.dev.embedded import embedded_kafka
from gateway.errors import KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.lives import Lives
from gateway.stream.progress import Progress
from gateway.stream.reader import Reader
from gateway.stream.topics import TopicFacts
from tests.testbed.records import Records

TOPIC = "test.lives"
KEYS = [str(number) for number in range(40)]


@pytest.fixture
def address() -> Iterator[str]:
    """An embedded listener with 40 records in four partitions."""
    with embedded_kafka([TOPIC]) as address, Records(address) as records:
        records.produce(TOPIC, [(key, "x") for key in KEYS])
        yield address


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[Reader]:
    """A reader, started."""
    reader = Reader(KafkaSettings(bootstrap_servers=address, request_timeout_seconds=1))
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


class Bench:
    """Lives, and what they are told to."""

    def __init__(self) -> None:
        self.window = Window(max_bytes=1 << 20, max_seconds=60, remembered_channels=1000)
        self.progress = Progress()
        self.lives = Lives(Hub(self.window, Duplicates(1000)), self.progress, 60)

    @property
    def generation(self) -> str | None:
        return self.window.generation(TOPIC)


def facts(topic_id: str | None = None, partitions: int = 4) -> dict[str, TopicFacts]:
    return {TOPIC: TopicFacts(topic_id, partitions, replicas=1)}


async def test_a_topic_that_stays_as_it_is_changes_nothing(address: str) -> None:
    bench = Bench()
    async with reading(address) as reader:
        changes = [await bench.lives.compare(reader, facts(), frozenset()) for _ in range(3)]

    assert changes == [True, False, False]


async def test_a_topic_that_could_not_be_begun_is_begun_at_the_next_look(address: str) -> None:
    """The bug: it was taken for begun before its offsets were known, and then never read, on an edge that said it was ready."""
    bench = Bench()
    async with reading(address) as reader:
        with pytest.raises(KafkaUnavailable):
            await bench.lives.compare(reader, facts(partitions=400), frozenset())  # some of them are led by nobody
        before = bench.generation

        has_changed = await bench.lives.compare(reader, facts(), frozenset())

    assert (before, has_changed) == (None, True)
    assert bench.generation is not None
    assert len(bench.progress.positions) == 4


async def test_fewer_partitions_are_another_topic(address: str) -> None:
    """Where no id says so."""
    bench = Bench()
    async with reading(address) as reader:
        await bench.lives.compare(reader, facts(), frozenset())
        before = bench.generation

        has_changed = await bench.lives.compare(reader, facts(partitions=3), frozenset())

    assert has_changed
    assert bench.generation != before
    assert len(bench.progress.positions) == 3


async def test_partitions_that_were_added_are_read_once_the_others_were_read_to_their_ends(address: str) -> None:
    """Keys have moved to them; their records of before must come first."""
    bench = Bench()
    async with reading(address) as reader:
        await bench.lives.compare(reader, facts(partitions=2), frozenset())
        before = bench.generation
        ends = await reader.ends(bench.progress.positions)
        bench.progress.positions.update(dict.fromkeys(ends, 0))

        changes, growing = [], []
        for _ in range(2):
            changes.append(await bench.lives.compare(reader, facts(partitions=4), frozenset()))
            growing.append((bench.lives.is_growing, bench.generation == before))
            bench.progress.positions.update(ends)

    assert sum(ends.values()) > 0
    assert changes == [False, True]
    assert growing == [(True, True), (False, False)]
    assert len(bench.progress.positions) == 4


async def test_a_topic_that_lost_its_end_goes_on_there_under_another_generation(address: str) -> None:
    """Positions of before would fit records that are yet to come."""
    bench = Bench()
    async with reading(address) as reader:
        await bench.lives.compare(reader, facts(), frozenset())
        ends = await reader.ends(bench.progress.positions)
        bench.progress.positions.update({partition: end + 5 for partition, end in ends.items()})
        before = bench.generation

        await bench.lives.cut(reader, TOPIC, facts("the-same-id")[TOPIC])

    assert bench.progress.positions == ends
    assert bench.generation != before


async def test_a_topic_without_id_that_ends_before_its_position_is_read_from_its_start(address: str) -> None:
    bench = Bench()
    async with reading(address) as reader:
        await bench.lives.compare(reader, facts(), frozenset())
        bench.progress.positions[TOPIC, 0] = 10_000

        await bench.lives.cut(reader, TOPIC, facts()[TOPIC])

    assert set(bench.progress.positions.values()) == {0}
