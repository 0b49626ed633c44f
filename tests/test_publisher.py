"""What a publisher is told of what may be a copy, by an edge that has not read Kafka as far as it was written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from gateway.core.acknowledging import Outcome
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.message import Place
from gateway.core.publication import Publication, Publishing, publication_of, read_published
from gateway.core.record import message_of
from gateway.core.routing import Router
from gateway.core.window import Window
from gateway.core.wire import JSON
from gateway.metrics.counts import Counts
from gateway.publisher import Publisher
from gateway.settings import KafkaSettings, Namespace, PublishSettings
from gateway.stream.producer import Producer
from tests.conftest import MakeTopic
from tests.core.bench import principal_of
from tests.testbed.records import Records

CHANNEL = "account:1"
LIFE = "aaaaaaaa"
TIMEOUT_SECONDS = 10.0


class Lagging(NamedTuple):
    """An edge's way into Kafka, and its hub, to which the test says what the tail has read."""

    publisher: Publisher
    hub: Hub
    records: Records
    topic: str

    def read(self) -> None:
        """Let the tail catch up."""
        for record in self.records.read(self.topic):
            place = Place(self.topic, 0, record.offset(), record.key().decode())
            message = message_of(
                place, record.timestamp()[1], record.value(), record.headers(), Namespace(topic=self.topic)
            )
            self.hub.accept(self.topic, 0, record.offset(), CHANNEL, message, 10, time.time())
            self.hub.advance(self.topic, 0, record.offset() + 1)
        self.hub.waiting.settle(time.time())

    async def publish(self) -> list[Outcome]:
        """Publish under one and the same id; returns the answers to it, once Kafka has it and the tail is waited for."""
        answers: list[Outcome] = []
        waiting = len(self.hub.waiting)
        self.publisher.submit(self._publication(), answers.append, time.time())
        async with asyncio.timeout(30):
            while len(self.hub.waiting) == waiting:
                await asyncio.sleep(0.01)
        return answers

    def _publication(self) -> Publication:
        by = Publishing(principal_of({"*": ["*"]}), "conn-1", "unused", is_resumed=False, max_bytes=65536)
        router = Router({"account": Namespace(topic=self.topic)})
        return publication_of(router, by, CHANNEL, read_published(JSON, b'{"id": "mine", "data": "x"}'))


@pytest.fixture
async def lagging(kafka: str, records: Records, make_topic: MakeTopic) -> AsyncIterator[Lagging]:
    topic = make_topic(partitions=1)
    hub = Hub(Window(max_bytes=1 << 20, max_seconds=60.0, remembered_channels=10), Duplicates(100))
    hub.begin(topic, LIFE, {0: 0}, time.time())
    publisher = Publisher(
        Producer(KafkaSettings(bootstrap_servers=kafka)),
        {"account": Namespace(topic=topic)},
        hub,
        PublishSettings(timeout_seconds=TIMEOUT_SECONDS),
        Counts(),
    )
    yield Lagging(publisher, hub, records, topic)
    await publisher.stop(1.0)


async def test_a_copy_is_told_the_first_ones_serial_however_late_that_is_read(lagging: Lagging) -> None:
    told = [await lagging.publish(), await lagging.publish()]
    lagging.publisher.sweep(time.time() + TIMEOUT_SECONDS / 2)
    lagging.hub.waiting.settle(time.time() + TIMEOUT_SECONDS / 2)
    assert told == [[], []]

    lagging.read()

    first = f"{LIFE}-00000-{0:016}"
    assert told == [[[first]], [[first]]]


async def test_what_is_stored_is_acknowledged_without_a_serial_if_that_is_not_read_in_time(lagging: Lagging) -> None:
    """It may be a copy's, and nobody ever gets that one. Answered once, whatever is read afterwards."""
    told = [await lagging.publish(), await lagging.publish()]

    lagging.publisher.sweep(time.time() + TIMEOUT_SECONDS + 1)
    assert told == [[[None]], [[None]]]
    lagging.read()

    assert told == [[[None]], [[None]]]
    assert lagging.publisher.pending_bytes == 0
