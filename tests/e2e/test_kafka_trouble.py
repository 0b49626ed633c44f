"""What becomes of brokers and topics, under flow and on real ones: nothing is lost, and nothing is claimed that is not so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.dev.embedded import embedded_kafka
from tests.conftest import MakeTopic, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.kafka import KafkaBroker, KafkaCluster
from tests.testbed.process import wait_until
from tests.testbed.records import Records
from tests.testbed.sdk import Kind

JS, PYTHON = Kind("js", is_binary=False), Kind("python", is_binary=True)
KEYS = ["a", "b", "c", "d", "e", "f"]
CHANNELS = [f"account:{key}" for key in KEYS]


# ---------------------------------------------------------------------- brokers


async def test_a_broker_killed_and_restarted_is_a_pause_and_nothing_else(
    broker: KafkaBroker, edge: StartEdge, sdk: StartSdk
) -> None:
    """Connections stay, nobody is told of anything, every record comes once and in order."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        client = await sdk(JS, edge({"account": {"topic": topic}}, kafka=broker.address), token=reader_of(*CHANNELS))
        for channel in CHANNELS:
            await client.attach(channel)
        flow = Flow(records, topic, KEYS, total=1800, per_second=400)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.run())
            for share in (300, 900):
                await client.until(lambda share=share: sum(map(len, client.messages.values())) > share, "it flows")
                broker.kill()
                broker.launch()
                await asyncio.to_thread(broker.wait_until_answering)
        await flow.prove(client, deadline_seconds=60)

    assert client.connections == 1
    assert client.losses(CHANNELS) == []


def as_of(edge: EdgeProcess) -> int:
    """Up to when the edge says that it has read everything, in milliseconds."""
    return int(edge.health("ready")[1]["lag"]["account"]["as_of"])


async def test_who_asked_for_freshness_hears_that_kafka_is_away_and_that_it_is_back(
    broker: KafkaBroker, edge: StartEdge, sdk: StartSdk
) -> None:
    """So an app can grey out a balance that nothing would have told from a quiet one."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        serving = edge({"account": {"topic": topic}}, kafka=broker.address)
        watcher, other = [await sdk(kind, serving, token=reader_of("account:a")) for kind in (JS, PYTHON)]
        granted = await watcher.attach("account:a", params={"freshness": "2s"})
        await other.attach("account:a")

        await asyncio.to_thread(wait_until, lambda: as_of(serving) > 0, "the edge has read all of the topic")
        broker.process.send(signal.SIGSTOP)
        await watcher.until_received("account:a", 1)
        broker.process.send(signal.SIGCONT)
        await watcher.until_received("account:a", 2)
        records.produce(topic, [("a", "after")])
        await watcher.until_received("account:a", 3)
        await other.until_received("account:a", 1)
        known_ms = await asyncio.to_thread(as_of, serving)

    stale, fresh, message = watcher.messages["account:a"]
    assert granted["params"] == {"freshness": "2s"}
    assert (stale["name"], stale["data"]["fresh"]) == ("as of", False)
    assert (fresh["name"], fresh["data"]["fresh"]) == ("as of", True)
    assert stale["data"]["asOf"] < fresh["data"]["asOf"] <= known_ms
    assert message["data"] == other.messages["account:a"][0]["data"] == "after"
    assert watcher.connections == 1


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers; a test that kills one starts it again."""
    with KafkaCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


async def test_leaders_that_move_are_followed(three: KafkaCluster, edge: StartEdge, sdk: StartSdk) -> None:
    """The leader of a partition dies, another takes over, and dies as well once the first is back."""
    with Records(three.address) as records:
        topic = records.make_topic()
        client = await sdk(JS, edge({"account": {"topic": topic}}, kafka=three.address), token=reader_of(*CHANNELS))
        for channel in CHANNELS:
            await client.attach(channel)
        flow = Flow(records, topic, KEYS, total=1800, per_second=400)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.run())
            for share in (300, 900):
                await client.until(lambda share=share: sum(map(len, client.messages.values())) > share, "it flows")
                leader = await asyncio.to_thread(three.leader, topic, 0)
                leader.kill()
                leader.launch()
                await asyncio.to_thread(leader.wait_until_answering)
        await flow.prove(client, deadline_seconds=60)

    assert client.connections == 1
    assert client.losses(CHANNELS) == []


async def test_a_partition_without_a_leader_holds_up_no_other(
    three: KafkaCluster, edge: StartEdge, sdk: StartSdk
) -> None:
    """The bug: each look at the topics waited for the ends of all partitions, and nothing was read meanwhile."""
    with Records(three.address) as records:
        topic = records.make_topic(partitions=3, replicas=1)
        client = await sdk(PYTHON, edge({"account": {"topic": topic}}, kafka=three.address), token=reader_of(*CHANNELS))
        for channel in CHANNELS:
            await client.attach(channel)
        for number in range(3):
            records.produce(topic, [(KEYS[number], "before")], partition=number)
        await client.until(lambda: sum(map(len, client.messages.values())) == 3, "it flows")

        dead = await asyncio.to_thread(three.leader, topic, 0)
        dead.kill()
        alive = next(n for n in (1, 2) if three.leader(topic, n) is not dead)
        count = 1
        while records.admin.list_topics(topic, timeout=30).topics[topic].partitions[0].leader != -1:
            count += 1  # Kafka takes a few looks of the edge to notice
            records.produce(topic, [(KEYS[alive], f"meanwhile {count}")], partition=alive)
            await client.until_received(f"account:{KEYS[alive]}", count)
        dead.launch()
        await asyncio.to_thread(dead.wait_until_answering)
        await asyncio.to_thread(records.wait_for_partitions, topic, 3)
        records.produce(topic, [(KEYS[0], "after")], partition=0)
        await client.until_received(f"account:{KEYS[0]}", 2)

    assert client.data(f"account:{KEYS[0]}") == ["before", "after"]
    assert client.losses(CHANNELS) == []


# ---------------------------------------------------------------------- topics


async def test_a_recreated_topic_is_told_and_read_from_its_start(
    edge: StartEdge, topic: str, sdk: StartSdk, records: Records
) -> None:
    """
    Who is attached hears it at once, who comes back with an old serial then, both 90003; offsets that fit fool nobody.

    Until the next look at the topics, what the new life has beyond the old position may come; once told, all of it comes.
    """
    serving = edge({"account": {"topic": topic}})
    async with CutProxy(serving.port) as proxy:
        here = await sdk(JS, serving, token=reader_of(*CHANNELS))
        away = await sdk(JS, serving, port=proxy.port, token=reader_of(*CHANNELS))
        for client in (here, away):
            await client.attach("account:a")
        records.produce(topic, [("a", f"old {number}") for number in range(5)])
        for client in (here, away):
            await client.until_received("account:a", 5)
        proxy.stall()
        proxy.cut()

        records.delete_topic(topic)
        records.make_topic(name=topic)
        records.produce(topic, [("a", f"new {number}") for number in range(9)])
        await here.until_received("account:a", 14)
        proxy.cut()
        proxy.resume()
        await away.until(lambda: len(away.losses(["account:a"])) == 1, "it is told")
        records.produce(topic, [("a", "newest")])
        for client in (here, away):
            await client.until(lambda client=client: client.data("account:a")[-1] == "newest", "the newest")

    old, new = [f"old {number}" for number in range(5)], [f"new {number}" for number in range(9)]
    before_it_was_told = here.data("account:a")[:-10]
    assert here.data("account:a")[-10:] == [*new, "newest"]
    assert before_it_was_told == [*old, *new[len(new) + len(old) - len(before_it_was_told) :]]
    assert away.data("account:a") == [*old, "newest"]
    for client in (here, away):
        assert [loss["reason"]["code"] for loss in client.losses(["account:a"])] == [90003]


async def test_another_log_behind_the_same_name_is_found_out_without_topic_ids(
    tmp_path: Path, redis_url: str, sdk: StartSdk
) -> None:
    """
    A Kafka that was lost and filled again: no id says so, and its offsets go on where those of the first one ended.

    The edge finds its brokers through an address that stays, as a name in front of them does.
    """
    new = [f"new {number}" for number in range(30)]
    async with CutProxy(0) as address:
        serving = EdgeProcess(
            tmp_path / "edge",
            kafka=f"127.0.0.1:{address.port}",
            redis_url=redis_url,
            namespaces={"account": {"topic": "lost"}},
            sections={"kafka": {"request_timeout_seconds": 1}},
        )
        with closing(serving.launch()):
            with embedded_kafka(["lost"]) as first, Records(first) as records:
                address.target = int(first.rpartition(":")[2])
                await asyncio.to_thread(serving.wait_until_ready)
                client = await sdk(JS, serving, token=reader_of(*CHANNELS))
                await client.attach("account:a")
                records.produce("lost", [("a", f"old {number}") for number in range(20)])
                await client.until_received("account:a", 20)
            with embedded_kafka(["lost"]) as second, Records(second) as records:
                records.produce("lost", [("a", text) for text in new])
                address.target = int(second.rpartition(":")[2])
                await client.until(lambda: client.data("account:a")[-30:] == new, "all that is new")

    assert {loss["reason"]["code"] for loss in client.losses(["account:a"])} == {90003}


async def test_partitions_added_under_flow_lose_nothing(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """Keys move to other partitions; who is attached gets all of it, in order."""
    topic = make_topic(partitions=1)
    client = await sdk(PYTHON, edge({"account": {"topic": topic}}), token=reader_of(*CHANNELS))
    for channel in CHANNELS:
        await client.attach(channel)
    flow = Flow(records, topic, KEYS, total=2000, per_second=400)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flow.run())
        await client.until(lambda: sum(map(len, client.messages.values())) > 300, "it flows")
        await asyncio.to_thread(records.add_partitions, topic, 4)
    await flow.prove(client, deadline_seconds=30)

    assert {partition for channel in CHANNELS for partition, _ in client.positions(channel)} > {0}
    assert client.losses(CHANNELS) == []
