"""Clients that come back, or read slowly, after their messages left the window: out of Redis, or whatever happens to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.replaying import (
    CHANNEL,
    KEY,
    NO_HISTORY,
    SHORT,
    numbers,
    position_of,
    resumes_whole,
    until_forgotten,
    until_written,
)
from tests.e2e.test_record_trouble import UndecodableName, produce_batch
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.follower import Follower
from tests.testbed.redis import RedisServer


async def test_what_the_history_has_is_not_read_again_in_kafka(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic, "history_messages": 10_000}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(5000))
    until_forgotten(served, 5000)
    until_written(served)

    await resumes_whole(served, serial, 5000)
    metrics = served.metrics()
    assert metrics['lastmile_replayed_messages_total{tier="history"}'] >= 5000
    assert metrics["lastmile_scans_total"] == 0


async def test_what_was_trimmed_from_the_history_comes_out_of_kafka(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, "history_messages": 100}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(5000))
    until_forgotten(served, 5000)
    until_written(served)

    await resumes_whole(served, serial, 5000)


async def test_a_redis_that_lost_everything_costs_no_message(
    edge: StartEdge, topic: str, produce: Produce, redis_server: RedisServer
) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT, redis_url=redis_server.url)
    serial = await position_of(served)
    produce(topic, numbers(5000))
    until_forgotten(served, 5000)
    until_written(served)
    redis_server.flush()

    await resumes_whole(served, serial, 5000)


async def test_a_redis_that_is_silent_costs_no_message(
    edge: StartEdge, topic: str, produce: Produce, redis_server: RedisServer
) -> None:
    served = edge(
        {"account": {"topic": topic}},
        window=SHORT,
        redis={"timeout_seconds": 0.5},
        redis_url=redis_server.url,
    )
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)
    redis_server.freeze()

    await resumes_whole(served, serial, 500)
    redis_server.thaw()


@pytest.mark.parametrize("history", [NO_HISTORY, {}], ids=["kafka", "history"])
async def test_a_record_that_cannot_be_decoded_holds_nobody_up(
    history: dict[str, int], edge: StartEdge, make_topic: MakeTopic, kafka: str
) -> None:
    """Neither a pass nor the historian: what comes after it is served from both."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **history}}, window=SHORT)
    serial = await position_of(served, "account:a")
    bad = (UndecodableName("x"), b"v")
    await produce_batch(kafka, topic, [(b"before", []), (b"bad", [bad]), (b"after", [])])
    until_forgotten(served, 2)
    if history is not NO_HISTORY:
        until_written(served)

    async with Follower(served, "account:a", serial) as client:
        await client.until_got(2)

        assert client.data == ["before", "after"]
        assert client.is_resumed
    metrics = served.metrics()
    assert metrics["lastmile_scans_total"] == (1 if history is NO_HISTORY else 0)


@pytest.mark.parametrize(
    ("history", "tier"), [(NO_HISTORY, "kafka"), ({"history_messages": 100_000}, "history")], ids=["kafka", "history"]
)
async def test_who_reads_too_slowly_for_the_window_catches_up_whole(
    history: dict[str, int], tier: str, edge: StartEdge, topic: str, produce: Produce
) -> None:
    """It is attached all the time, and hears of nothing; it comes and goes as its socket fills up and drains."""
    served = edge({"account": {"topic": topic, **history}}, window=SHORT)
    padding = "x" * 1000
    async with CutProxy(served.port) as proxy, Follower(served, CHANNEL, port=proxy.port) as client:
        await client.until_answered()
        proxy.stall()
        await asyncio.to_thread(produce, topic, [(KEY, f"{number} {padding}") for number in range(20_000)])
        await asyncio.to_thread(until_forgotten, served, 20_000)
        if tier == "history":
            await asyncio.to_thread(until_written, served)
        assert served.metrics()["lastmile_attachments_lagging"] == 1

        proxy.resume()
        await client.until_got(20_000)
        await asyncio.to_thread(produce, topic, [(KEY, "live")])
        await client.until_got(20_001)

        assert client.data == [*(f"{number} {padding}" for number in range(20_000)), "live"]
        assert len(client.answers) == 1
    metrics = served.metrics()
    assert metrics[f'lastmile_replayed_messages_total{{tier="{tier}"}}'] > 10_000
    assert metrics["lastmile_continuity_losses_total"] == 0
