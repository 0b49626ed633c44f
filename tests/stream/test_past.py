"""What Kafka has of the past, asked of a real broker that does not answer, or may not."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from gateway.errors import ContinuityLost, KafkaForbids, KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream import cleanup, past
from gateway.stream.cleanup import CleanupWatch
from gateway.stream.past import Past
from gateway.stream.topics import TopicLife, Topics
from tests.testbed.kafka import KafkaBroker
from tests.testbed.records import Records

GENERATION = "aaaaaaaa"
WITH_ACLS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


def settings_of(broker: KafkaBroker) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.address, request_timeout_seconds=1)


async def past_of(broker: KafkaBroker, topic: str) -> Past:
    """What is asked, for a tail that has seen the topic as it is."""
    topics = Topics(settings_of(broker))
    facts = (await topics.look([topic]))[topic]
    topics.close()
    life = TopicLife(GENERATION, facts.partitions, facts.topic_id)
    return Past(settings_of(broker), lambda: {topic: life})


async def test_a_kafka_that_does_not_answer_is_no_loss(broker: KafkaBroker) -> None:
    """Whoever came back in that moment is not told that anything is gone; when Kafka is back, all is as it was."""
    with Records(broker.address) as records:
        topic = records.make_topic(1)
        asked = await past_of(broker, topic)
        broker.process.send(signal.SIGSTOP)
        with pytest.raises(KafkaUnavailable):
            await asked.check(topic, GENERATION)
        broker.process.send(signal.SIGCONT)
        async with asyncio.timeout(30):
            while True:
                try:
                    await asked.check(topic, GENERATION)
                    break
                except KafkaUnavailable:
                    await asyncio.sleep(0.1)
        await asked.stop()


async def test_what_kafka_said_of_cleanup_holds_while_it_is_away(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(cleanup, "RETRY_SECONDS", 0.0)
    with Records(broker.address) as records:
        kept, thinned = records.make_topic(1), records.make_topic(1, cleanup_policy="compact")
        topics = Topics(settings_of(broker))
        watch = CleanupWatch(topics)
        assert [await watch.cleanup_of(topic) for topic in (kept, thinned)] == ["keeps", "compacts"]

        broker.process.send(signal.SIGSTOP)
        assert [await watch.cleanup_of(topic) for topic in (kept, thinned)] == ["keeps", "compacts"]
        with pytest.raises(KafkaUnavailable):
            await watch.cleanup_of("never asked for")
        assert watch.compacts(thinned)
        broker.process.send(signal.SIGCONT)
        topics.close()


async def test_a_kafka_that_may_not_tell_proves_nothing_and_says_what_to_allow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays so until its operator allows it, so nobody is made to wait."""
    with KafkaBroker(tmp_path / "broker", settings=WITH_ACLS) as broker, Records(broker.address) as records:
        topic = records.make_topic(1)
        everything, no_configs = [
            AclBinding(
                ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, permission
            )
            for operation, permission in (
                (AclOperation.ALL, AclPermissionType.ALLOW),
                (AclOperation.DESCRIBE_CONFIGS, AclPermissionType.DENY),
            )
        ]
        for created in records.admin.create_acls([everything, no_configs]).values():
            created.result(30)
        topics = Topics(settings_of(broker))
        async with asyncio.timeout(30):
            while True:
                try:
                    await topics.configs([topic])
                except KafkaForbids:
                    break
                await asyncio.sleep(0.05)
        topics.close()
        asked = await past_of(broker, topic)
        with pytest.raises(ContinuityLost, match="may not tell") as told:
            await asked.check(topic, GENERATION)
        await asked.stop()

    assert told.value.message == past.UNPROVABLE["untold"]
    assert "allow DescribeConfigs" in caplog.text
