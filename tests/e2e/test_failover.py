"""Edges die under flow, and others take over: `kill -9`, with clients on the next edge before the port is cold."""

from __future__ import annotations

import asyncio

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer
from tests.testbed.sdk import KINDS, Sdk

KILLS = 4
RECORDS = 6_000
CHANNELS = 4


async def test_killed_edges_lose_nothing_and_connections_keep_their_ids(
    edge: StartEdge, topic: str, sdk: StartSdk, records: Records, redis_server: RedisServer
) -> None:
    """No sticky sessions: every record once and in order, resumed on the other edge, under the same connectionId."""
    keys = [f"key-{number}" for number in range(CHANNELS)]
    channels = [f"account:{key}" for key in keys]
    serving, waiting = (edge({"account": {"topic": topic}}, redis_url=redis_server.url) for _ in range(2))
    async with CutProxy(serving.port) as proxy:
        clients = [await sdk(kind, serving, port=proxy.port, token=reader_of(*channels)) for kind in KINDS]
        for client in clients:
            for channel in channels:
                await client.attach(channel)
        kills = 0

        def limit() -> int:
            return (kills + 1) * RECORDS // (KILLS + 1)

        flow = Flow(records, topic, keys, total=RECORDS, per_second=600, limit=limit)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.run())
            while kills < KILLS:
                half = kills * RECORDS // (KILLS + 1) + RECORDS // (KILLS + 1) // 2
                await until_all_have(clients, half, kills + 1)
                # Redis must know them: an edge writes connections in batches, a moment after they are made.
                await asyncio.to_thread(
                    redis_server.wait_for_connections, sum(client.connections for client in clients)
                )
                proxy.target = waiting.port
                serving.kill()
                kills += 1
                serving, waiting = waiting, await restarted(serving)
        for client in clients:
            await flow.prove(client, deadline_seconds=30)

    for client in clients:
        assert client.losses(channels) == []
        assert client.connections == KILLS + 1
        assert len({change["id"] for change in client.connection if change["kind"] == "connected"}) == 1


async def until_all_have(clients: list[Sdk], messages: int, connections: int) -> None:
    """Wait until each client has so many messages, and has been connected so often."""
    for client in clients:
        await client.until(
            lambda client=client: client.connections == connections and received(client) >= messages,
            f"{messages} messages on connection {connections}",
        )


def received(client: Sdk) -> int:
    """How many messages have come, over all channels."""
    return sum(map(len, client.messages.values()))


async def restarted(edge: EdgeProcess) -> EdgeProcess:
    """The edge, when it is ready again."""
    edge.launch()
    await asyncio.to_thread(edge.wait_until_ready)
    return edge
