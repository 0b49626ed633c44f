"""Records that are deleted in the moments in which an edge begins to read: what it holds is never said to begin earlier."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from confluent_kafka import Producer

from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.routing import Router
from gateway.core.window import Window
from gateway.metrics.counts import Counts
from gateway.settings import KafkaSettings, Namespace
from gateway.stream.lives import Lives
from gateway.stream.progress import Progress
from gateway.stream.reader import Partition, Reader
from gateway.stream.topics import TopicFacts
from gateway.tail import Tail
from tests.conftest import MakeTopic
from tests.testbed.records import Records

WINDOW_SECONDS, LEARNT_SECONDS_AGO = 60.0, 90.0
CHANNEL = "account:1"
OLD, NEW = 100, 50


class TrimmedMeanwhile(Reader):
    """A reader whose partition loses its first records after it was asked where it begins."""

    def __init__(self, settings: KafkaSettings, records: Records, before: int) -> None:
        super().__init__(settings)
        self._trim = (records, before)

    async def offsets_since(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int | None]:
        asked = list(partitions)
        records, before = self._trim
        await asyncio.to_thread(records.delete_before, *asked[0], before)
        return await super().offsets_since(asked, timestamp_ms)


async def test_a_start_that_was_deleted_while_it_was_looked_for(
    kafka: str, make_topic: MakeTopic, records: Records
) -> None:
    """The bug: the window claimed to hold what came before the first record that was read, and clients were resumed from there."""
    topic = make_topic(partitions=1)
    records.produce(topic, [("1", str(number)) for number in range(40)])
    window, progress = Window(max_bytes=1 << 20, max_seconds=60, remembered_channels=10), Progress()
    lives = Lives(Hub(window, Duplicates(10)), progress, WINDOW_SECONDS)
    reader = TrimmedMeanwhile(KafkaSettings(bootstrap_servers=kafka), records, 30)
    await reader.start()

    await lives.compare(reader, {topic: TopicFacts("an id", 1, 1)}, frozenset())
    await reader.stop()

    assert progress.positions == {(topic, 0): 30}
    assert window.proven_from(topic, CHANNEL, 0) == 30


async def test_what_was_only_to_be_learned_from_is_no_loss(
    kafka: str,
    make_topic: MakeTopic,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ids of older records are gone with them; what the window was to hold is all there, and begins where it begins."""
    topic = make_topic(partitions=1)
    write_old_and_new(kafka, topic)
    begin = Lives._begin

    async def begin_and_lose(lives: Lives, reader: Reader, name: str, facts: TopicFacts) -> None:
        await begin(lives, reader, name, facts)
        await asyncio.to_thread(records.delete_before, topic, 0, OLD // 2)

    monkeypatch.setattr(Lives, "_begin", begin_and_lose)
    namespaces: Mapping[str, Any] = {"account": Namespace(topic=topic)}
    window = Window(max_bytes=1 << 20, max_seconds=WINDOW_SECONDS, remembered_channels=10)
    tail = Tail(
        KafkaSettings(bootstrap_servers=kafka),
        namespaces,
        WINDOW_SECONDS,
        Router(namespaces),
        Hub(window, Duplicates(10)),
        Counts(),
    )
    reading = asyncio.create_task(tail.run())
    async with asyncio.timeout(30):
        while not tail.is_ready:
            await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait([reading])

    assert window.proven_from(topic, CHANNEL, 0) == OLD
    assert [entry.offset for entry in window.entries(CHANNEL)] == list(range(OLD, OLD + NEW))
    assert "deleted before they were read" not in caplog.text


def write_old_and_new(kafka: str, topic: str) -> None:
    """Records that an edge only learns ids from, and records for its window."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 50})
    now_ms = int(time.time() * 1000)
    for number in range(OLD + NEW):
        at_ms = now_ms - int(LEARNT_SECONDS_AGO * 1000) if number < OLD else now_ms
        producer.produce(topic, key="1", value=str(number), partition=0, timestamp=at_ms)
    assert producer.flush(30) == 0
