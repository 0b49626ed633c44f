"""Redis dies or stands still under flow: it knows connections, and no message depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.flow import Flow
from tests.testbed.records import Records
from tests.testbed.redis import RedisPair, RedisServer
from tests.testbed.sdk import Kind

KINDS = [Kind("js", is_binary=False), Kind("python", is_binary=True)]
KEYS = ["a", "b", "c"]
CHANNELS = [f"account:{key}" for key in KEYS]


@pytest.mark.parametrize("trouble", [RedisServer.kill, RedisServer.freeze], ids=lambda of: of.__name__)
async def test_messages_flow_on_and_resume_without_redis(
    trouble: Callable[[RedisServer], None],
    edge: StartEdge,
    topic: str,
    sdk: StartSdk,
    records: Records,
    redis_server: RedisServer,
) -> None:
    """Who comes back gets a new connectionId with 80008, and its channels resume by their serials all the same."""
    serving = edge({"account": {"topic": topic}}, redis_url=redis_server.url, redis={"timeout_seconds": 0.5})
    async with CutProxy(serving.port) as proxy:
        clients = [await sdk(kind, serving, port=proxy.port, token=reader_of(*CHANNELS)) for kind in KINDS]
        for client in clients:
            for channel in CHANNELS:
                await client.attach(channel)
        flow = Flow(records, topic, KEYS, total=900, per_second=300)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.run())
            for client in clients:
                await client.until_received(CHANNELS[0], 30)
            trouble(redis_server)
            for client in clients:
                await client.until_received(CHANNELS[0], 90)
            proxy.cut()
        for client in clients:
            await flow.prove(client, deadline_seconds=30)

    for client in clients:
        first, again = (change for change in client.connection if change["kind"] == "connected")
        assert again["reason"]["code"] == 80008
        assert again["id"] != first["id"]
        assert client.losses(CHANNELS) == []


async def test_a_redis_that_is_back_knows_connections_again(
    edge: StartEdge, topic: str, sdk: StartSdk, redis_server: RedisServer
) -> None:
    """Connections that were made while it was away can be resumed by it, once it was told of them."""
    serving = edge({"account": {"topic": topic}}, redis_url=redis_server.url, server={"connection_state_seconds": 2})
    redis_server.kill()
    async with CutProxy(serving.port) as proxy:
        client = await sdk(KINDS[0], serving, port=proxy.port, token=reader_of(*CHANNELS))
        redis_server.start()
        await asyncio.to_thread(redis_server.wait_for_connections, 1)

        proxy.cut()
        await client.until(lambda: client.connections == 2, "connected again")

    first, again = (change["id"] for change in client.connection if change["kind"] == "connected")
    assert again == first


async def test_a_connection_is_resumed_after_sentinels_made_the_replica_primary(
    edge: StartEdge, topic: str, sdk: StartSdk, redis_pair: RedisPair
) -> None:
    """The edge's stores go on with it, and what was written before is known there."""
    serving = edge({"account": {"topic": topic}}, redis_url=redis_pair.url)
    async with CutProxy(serving.port) as proxy:
        client = await sdk(KINDS[0], serving, port=proxy.port, token=reader_of(*CHANNELS))
        await asyncio.to_thread(redis_pair.primary.wait_for_connections, 1)
        await asyncio.to_thread(redis_pair.wait_for_replica)
        redis_pair.primary.kill()
        await asyncio.to_thread(redis_pair.wait_for_promotion)

        proxy.cut()
        await client.until(lambda: client.connections == 2, "connected again")

    first, again = (change["id"] for change in client.connection if change["kind"] == "connected")
    assert again == first


async def test_an_edge_ends_in_order_while_redis_stands_still(
    edge: StartEdge, topic: str, sdk: StartSdk, redis_server: RedisServer
) -> None:
    """The bug: a command whose connection is closed under it began anew, and ended in a traceback at its deadline."""
    serving = edge({"account": {"topic": topic}}, redis_url=redis_server.url)
    redis_server.freeze()
    client = await sdk(KINDS[0], serving, token=reader_of(*CHANNELS))

    code = await asyncio.to_thread(serving.terminate)

    assert client.connections == 1
    assert code == 0
    assert "Traceback" not in serving.log_text()
