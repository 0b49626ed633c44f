"""Receipts on their way to a real Kafka: written once and in order, and never in the way of anybody when it is away."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.confirming import Advance
from gateway.core.routing import Router
from gateway.metrics.counts import Counts
from gateway.receipts import Receipts
from gateway.settings import KafkaSettings, Namespace, ReceiptSettings
from gateway.stream.producer import Producer
from tests.conftest import MakeTopic
from tests.testbed.kafka import KafkaBroker
from tests.testbed.records import Records
from tests.testbed.topic_reader import TopicReader, Written

DEADLINE_SECONDS = 60.0
EDGE = "lastmile-test"


def advance(number: int, *, channel: str = "account:1", connection_id: str = "one", **of: Any) -> Advance:
    """The one from *number* to the next."""
    namespace = channel.partition(":")[0]
    now_ms = time.time_ns() // 1_000_000
    made = Advance("bank", "alice", connection_id, None, namespace, channel, f"{number}", f"{number + 1}", now_ms)
    return made._replace(**of)


def receipts_to(kafka: str, topic: str, **settings: float) -> Receipts:
    """The writer of an edge whose namespace `account` has receipts, and `chat` has none."""
    namespaces = {"account": Namespace(topic="any", receipts_topic=topic), "chat": Namespace(topic="other")}
    return Receipts(
        Producer(KafkaSettings(bootstrap_servers=kafka, request_timeout_seconds=2)),
        {"account": topic},
        Router(namespaces),
        ReceiptSettings.model_validate({"every_seconds": 0.05, **settings}),
        EDGE,
        Counts(),
    )


@pytest.fixture
async def running() -> AsyncIterator[Any]:
    """Run a writer until it is stopped, or the test ends."""
    tasks = []

    def start(receipts: Receipts) -> Receipts:
        tasks.append((receipts, asyncio.create_task(receipts.run())))
        return receipts

    yield start
    for receipts, task in tasks:
        await receipts.stop(DEADLINE_SECONDS)
        await task


def read(kafka: str, topic: str, count: int) -> list[Written]:
    """So many records; there are no more."""
    with TopicReader(kafka, topic) as reader:
        return reader.read(count)


async def until(is_so: Any) -> None:
    """Wait for it."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_receipts_are_keyed_as_their_channel_and_chain(kafka: str, topic: str, running: Any) -> None:
    """What one connection confirmed of a channel comes as ranges that adjoin, whichever advances are joined."""
    receipts = running(receipts_to(kafka, topic))
    expected = {(f"{connection}", f"account:{account}") for connection in range(5) for account in range(4)}

    for number in range(20):
        for connection, channel in expected:
            receipts.advanced(advance(number, connection_id=connection, channel=channel))
        await asyncio.sleep(0.02)
    await until(lambda: not receipts.pending)
    found = await asyncio.to_thread(read, kafka, topic, receipts._counts.receipts)

    chains = defaultdict(list)
    for key, value in found:
        assert value["channel"] == f"account:{key}"
        assert (value["edge"], value["clientId"], value["app"], value["v"]) == (EDGE, "alice", "bank", 1)
        chains[value["connectionId"], value["channel"]].append((int(value["after"]), int(value["upto"])))
    assert set(chains) == expected
    for chain in chains.values():
        assert [after for after, _ in chain] == [0, *[upto for _, upto in chain[:-1]]]
        assert chain[-1][1] == 20


async def test_only_namespaces_that_ask_for_receipts_have_them(kafka: str, topic: str, running: Any) -> None:
    """And nothing is said of an advance that is none."""
    receipts = running(receipts_to(kafka, topic))

    receipts.advanced(advance(1, channel="chat:1"))
    receipts.advanced(advance(1, upto="1"))
    assert receipts.pending == 0
    receipts.advanced(advance(1))
    await until(lambda: not receipts.pending)

    await asyncio.to_thread(read, kafka, topic, 1)


async def test_what_is_left_is_written_at_the_end(kafka: str, topic: str) -> None:
    """A drain loses none."""
    receipts = receipts_to(kafka, topic, every_seconds=300)
    task = asyncio.create_task(receipts.run())
    for number in range(100):
        receipts.advanced(advance(number, connection_id=f"{number}"))

    await receipts.stop(DEADLINE_SECONDS)
    await asyncio.wait_for(task, DEADLINE_SECONDS)

    assert (receipts.pending, receipts.dropped) == (0, 0)
    await asyncio.to_thread(read, kafka, topic, 100)


async def test_a_topic_that_takes_no_receipt_holds_up_no_other(kafka: str, make_topic: MakeTopic, running: Any) -> None:
    """Its bound is below one receipt: each is dropped and counted."""
    small = make_topic(max_message_bytes="200")
    receipts = running(receipts_to(kafka, small))

    for number in range(3):
        receipts.advanced(advance(number, connection_id="x" * 300 + f"{number}"))
    await until(lambda: not receipts.pending)

    assert receipts.dropped == 3


async def test_while_kafka_is_away_receipts_wait_within_bounds_and_are_written_later(
    broker: KafkaBroker, running: Any
) -> None:
    """`advanced` never waits; the lag is shown; what is over the bound is dropped, counted, and covered by what comes next."""
    with Records(broker.address) as records:
        topic = records.make_topic()
    receipts = running(receipts_to(broker.address, topic, max_pending=100))
    receipts.advanced(advance(0, connection_id="0"))
    await until(lambda: not receipts.pending)
    broker.kill()

    for number in range(1, 30):
        for connection in range(150):
            receipts.advanced(advance(number, connection_id=f"{connection}"))
        await asyncio.sleep(0.01)
    assert receipts.lag_seconds(time.time() + 5) > 5
    assert 100 <= receipts.pending <= 1100
    assert receipts.dropped > 0
    await asyncio.to_thread(broker.start)
    for connection in range(150):
        receipts.advanced(advance(30, connection_id=f"{connection}"))
        await until(lambda: receipts.pending < 100)
    await until(lambda: not receipts.pending)
    assert receipts.lag_seconds(time.time()) == 0

    found = await asyncio.to_thread(read, broker.address, topic, receipts._counts.receipts)
    covered = defaultdict(set)
    for _, value in found:  # one may come twice, should the producer have broken
        covered[value["connectionId"]] |= set(range(int(value["after"]), int(value["upto"])))
    for connection in range(150):
        assert covered[f"{connection}"] == set(range(0 if connection == 0 else 1, 31))
