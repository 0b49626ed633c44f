"""Unmodified SDKs that were away while five thousand records passed, far longer than the edge remembers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.e2e.replaying import NO_HISTORY, SHORT, until_forgotten, until_written
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.ports import free_port
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer
from tests.testbed.sdk import KINDS, Sdk

KEY, CHANNEL = "1", "account:1"
RECORDS = 5000


@asynccontextmanager
async def away(edge: EdgeProcess, topic: str, sdk: StartSdk, produce: Produce) -> AsyncIterator[list[Sdk]]:
    """Clients of each kind with one message, cut off while the others pass; back when the block is left."""
    async with CutProxy(edge.port) as proxy:
        clients = [await sdk(kind, edge, port=proxy.port, token=reader_of(CHANNEL)) for kind in KINDS]
        for client in clients:
            await client.attach(CHANNEL)
        await asyncio.to_thread(produce, topic, [(KEY, "0")])
        for client in clients:
            await client.until_received(CHANNEL, 1)
        proxy.target = free_port()
        proxy.cut()
        await asyncio.to_thread(produce, topic, [(KEY, str(number)) for number in range(1, RECORDS)])
        await asyncio.to_thread(until_forgotten, edge, RECORDS)
        yield clients
        proxy.target = edge.port
        for client in clients:
            await client.until(lambda client=client: attached(client) == 2, "attached again")
        await asyncio.to_thread(produce, topic, [(KEY, "live")])
        for client in clients:
            await client.until(lambda client=client: "live" in client.data(CHANNEL), "the live one")


def attached(client: Sdk) -> int:
    """How often it was."""
    return sum(change["state"] == "attached" for change in client.channels[CHANNEL])


def whole() -> list[str]:
    return [*(str(number) for number in range(RECORDS)), "live"]


async def test_they_resume_whole_out_of_kafka_after_redis_has_lost_everything(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, redis_server: RedisServer
) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT, redis_url=redis_server.url)

    async with away(served, topic, sdk, produce) as clients:
        redis_server.flush()

    for client in clients:
        assert client.data(CHANNEL) == whole()
        assert client.losses([CHANNEL]) == []


async def test_they_resume_whole_out_of_the_history(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, "history_messages": 2 * RECORDS}}, window=SHORT)

    async with away(served, topic, sdk, produce) as clients:
        await asyncio.to_thread(until_written, served)

    for client in clients:
        assert client.data(CHANNEL) == whole()
        assert client.losses([CHANNEL]) == []
    assert served.metrics()["lastmile_scans_total"] == 0


async def test_they_are_told_when_kafka_has_deleted_what_they_missed(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, produce: Produce, records: Records
) -> None:
    """RTL12: an UPDATE without `resumed`, with the reason; then what comes next."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)

    async with away(served, topic, sdk, produce) as clients:
        records.delete_before(topic, 0, RECORDS // 2)

    for client in clients:
        assert client.data(CHANNEL) == ["0", "live"]
        (loss,) = client.losses([CHANNEL])
        assert loss["reason"] is None or loss["reason"]["code"] == 80006  # ably-python passes no reason on
    assert served.metrics()['lastmile_refusals_total{reason="position_expired"}'] == len(KINDS)
