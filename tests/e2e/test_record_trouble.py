"""Records that are no messages, that are gone, or that never were: none stops a partition, and none is taken for another."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.batches import UndecodableName, produce_batch
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import wait_until
from tests.testbed.records import Records
from tests.testbed.sdk import Kind

JS, PYTHON = Kind("js", is_binary=False), Kind("python", is_binary=True)
CHANNELS = ["account:a", "account:b"]


def lag_of(edge: EdgeProcess, topic: str) -> float:
    """Records between the tail and the end of a topic."""
    return edge.metrics()[f'lastmile_tail_lag_records{{namespace="account",topic="{topic}"}}']


async def test_aborted_transactions_are_never_delivered_and_no_loss(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """Nothing of one, not even while it is open; and who drops before it is resumed behind it."""
    topic = make_topic(partitions=1)
    serving = edge({"account": {"topic": topic}})
    transactional = Producer({"bootstrap.servers": records.address, "transactional.id": topic, "log_level": 0})
    await asyncio.to_thread(transactional.init_transactions, 30)
    async with CutProxy(serving.port) as proxy:
        client = await sdk(JS, serving, port=proxy.port, token=reader_of(*CHANNELS))
        for channel in ("account:a", "account:b"):
            await client.attach(channel)
        records.produce(topic, [("a", "first")])
        await client.until_received("account:a", 1)
        proxy.stall()
        proxy.cut()

        for text, is_kept in (("aborted", False), ("committed", True), ("aborted too", False)):
            transactional.begin_transaction()
            for key in ("a", "b"):
                transactional.produce(topic, key=key, value=text)
            await asyncio.to_thread(transactional.flush, 30)
            end = transactional.commit_transaction if is_kept else transactional.abort_transaction
            await asyncio.to_thread(end, 30)
        proxy.cut()
        proxy.resume()
        records.produce(topic, [("a", "last")])
        await client.until_received("account:a", 3)
        await client.until_received("account:b", 1)
        await asyncio.to_thread(wait_until, lambda: lag_of(serving, topic) == 0, "the tail is past all of it")

    assert client.data("account:a") == ["first", "committed", "last"]
    assert client.data("account:b") == ["committed"]
    assert client.losses(CHANNELS) == []


async def test_a_gap_of_compaction_is_no_loss(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """An edge that only saw what compaction has left resumes a client whose position lies before the gap."""
    topic = make_topic(
        partitions=1,
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="200",
        min_compaction_lag_ms="0",
    )
    first = edge({"account": {"topic": topic}})
    async with CutProxy(first.port) as proxy:
        client = await sdk(JS, first, port=proxy.port, token=reader_of(*CHANNELS))
        await client.attach("account:a")
        records.produce(topic, [("a", "state 0")])
        await client.until_received("account:a", 1)
        proxy.stall()
        proxy.cut()
        first.kill()

        records.produce(topic, [("a", f"state {number}") for number in range(1, 8)])
        oldest = await asyncio.to_thread(compacted, records, topic)
        second = edge({"account": {"topic": topic}})
        proxy.target = second.port
        proxy.cut()
        proxy.resume()
        await client.until(lambda: client.data("account:a")[-1] == "state 7", "the last state")

    assert oldest > 1
    assert client.data("account:a") == ["state 0", "state 7"]
    assert client.losses(CHANNELS) == []


def compacted(records: Records, topic: str) -> int:
    """Write until compaction has taken the first record. Returns: the offset of the oldest one that is left."""
    consumer = Consumer({"bootstrap.servers": records.address, "group.id": "none", "log_level": 0})
    oldest = [0]

    def is_compacted() -> bool:
        records.produce(topic, [("filler", "x")])  # what is in the newest segment is never compacted
        oldest[:] = [consumer.offsets_for_times([TopicPartition(topic, 0, 0)], timeout=30)[0].offset]
        return oldest[0] > 1

    try:
        wait_until(is_compacted, "compaction has taken the first record")
    finally:
        consumer.close()
    return oldest[0]


async def test_poison_records_are_skipped_counted_and_logged_with_their_place(
    tmp_path: Path, kafka: str, redis_url: str, make_topic: MakeTopic, sdk: StartSdk, produce: Produce
) -> None:
    """Each kind between two good ones, in one partition, which goes on."""
    topic = make_topic(partitions=1)
    bad = [
        (b"\xff\xfe", "an undecodable key"),
        (None, "no key"),
        ("a", "x" * 2000),
        ("a", "an undecodable name", {"name": b"\xff"}),
    ]
    with EdgeProcess(
        tmp_path / "edge",
        kafka=kafka,
        redis_url=redis_url,
        namespaces={"account": {"topic": topic}},
        sections={"kafka": {"max_record_bytes": 1024}},
    ) as serving:
        client = await sdk(JS, serving, token=reader_of(*CHANNELS))
        await client.attach("account:a")
        for number, record in enumerate(bad):
            produce(topic, [("a", f"good {number}"), record])
        produce(topic, [("a", "last")])
        await client.until(lambda: client.data("account:a")[-1:] == ["last"], "the last")
        metrics, log = serving.metrics(), serving.log_text()

    assert client.data("account:a") == [*(f"good {number}" for number in range(len(bad))), "last"]
    for reason, offset in (("key_undecodable", 1), ("key_missing", 3), ("too_large", 5), ("header_undecodable", 7)):
        assert metrics[f'lastmile_poison_records_total{{reason="{reason}"}}'] == 1
        assert f"topic={topic} partition=0 offset={offset} reason={reason}" in log
    assert client.losses(CHANNELS) == []


async def test_a_header_whose_name_is_not_utf_8_costs_its_record_and_nothing_else(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """The bug: aiokafka fails on the whole batch, and every edge ended, and ended again after each start."""
    topic, other = make_topic(partitions=1), make_topic(partitions=1)
    serving = edge({"account": {"topic": topic}, "market": {"topic": other}})
    client = await sdk(JS, serving, token=reader_of("account:a", "market:a"))
    for channel in ("account:a", "market:a"):
        await client.attach(channel)

    await produce_batch(
        records.address,
        topic,
        [(b"before", []), (b"bad", [(UndecodableName("x"), b"v")]), (b"after", [("name", b"payment")])],
    )
    records.produce(other, [("a", "elsewhere")])
    records.produce(topic, [("a", "last")])
    await client.until(lambda: client.data("account:a")[-1:] == ["last"], "the last")
    await client.until_received("market:a", 1)

    assert client.data("account:a") == ["before", "after", "last"]
    assert client.messages["account:a"][1]["name"] == "payment"
    assert f"topic={topic} partition=0 offset=1 reason=header_undecodable" in serving.log_text()
    assert client.connections == 1
    assert client.losses(["account:a", "market:a"]) == []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_is_read(
    codec: str, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, kafka: str
) -> None:
    channel = f"account:{account}"
    client = await sdk(PYTHON, shared_edge, token=reader_of(channel))
    await client.attach(channel)
    producer = Producer(
        {"bootstrap.servers": kafka, "compression.codec": codec, "linger.ms": 50, "partitioner": "murmur2_random"}
    )

    for number in range(100):
        producer.produce(shared_topic, key=account, value=f"{number} {'x' * 100}")
    await asyncio.to_thread(producer.flush, 30)
    await client.until_received(channel, 100)

    assert client.data(channel) == [f"{number} {'x' * 100}" for number in range(100)]


async def test_retention_that_overtakes_the_tail_is_told(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """An edge that was stopped for so long that records are gone unread says so, and goes on behind them."""
    topic = make_topic(partitions=1)
    serving = edge({"account": {"topic": topic}})
    client = await sdk(JS, serving, token=reader_of(*CHANNELS))
    await client.attach("account:a")
    records.produce(topic, [("a", "read")])
    await client.until_received("account:a", 1)

    with frozen(serving):
        for _ in range(20):  # one at a time: a fetch under way is answered with what came first
            records.produce(topic, [("a", "gone")])
        records.delete_before(topic, 0, 21)
        records.produce(topic, [("a", "kept")])
    await client.until(lambda: client.data("account:a")[-1] == "kept", "what is kept")

    assert [loss["reason"]["code"] for loss in client.losses(CHANNELS)] == [90003]
    assert "expected_offset=" in serving.log_text()


@contextmanager
def frozen(edge: EdgeProcess) -> Iterator[None]:
    """The process stands still."""
    edge.process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        edge.process.send(signal.SIGCONT)
