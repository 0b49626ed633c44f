"""What operators see of an edge on real Kafka: when it is ready, what it counts, how its workers share a port."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Produce, StartEdge
from tests.e2e.conftest import reader_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.kafka import KafkaBroker
from tests.testbed.records import Records

RECORDS = 20_000
WORKERS, CLIENTS = 2, 32
DEADLINE_SECONDS = 30.0
CONNECTED, DISCONNECTED, ERROR, ATTACH, ATTACHED, MESSAGE = 4, 6, 9, 10, 11, 15


class Client:
    """A WebSocket that speaks JSON, and reads until what it waits for comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def attach(self, channel: str) -> None:
        """Attach, and wait until it is so."""
        await self._socket.send(json.dumps({"action": ATTACH, "channel": channel}))
        await self.read(ATTACHED)

    async def refused(self, channel: str) -> int:
        """Attach to what is not allowed. Returns: the code."""
        await self._socket.send(json.dumps({"action": ATTACH, "channel": channel}))
        return (await self.read(ERROR))["error"]["code"]

    async def read(self, action: int) -> dict[str, Any]:
        """The next message of this kind; others are passed over."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (message := json.loads(await self._socket.recv()))["action"] != action:
                pass
        return message


@asynccontextmanager
async def connected(port: int, channel: str) -> AsyncIterator[Client]:
    """A client that may read one channel."""
    async with connect(f"ws://127.0.0.1:{port}/?accessToken={reader_of(channel)}") as socket:
        client = Client(socket)
        await client.read(CONNECTED)
        yield client


# ---------------------------------------------------------------------- readiness


def test_an_edge_is_ready_only_when_it_has_read_to_where_the_topics_ended(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    """Before that its window proves nothing, and clients that come back would lose their continuity."""
    produce(topic, ((f"{n % 50}", "x" * 100) for n in range(RECORDS)))
    process = edge({"account": {"topic": topic}})  # ready once
    process.terminate()
    seen: list[dict[str, float]] = []

    def is_ready() -> bool:
        seen.append(process.metrics())
        return seen[-1]["lastmile_ready"] == 1

    process.launch()
    process.process.wait_until(is_ready, "ready")

    assert seen[-1]["lastmile_records_total"] == RECORDS


def test_an_edge_that_started_without_kafka_is_ready_soon_after_it_came(
    tmp_path: Path, redis_url: str, broker: KafkaBroker
) -> None:
    """Nobody has to restart it; live all the while."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        records.produce(topic, [("1001", "kept over the restart of Kafka")])
    broker.kill()
    process = EdgeProcess(
        tmp_path / "edge",
        kafka=broker.address,
        redis_url=redis_url,
        namespaces={"account": {"topic": topic}},
        sections={},
    )

    try:
        process.launch()
        process.process.wait_until(lambda: "Kafka is away" in process.log_text(), "Kafka was missed")
        assert process.health("live") == (200, {"status": "live"})
        assert process.health("ready")[0] == 503
        broker.start()
        process.wait_until_ready()

        assert process.metrics()["lastmile_records_total"] == 1
    finally:
        process.close()


async def test_an_edge_that_drains_is_live_and_not_ready(edge: StartEdge, topic: str) -> None:
    """Clients are told to move only after a balancer had the time to notice."""
    process = edge({"account": {"topic": topic}})
    async with connected(process.port, "account:1001") as client:
        running = process.process
        ended = asyncio.create_task(asyncio.to_thread(process.terminate))
        await asyncio.to_thread(running.wait_until, lambda: process.health("ready")[0] == 503, "not ready")

        assert process.health("ready")[1]["reason"] == "draining"
        assert process.health("live")[0] == 200
        assert (await client.read(DISCONNECTED))["error"]["code"] == 80003
        assert await ended == 0


# ---------------------------------------------------------------------- metrics


async def test_metrics_tell_what_operators_must_know(edge: StartEdge, topic: str, produce: Produce) -> None:
    """Connections, attachments, deliveries and their age, lag of the tail, the window, refusals by reason."""
    process = edge({"account": {"topic": topic}})
    async with connected(process.port, "account:1001") as first, connected(process.port, "account:1001") as second:
        for client in (first, second):
            await client.attach("account:1001")
        refusal = await first.refused("account:1002")
        began_at = time.time()
        produce(topic, [("1001", "x" * 1000)])
        for client in (first, second):
            await client.read(MESSAGE)
        elapsed = time.time() - began_at

        shown = process.metrics()

    assert refusal == 40160
    assert shown["lastmile_connections"] == 2
    assert shown["lastmile_attachments"] == 2
    assert shown["lastmile_deliveries_total"] == 2
    assert shown["lastmile_delivery_seconds_count"] == 2
    assert (
        0 <= shown["lastmile_delivery_seconds_sum"] <= 2 * (elapsed + 0.001)
    )  # a record's time is in whole milliseconds
    assert shown[f'lastmile_tail_lag_records{{namespace="account",topic="{topic}"}}'] == 0
    assert shown[f'lastmile_tail_lag_seconds{{namespace="account",topic="{topic}"}}'] == 0
    assert shown["lastmile_window_bytes"] > 1000
    assert shown['lastmile_refusals_total{reason="capability"}'] == 1


# ---------------------------------------------------------------------- workers


async def test_workers_share_a_port_and_all_of_them_serve(
    tmp_path: Path, kafka: str, redis_url: str, topic: str, produce: Produce
) -> None:
    """The kernel spreads clients over them; each reads everything, and SIGTERM drains all."""
    process = EdgeProcess(
        tmp_path / "edge",
        kafka=kafka,
        redis_url=redis_url,
        namespaces={"account": {"topic": topic}},
        sections={},
        workers=WORKERS,
    )
    async with AsyncExitStack() as running:
        running.callback(process.close)
        process.launch()
        await asyncio.to_thread(process.wait_until_ready)
        clients = [await running.enter_async_context(connected(process.port, "account:1001")) for _ in range(CLIENTS)]
        for client in clients:
            await client.attach("account:1001")
        produce(topic, [("1001", "for all")])
        got = [(await client.read(MESSAGE))["messages"][0]["data"] for client in clients]

        shares = [process.metrics(worker=worker)["lastmile_connections"] for worker in range(WORKERS)]
        ended = asyncio.create_task(asyncio.to_thread(process.terminate))
        told = [(await client.read(DISCONNECTED))["error"]["code"] for client in clients]

        assert got == ["for all"] * CLIENTS
        assert sum(shares) == CLIENTS
        assert min(shares) > 0  # that one gets none has a chance of one in two thousand million
        assert told == [80003] * CLIENTS
        assert await ended == 0
