"""A topic that is compacted while it is in use, on real Kafka and Redis, with the historian inside the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from gateway.core.duplicates import Duplicates
from gateway.core.interpreter import Interpreter
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.historian import Historian
from gateway.metrics.counts import Counts
from gateway.settings import KafkaSettings, Namespace, RedisSettings
from gateway.store.history_writer import HistoryWriter
from gateway.store.redis import connect, disconnect
from gateway.stream import cleanup
from gateway.stream.topics import TopicLife
from tests.conftest import MakeTopic
from tests.historian.conftest import Histories
from tests.testbed.records import Records


def set_policy(records: Records, topic: str, policy: str) -> None:
    """As an operator does, with kafka-configs.sh."""
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    records.admin.incremental_alter_configs([resource])[resource].result(30)


async def test_a_history_ends_when_its_topic_is_compacted(
    make_topic: MakeTopic,
    records: Records,
    histories: Callable[..., Histories],
    redis_url: str,
    kafka: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is cleaned away from now on must not look as if it had never been."""
    monkeypatch.setattr(cleanup, "LOOK_SECONDS", 0.2)
    topic = make_topic(partitions=1)
    namespaces = {"account": Namespace(topic=topic)}
    router = Router(namespaces)
    redis = connect(RedisSettings(url=redis_url))
    writer = HistoryWriter(redis, 2.0, Retention(namespaces, router), 1.0)
    settings = KafkaSettings(bootstrap_servers=kafka)
    lives = {topic: TopicLife("aaaaaaaa", 1, "an id")}
    historian = Historian(
        settings, Interpreter(router, namespaces, 1 << 20), writer, lambda: lives, Counts(), Duplicates(10).was_copy
    )
    running = asyncio.create_task(historian.run())
    seen = histories(redis_url, topic, {"account": {"topic": topic}})

    records.produce(topic, [("1", "one")])
    await seen.until("account:1", ["one"])
    set_policy(records, topic, "compact")
    async with asyncio.timeout(30):
        while await seen.places() or historian.partitions:
            await asyncio.sleep(0.05)
    historian.leave()
    await asyncio.wait_for(running, 30)
    await writer.close()
    await disconnect(redis)
