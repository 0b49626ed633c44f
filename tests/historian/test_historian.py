"""The history as edges write it: real Kafka, real Redis, and what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from redis.asyncio import RedisCluster

from gateway.errors import HistoryUnproven
from tests.conftest import MakeTopic, Produce, StartEdge
from tests.historian.conftest import Histories
from tests.testbed.batches import UndecodableName, produce_batch
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import wait_until
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer

View = Callable[..., Histories]
QUICK = {"lease_seconds": 1.0}


def partition_ends(kafka: str, topic: str, partitions: int) -> Mapping[int, int]:
    """Where each partition ends, as Kafka says."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "ends", "log_level": 0})
    try:
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        return {of.partition: consumer.get_watermark_offsets(of, timeout=10)[1] for of in asked}
    finally:
        consumer.close()


def numbered(keys: Sequence[str], first: int, count: int) -> list[tuple[str, str]]:
    """Records for some keys in turn; the values are their numbers."""
    return [(keys[number % len(keys)], str(number)) for number in range(first, first + count)]


def held(*edges: EdgeProcess) -> list[float]:
    """How many partitions' histories each edge writes."""
    return [edge.metrics()["lastmile_history_partitions"] for edge in edges]


async def test_each_channel_has_its_own_messages(
    topic: str, produce: Produce, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """In order, all of them, also those that are there already; poison is passed."""
    namespaces = {"account": {"topic": topic, "key": "a{rest}"}, "card": {"topic": topic, "key": "c{rest}"}}
    produce(topic, [("a1", "one"), ("c1", "uno"), ("a2", "eins"), ("nobody's", "x"), (None, "y")])
    running = edge(namespaces, history=QUICK)
    produce(topic, [("a1", "two"), ("c1", "dos"), ("a1", "three")])

    seen = histories(redis_url, topic, namespaces)
    await seen.until_complete(partition_ends(kafka, topic, 4))

    assert await seen.values("account:1") == ["one", "two", "three"]
    assert await seen.values("card:1") == ["uno", "dos"]
    assert await seen.values("account:2") == ["eins"]
    assert await seen.values("account:9") == []
    assert running.metrics()["lastmile_history_messages_total"] == 6


async def test_aborted_transactions_are_passed(
    make_topic: MakeTopic, produce: Produce, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """They take offsets, and nobody ever sees them; the history does not wait for them."""
    topic = make_topic(partitions=1)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic, "log_level": 0})
    producer.init_transactions()
    for verdict in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, key="1", value=verdict.__name__)
        verdict()

    edge({"account": {"topic": topic}}, history=QUICK)
    seen = histories(redis_url, topic, {"account": {"topic": topic}})
    await seen.until_complete(partition_ends(kafka, topic, 1))

    assert await seen.values("account:1") == ["commit_transaction"]


async def test_what_cannot_be_decoded_is_passed_and_nothing_else(
    make_topic: MakeTopic, produce: Produce, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """A header whose name is not UTF-8, on which the client library fails with its whole batch."""
    topic = make_topic(partitions=2)
    edge({"account": {"topic": topic}}, history=QUICK)
    await produce_batch(kafka, topic, [(b"before", []), (b"bad", [(UndecodableName("x"), b"v")]), (b"after", [])])
    produce(topic, [("a", "last")], partition=0)
    produce(topic, [("b", "elsewhere")], partition=1)

    seen = histories(redis_url, topic, {"account": {"topic": topic}})
    await seen.until_complete(partition_ends(kafka, topic, 2))

    assert await seen.values("account:a") == ["before", "after", "last"]
    assert await seen.values("account:b") == ["elsewhere"]


async def test_a_namespace_without_history_leaves_no_trace(
    topic: str, produce: Produce, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """Beside one that has it, on the same topic."""
    namespaces = {
        "account": {"topic": topic, "key": "a{rest}"},
        "card": {"topic": topic, "key": "c{rest}", "history_messages": 0},
    }
    edge(namespaces, history=QUICK)
    produce(topic, [("a1", "one"), ("c1", "uno")])

    seen = histories(redis_url, topic, namespaces)
    await seen.until_complete(partition_ends(kafka, topic, 4))

    assert await seen.values("account:1") == ["one"]
    assert await seen.redis.keys(f"*{topic}*card*") == []
    with pytest.raises(HistoryUnproven, match="off"):
        await seen.values("card:1")


async def test_edges_share_the_work_and_hand_it_over(
    topic: str, produce: Produce, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """Each has its fair share of the partitions; one that drains leaves them to the others."""
    namespaces = {"account": {"topic": topic}}
    first = edge(namespaces, history=QUICK)
    wait_until(lambda: held(first) == [4], "the only edge writes all histories")
    second = edge(namespaces, history=QUICK)
    wait_until(lambda: held(first, second) == [2, 2], "two edges share them")
    produce(topic, numbered(["1", "2", "3", "4"], 0, 100))

    assert second.terminate() == 0
    wait_until(lambda: held(first) == [4], "the one that is left writes all of them")
    produce(topic, numbered(["1", "2", "3", "4"], 100, 100))

    seen = histories(redis_url, topic, namespaces)
    await seen.until_complete(partition_ends(kafka, topic, 4))
    for key in range(4):
        assert await seen.values(f"account:{key + 1}") == [str(number) for number in range(key, 200, 4)]


async def test_another_edge_goes_on_when_the_writer_is_killed(
    make_topic: MakeTopic, records: Records, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """kill -9 in the middle of the flow: nothing is missing and nothing twice."""
    topic = make_topic(partitions=1)
    namespaces = {"account": {"topic": topic, "history_messages": 100_000}}
    edges = [edge(namespaces, history=QUICK), edge(namespaces, history=QUICK)]
    wait_until(lambda: sum(held(*edges)) == 1, "one of them writes")
    writer, other = edges if held(edges[0]) == [1] else edges[::-1]
    for number in range(4000):
        records.send(topic, ("1", str(number)))
    wait_until(lambda: writer.metrics()["lastmile_history_messages_total"] > 0, "it has begun")

    writer.kill()
    for number in range(4000, 5000):
        records.send(topic, ("1", str(number)))
    records.flush()

    seen = histories(redis_url, topic, namespaces)
    await seen.until_complete(partition_ends(kafka, topic, 1))
    assert await seen.values("account:1") == [str(number) for number in range(5000)]
    assert held(other) == [1]


async def test_a_cluster_holds_histories_on_all_its_nodes(
    make_topic: MakeTopic, produce: Produce, edge: StartEdge, histories: View, redis_cluster_url: str, kafka: str
) -> None:
    """Each partition's on one node, so that its steps stay whole."""
    topic = make_topic(partitions=12)
    namespaces = {"account": {"topic": topic}}
    keys = [str(key) for key in range(40)]
    edge(namespaces, history=QUICK, redis_url=redis_cluster_url)
    produce(topic, numbered(keys, 0, 400))
    seen = histories(redis_cluster_url, topic, namespaces)

    await seen.until_complete(partition_ends(kafka, topic, 12))

    for key in keys:
        assert await seen.values(f"account:{key}") == [str(number) for number in range(int(key), 400, 40)]
    assert isinstance(seen.redis, RedisCluster)
    for node in seen.redis.get_primaries():
        assert await seen.redis.keys(f"*{topic}*", target_nodes=node)


@pytest.mark.parametrize("disaster", ["flush", "restart"])
async def test_a_redis_that_forgot_everything_is_filled_again_from_kafka(
    topic: str, produce: Produce, edge: StartEdge, histories: View, redis_server: RedisServer, kafka: str, disaster: str
) -> None:
    """FLUSHALL, or a restart without persistence: as far back as is promised."""
    namespaces = {"account": {"topic": topic}}
    running = edge(namespaces, history=QUICK, redis_url=redis_server.url)
    produce(topic, numbered(["1", "2", "3"], 0, 300))
    seen = histories(redis_server.url, topic, namespaces)
    await seen.until_complete(partition_ends(kafka, topic, 4))

    if disaster == "flush":
        redis_server.flush()
    else:
        redis_server.kill()
        produce(topic, numbered(["1", "2", "3"], 300, 300))
        redis_server.start()
    produce(topic, numbered(["1", "2", "3"], 600, 3))

    await seen.until_complete(partition_ends(kafka, topic, 4))
    numbers = [*range(300), *(range(300, 600) if disaster == "restart" else ()), *range(600, 603)]
    for key in range(3):
        assert await seen.values(f"account:{key + 1}") == [str(number) for number in numbers if number % 3 == key]
    assert running.metrics()["lastmile_history_beginnings_total"] >= 8


async def test_a_redis_that_stands_still_for_ten_seconds_costs_nothing(
    topic: str, records: Records, edge: StartEdge, histories: View, redis_server: RedisServer, kafka: str
) -> None:
    """SIGSTOP: steps time out and may have been taken all the same; the edge serves on, and the history goes on after."""
    namespaces = {"account": {"topic": topic}}
    running = edge(namespaces, history=QUICK, redis_url=redis_server.url, redis={"timeout_seconds": 0.5})
    seen = histories(redis_server.url, topic, namespaces)
    for number in range(2000):
        records.send(topic, (str(number % 3), str(number)))

    redis_server.freeze()
    for number in range(2000, 3000):
        if number % 100 == 0:
            records.flush()
            assert running.is_ready
            await asyncio.sleep(1.0)  # the ten seconds are the case, not a wait for something
        records.send(topic, (str(number % 3), str(number)))
    records.flush()
    redis_server.thaw()

    await seen.until_complete(partition_ends(kafka, topic, 4))
    for key in range(3):
        assert await seen.values(f"account:{key}") == [str(number) for number in range(key, 3000, 3)]


async def test_a_recreated_topic_has_a_history_of_its_own(
    topic: str, records: Records, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """Offsets begin again and mean other records."""
    namespaces = {"account": {"topic": topic}}
    edge(namespaces, history=QUICK)
    records.produce(topic, numbered(["1"], 0, 10))
    seen = histories(redis_url, topic, namespaces)
    await seen.until("account:1", [str(number) for number in range(10)])
    old = set(await seen.places())

    records.delete_topic(topic)
    records.make_topic(name=topic)
    records.produce(topic, numbered(["1"], 100, 3))

    async def new_values() -> list[Any]:
        places = [place for place in await seen.places() if place not in old]
        pages = [await seen.store.read(place, "account:1", -1, 100) for place in places]
        return [entry.message.data for page in pages for entry in page.entries]

    async with asyncio.timeout(60):
        while await new_values() != ["100", "101", "102"]:
            await asyncio.sleep(0.05)


async def test_what_kafka_deleted_before_it_was_written_is_a_gap_that_is_known(
    make_topic: MakeTopic, records: Records, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """All edges were down for longer than the topic keeps records: the history begins anew behind the gap."""
    topic = make_topic(partitions=1)
    namespaces = {"account": {"topic": topic}}
    first = edge(namespaces, history=QUICK)
    records.produce(topic, numbered(["1"], 0, 10))
    seen = histories(redis_url, topic, namespaces)
    await seen.until("account:1", [str(number) for number in range(10)])
    first.terminate()
    records.produce(topic, numbered(["1"], 10, 10))
    records.delete_before(topic, 0, 15)

    second = edge(namespaces, history=QUICK)

    await seen.until("account:1", [str(number) for number in range(15, 20)])
    (place,) = await seen.places()
    with pytest.raises(HistoryUnproven, match="young"):
        await seen.store.read(place, "account:1", 9, 100)
    assert "the history of a partition cannot go on where it ended" in second.log_text()


async def test_what_a_log_that_was_cut_no_longer_has_is_served_to_nobody(
    make_topic: MakeTopic, records: Records, edge: StartEdge, histories: View, redis_url: str, kafka: str
) -> None:
    """
    An unclean election: Kafka lost what the history has, and gives the same offsets to other records.

    The history is written on as if there had been forty records more, which is what is left of them then.
    """
    topic = make_topic(partitions=1)
    namespaces = {"account": {"topic": topic}}
    first = edge(namespaces, history=QUICK)
    records.produce(topic, numbered(["1"], 0, 10))
    seen = histories(redis_url, topic, namespaces)
    await seen.until_complete({0: 10})
    first.terminate()
    (place,) = await seen.places()
    await seen.write(place, 10, ["lost"] * 40)

    second = edge(namespaces, history=QUICK)
    wait_until(lambda: "reason=the log was cut" in second.log_text(), "the edge says so")
    records.produce(topic, numbered(["1"], 10, 60))

    await seen.until_complete({0: 70})
    assert await seen.values("account:1") == [str(number) for number in range(50, 70)]
    with pytest.raises(HistoryUnproven, match="young"):
        await seen.store.read(place, "account:1", 9, 100)
    newest = await seen.store.newest(place, "account:1", 100)
    assert [entry.message.data for entry in newest.entries] == [str(number) for number in range(69, 49, -1)]


async def test_a_compacted_topic_has_no_history(
    make_topic: MakeTopic, produce: Produce, edge: StartEdge, histories: View, redis_url: str
) -> None:
    """Records vanish from its middle, so nothing that is read later is proof."""
    topic = make_topic(cleanup_policy="compact")
    running = edge({"account": {"topic": topic}}, history=QUICK)
    produce(topic, [("1", "one")])

    wait_until(lambda: "a topic is compacted, so its past proves nothing" in running.log_text(), "the edge says why")
    assert await histories(redis_url, topic, {"account": {"topic": topic}}).places() == []


async def test_a_redis_that_may_drop_keys_gets_no_history(
    topic: str, produce: Produce, edge: StartEdge, histories: View, redis_server: RedisServer, kafka: str
) -> None:
    """And what was written is taken back, since it may have holes by now."""
    namespaces = {"account": {"topic": topic}}
    running = edge(namespaces, history=QUICK, redis_url=redis_server.url)
    produce(topic, [("1", "one")])
    seen = histories(redis_server.url, topic, namespaces)
    await seen.until("account:1", ["one"])

    redis_server.command("CONFIG SET maxmemory 100mb")
    redis_server.command("CONFIG SET maxmemory-policy allkeys-lru")

    async with asyncio.timeout(60):
        while await seen.places():
            await asyncio.sleep(0.05)
    assert held(running) == [0]
