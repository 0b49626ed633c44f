"""Clients that come back to a real edge when nothing can prove that nothing lies between: they are told."""

from __future__ import annotations

import pytest

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.replaying import CHANNEL, NO_HISTORY, SHORT, numbers, position_of, texts, until_forgotten, until_written
from tests.testbed.edge import EdgeProcess
from tests.testbed.follower import Follower
from tests.testbed.kafka import KafkaBroker
from tests.testbed.process import wait_until
from tests.testbed.records import Records


async def told(edge: EdgeProcess, serial: str) -> int | None:
    """Come back with a position. Returns: the code with which it is not resumed; nothing else comes before live ones."""
    async with Follower(edge, CHANNEL, serial) as client:
        await client.until_answered()
        assert not client.is_resumed
        assert client.data == []
        return client.code


async def test_who_comes_back_after_retention_is_told(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    """80006: expired."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)
    records.delete_before(topic, 0, 100)

    assert await told(served, serial) == 80006
    assert served.metrics()['lastmile_refusals_total{reason="position_expired"}'] == 1


async def test_a_position_right_before_what_is_left_is_resumed(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    """The edge of the proof: offset + 1 is the first record that Kafka still has."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window={"max_seconds": 3})
    produce(topic, numbers(100))
    serial = await position_of(served, count=100)
    produce(topic, numbers(400, 100))
    until_forgotten(served, 500)
    records.delete_before(topic, 0, 100)

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(400)

        assert client.is_resumed
        assert client.data == texts(400, 100)


async def test_more_than_may_be_read_again_is_told(edge: StartEdge, topic: str, produce: Produce) -> None:
    """80007: message limit exceeded."""
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT, replay={"max_records": 100})
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)

    assert await told(served, serial) == 80007


async def test_a_compacted_topic_proves_nothing(edge: StartEdge, make_topic: MakeTopic, produce: Produce) -> None:
    topic = make_topic(partitions=1, cleanup_policy="compact")
    served = edge({"account": {"topic": topic}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)

    assert await told(served, serial) == 90003


async def test_a_recreated_topic_is_not_taken_for_the_old_one(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    produce(topic, numbers(10))
    serial = await position_of(served)
    records.delete_topic(topic)
    make_topic(partitions=1, name=topic)
    produce(topic, numbers(500))
    wait_until(lambda: "was recreated" in served.log_text(), "the edge has noticed")
    until_forgotten(served, 510)

    assert await told(served, serial) == 90003


@pytest.mark.parametrize(("history", "code"), [({"history_messages": 10}, 80007), (NO_HISTORY, 80006)])
async def test_without_scans_what_the_history_lacks_is_told(
    history: dict[str, int], code: int, edge: StartEdge, topic: str, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, **history}}, window=SHORT, replay={"max_records": 0})
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)
    if history is not NO_HISTORY:
        until_written(served)

    assert await told(served, serial) == code


async def test_who_comes_back_while_kafka_is_away_is_sent_away_with_its_position(
    edge: StartEdge, broker: KafkaBroker
) -> None:
    """RTL13b: DETACHED while attaching makes the SDK try again, with the serial that it has; nothing is lost for good."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT, kafka=broker.address)
        serial = await position_of(served)
        records.produce(topic, numbers(500))
        until_forgotten(served, 500)
    broker.kill()

    async with Follower(served, CHANNEL, serial) as client:
        answer = await client.until_answered()
        assert (answer["action"], answer["error"]["code"]) == (13, 50003)
    broker.start()
    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(500)
        assert client.is_resumed
        assert client.data == texts(500)
