"""Clients that come back to a real edge after their messages left its window: out of Redis, out of Kafka, or told."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.test_record_trouble import UndecodableName, produce_batch
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.follower import HAS_BACKLOG, Follower
from tests.testbed.kafka import KafkaBroker
from tests.testbed.process import wait_until
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer

CHANNEL, KEY, OTHER = "account:1", "1", "2"
SHORT = {"max_seconds": 1}  # the shortest window there is
NO_HISTORY = {"history_seconds": 0}


def numbers(count: int, begin: int = 0) -> list[tuple[str, str]]:
    return [(KEY, str(number)) for number in range(begin, begin + count)]


def texts(count: int, begin: int = 0) -> list[str]:
    return [str(number) for number in range(begin, begin + count)]


def until_forgotten(edge: EdgeProcess, count: int) -> None:
    """Wait until so many messages were read, and none of them is in the window any more."""

    def is_forgotten() -> bool:
        metrics = edge.metrics()
        return metrics["lastmile_messages_total"] >= count and metrics["lastmile_window_messages"] == 0

    wait_until(is_forgotten, f"{count} messages have come and gone")


def until_written(edge: EdgeProcess) -> None:
    """Wait until the history has everything."""

    def is_written() -> bool:
        metrics = edge.metrics()
        lags = [value for name, value in metrics.items() if name.startswith("lastmile_history_lag_records")]
        return metrics["lastmile_history_partitions"] > 0 and bool(lags) and not any(lags)

    wait_until(is_written, "the history is written")


async def position_of(edge: EdgeProcess, channel: str = CHANNEL, count: int = 0) -> str:
    """What a client keeps that attached, had so many messages and went away."""
    async with Follower(edge, channel, params={"rewind": "1000"} if count else None) as client:
        await client.until_answered()
        await client.until_got(count)
        assert client.serial is not None
        return client.serial


# ---------------------------------------------------------------------- out of Kafka


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

    async with Follower(later, "account:quiet", serial) as client:
        await client.until_answered()
        await asyncio.to_thread(produce, topic, [("quiet", "first")])
        await client.until_got(1)

        assert client.is_resumed
        assert client.data == ["first"]


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

    async with Follower(later, "account:quiet", serial) as client:
        await client.until_answered()
        await asyncio.to_thread(produce, topic, [("quiet", "first")])
        await client.until_got(1)

        assert client.is_resumed
        assert client.data == ["first"]
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

    async with Follower(later, CHANNEL, serial) as client:
        await client.until_got(50)

        assert client.is_resumed
        assert client.data == texts(50)


# ---------------------------------------------------------------------- out of Redis


async def test_what_the_history_has_is_not_read_again_in_kafka(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic, "history_messages": 10_000}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(5000))
    until_forgotten(served, 5000)
    until_written(served)

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(5000)

        assert client.data == texts(5000)
        assert client.is_resumed
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

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(5000)

        assert client.data == texts(5000)
        assert client.is_resumed


async def test_a_redis_that_lost_everything_costs_no_message(
    edge: StartEdge, topic: str, produce: Produce, redis_server: RedisServer
) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT, redis_url=redis_server.url)
    serial = await position_of(served)
    produce(topic, numbers(5000))
    until_forgotten(served, 5000)
    until_written(served)
    redis_server.flush()

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(5000)

        assert client.data == texts(5000)
        assert client.is_resumed


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

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(500)

        assert client.data == texts(500)
        assert client.is_resumed
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


# ---------------------------------------------------------------------- slow readers


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


# ---------------------------------------------------------------------- told


async def told(edge: EdgeProcess, serial: str) -> int | None:
    """Come back with a position. Returns: the code with which it is not resumed; nothing else comes before live ones."""
    async with Follower(edge, CHANNEL, serial) as client:
        await client.until_answered()
        assert not client.is_resumed
        assert client.data == []
        return client.code


async def test_who_comes_back_after_retention_is_told(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    """80006: expired."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)
    records.delete_before(topic, 0, 100)

    assert await told(served, serial) == 80006
    assert served.metrics()['lastmile_refusals_total{reason="position_expired"}'] == 1


async def test_a_position_right_before_what_is_left_is_resumed(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    """The edge of the proof: offset + 1 is the first record that Kafka still has."""
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window={"max_seconds": 3})
    produce(topic, numbers(100))
    serial = await position_of(served, count=100)
    produce(topic, numbers(400, 100))
    until_forgotten(served, 500)
    records.delete_before(topic, 0, 100)

    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(400)

        assert client.is_resumed
        assert client.data == texts(400, 100)


async def test_more_than_may_be_read_again_is_told(edge: StartEdge, topic: str, produce: Produce) -> None:
    """80007: message limit exceeded."""
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT, replay={"max_records": 100})
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)

    assert await told(served, serial) == 80007


async def test_a_compacted_topic_proves_nothing(edge: StartEdge, make_topic: MakeTopic, produce: Produce) -> None:
    topic = make_topic(partitions=1, cleanup_policy="compact")
    served = edge({"account": {"topic": topic}}, window=SHORT)
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)

    assert await told(served, serial) == 90003


async def test_a_recreated_topic_is_not_taken_for_the_old_one(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, records: Records
) -> None:
    topic = make_topic(partitions=1)
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    produce(topic, numbers(10))
    serial = await position_of(served)
    records.delete_topic(topic)
    make_topic(partitions=1, name=topic)
    produce(topic, numbers(500))
    wait_until(lambda: "was recreated" in served.log_text(), "the edge has noticed")
    until_forgotten(served, 510)

    assert await told(served, serial) == 90003


@pytest.mark.parametrize(("history", "code"), [({"history_messages": 10}, 80007), (NO_HISTORY, 80006)])
async def test_without_scans_what_the_history_lacks_is_told(
    history: dict[str, int], code: int, edge: StartEdge, topic: str, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, **history}}, window=SHORT, replay={"max_records": 0})
    serial = await position_of(served)
    produce(topic, numbers(500))
    until_forgotten(served, 500)
    if history is not NO_HISTORY:
        until_written(served)

    assert await told(served, serial) == code


async def test_who_comes_back_while_kafka_is_away_is_sent_away_with_its_position(
    edge: StartEdge, broker: KafkaBroker
) -> None:
    """RTL13b: DETACHED while attaching makes the SDK try again, with the serial that it has; nothing is lost for good."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT, kafka=broker.address)
        serial = await position_of(served)
        records.produce(topic, numbers(500))
        until_forgotten(served, 500)
    broker.kill()

    async with Follower(served, CHANNEL, serial) as client:
        answer = await client.until_answered()
        assert (answer["action"], answer["error"]["code"]) == (13, 50003)
    broker.start()
    async with Follower(served, CHANNEL, serial) as client:
        await client.until_got(500)
        assert client.is_resumed
        assert client.data == texts(500)


# ---------------------------------------------------------------------- rewind


def aged(count: int, age_seconds: float) -> list[int]:
    return [int((time.time() - age_seconds) * 1000)] * count


@pytest.mark.parametrize("rewind", ["300", "10m"])
async def test_rewind_goes_back_beyond_the_window(rewind: str, edge: StartEdge, topic: str, produce: Produce) -> None:
    """By count and by time out of the history; with what is in the window, and live from there."""
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)

    async with Follower(served, CHANNEL, params={"rewind": rewind}) as client:
        answer = await client.until_answered()
        await asyncio.to_thread(produce, topic, numbers(10, 300))
        await client.until_got(310)

        assert client.data == texts(310)
        assert answer["flags"] & HAS_BACKLOG
        assert answer["params"] == {"rewind": rewind}


async def test_rewind_by_time_without_history_asks_kafkas_time_index(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)

    async with Follower(served, CHANNEL, params={"rewind": "10m"}) as client:
        await client.until_got(300)

        assert client.data == texts(300)
        assert client.answers[0]["flags"] & HAS_BACKLOG


async def test_rewind_limit_bounds_a_rewind_by_time(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)

    async with Follower(served, CHANNEL, params={"rewind": "10m", "rewindLimit": "20"}) as client:
        await asyncio.to_thread(produce, topic, numbers(1, 300))
        await client.until_got(21)

        assert client.data == texts(21, 280)
        assert client.answers[0]["params"] == {"rewind": "10m", "rewindLimit": "20"}


async def test_a_rewind_of_nothing_begins_now(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT)

    async with Follower(served, CHANNEL, params={"rewind": "10"}) as client:
        answer = await client.until_answered()
        await asyncio.to_thread(produce, topic, numbers(1))
        await client.until_got(1)

        assert not answer["flags"] & HAS_BACKLOG
        assert answer["params"] == {"rewind": "10"}


async def test_a_rewind_can_be_broken_off_and_resumed(edge: StartEdge, topic: str, produce: Produce) -> None:
    """ATTACHED tells the position before the backlog, so nothing is skipped wherever it ends."""
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)
    async with Follower(served, CHANNEL, params={"rewind": "300"}) as client:
        answer = await client.until_answered()

    async with Follower(served, CHANNEL, answer["channelSerial"]) as client:
        await client.until_got(300)

        assert client.is_resumed
        assert client.data == texts(300)
