"""Clients that come back to a real edge after their messages left its window and its history: out of Kafka."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.replaying import (
    CHANNEL,
    KEY,
    NO_HISTORY,
    OTHER,
    SHORT,
    numbers,
    position_of,
    quiet_one_resumes,
    resumes_whole,
    texts,
    until_forgotten,
    until_written,
)
from tests.testbed.follower import Follower
from tests.testbed.records import Records


async def test_five_thousand_records_come_out_of_kafka_and_then_live_ones(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    """Without history; the client resumes as if it had not been away, and the seam cannot be seen."""
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, ((key, str(number)) for number in range(5000) for key in (KEY, OTHER)))
    until_forgotten(served, 10000)

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_answered()
        await asyncio.to_thread(produce, topic, numbers(100, 5000))
        await client.until_got(5100)

        assert client.data == texts(5100)
        assert client.is_resumed
        assert client.answers[0]["channelSerial"] == serial
    metrics = served.metrics()
    assert metrics['lastmile_replayed_messages_total{tier="kafka"}'] >= 5000
    assert metrics['lastmile_replayed_messages_total{tier="history"}'] == 0
    assert metrics["lastmile_attachments_replaying"] == 0


async def test_a_copy_whose_first_lies_before_the_scan_is_not_delivered(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    """The tail dropped it, and whoever comes back from between the two does not get it either."""
    served = edge({"account": {"topic": topic, "id_header": "id", **NO_HISTORY}}, window=SHORT)
    async with Follower(served, CHANNEL) as client:
        await client.until_answered()
        await asyncio.to_thread(produce, topic, [(KEY, "first", {"id": "m-1"})])
        await client.until_got(1)
        serial = client.serial
    produce(topic, [(KEY, "first", {"id": "m-1"}), (KEY, "second", {"id": "m-2"})])
    until_forgotten(served, 2)

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(1)
        await asyncio.to_thread(produce, topic, [(KEY, "third")])
        await client.until_got(2)

        assert client.data == ["second", "third"]
        assert client.is_resumed
    assert served.metrics()['lastmile_replayed_messages_total{tier="kafka"}'] == 1


async def test_records_that_flow_during_a_scan_come_once_and_in_order(
    edge: StartEdge, topic: str, records: Records, produce: Produce
) -> None:
    """The window moves on while the scan runs after it."""
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(20_000))
    until_forgotten(served, 20000)

    async with Follower(served, CHANNEL, serial) as client:
        for begin in range(20_000, 30_000, 100):
            for record in numbers(100, begin):
                records.send(topic, record)
            await asyncio.sleep(0)
        await asyncio.to_thread(records.flush)
        await client.until_got(30_000)

        assert client.data == texts(30_000)
        assert client.is_resumed


async def test_a_hundred_clients_of_a_partition_share_its_passes(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce
) -> None:
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    channels = [f"account:{number}" for number in range(100)]
    serials = [await position_of(served, channel) for channel in channels[:10]]
    produce(topic, ((str(number), str(turn)) for turn in range(100) for number in range(100)))
    until_forgotten(served, 10000)

    async with AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(
                stack.enter_async_context(Follower(served, channel, serials[at % 10]))
                for at, channel in enumerate(channels)
            )
        )
        for client in clients:
            await client.until_got(100)

        assert all(client.data == texts(100) and client.is_resumed for client in clients)
    metrics = served.metrics()
    assert metrics["lastmile_replays_total"] >= 100
    assert metrics["lastmile_scans_total"] <= 10


async def test_a_quiet_channel_is_proven_whole_on_an_edge_that_never_knew_it(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    """Its position is one over all partitions: each is read again, and nothing of it is there."""
    namespaces = {"account": {"topic": topic, **NO_HISTORY}}
    serial = await position_of(edge(namespaces, window=SHORT), "account:quiet")
    produce(topic, [(str(number), "x") for number in range(1000)])
    later = edge(namespaces, window=SHORT)
    until_forgotten(later, 0)

    await quiet_one_resumes(later, topic, produce, serial)


async def test_a_quiet_channel_is_proven_whole_by_the_histories_of_all_partitions(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    namespaces = {"account": {"topic": topic}}
    first = edge(namespaces, window=SHORT)
    serial = await position_of(first, "account:quiet")
    produce(topic, [(str(number), "x") for number in range(1000)])
    until_forgotten(first, 1000)
    until_written(first)
    later = edge(namespaces, window=SHORT)
    until_forgotten(later, 0)

    await quiet_one_resumes(later, topic, produce, serial)
    assert later.metrics()["lastmile_scans_total"] == 0


@pytest.mark.parametrize("history", [NO_HISTORY, {}], ids=["kafka", "history"])
async def test_a_channel_that_spoke_first_while_nobody_knew_it_is_found(
    history: dict[str, int], edge: StartEdge, topic: str, produce: Produce
) -> None:
    namespaces = {"account": {"topic": topic, **history}}
    first = edge(namespaces, window=SHORT)
    serial = await position_of(first)
    produce(topic, numbers(50))
    until_forgotten(first, 50)
    later = edge(namespaces, window=SHORT)
    until_forgotten(later, 0)

    await resumes_whole(later, serial, 50)
