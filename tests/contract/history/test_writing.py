"""How a history is written: once, by one, in whole steps."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.history import HistoryStore
from gateway.store.history_writer import HistoryWriter, Step
from gateway.store.redis import Client
from tests.contract.conftest import TIMEOUT_SECONDS, names_of
from tests.contract.history.steps import (
    LEASE_SECONDS,
    PLACE,
    RETENTION,
    begin,
    dump,
    offsets,
    reason_of,
    retention_of,
    step,
    write,
)


async def test_a_step_may_be_repeated(store: HistoryStore, writer: HistoryWriter, redis: Client) -> None:
    """Nothing is there twice: not after an answer that was lost, nor after a history that was begun over what is there."""
    await begin(writer)
    await write(writer, step(0, 5, ["account:1", "account:2"]))

    assert await write(writer, step(0, 5, ["account:1", "account:2"])) == ["elsewhere"]
    (state,) = [name for name in await names_of(redis) if name.endswith(b":state")]
    await redis.delete(state)
    assert (await writer.begin(PLACE, 0, expected=None)).kind == "written"
    assert await write(writer, step(0, 7, ["account:1", "account:2"])) == ["written"]

    assert await offsets(store, -1) == [0, 2, 4, 6]
    assert await offsets(store, -1, "account:2") == [1, 3, 5]


async def test_steps_of_one_round_trip_follow_each_other(store: HistoryStore, writer: HistoryWriter) -> None:
    """Of one partition in their order; if one is not taken, the following are not either."""
    await begin(writer)

    assert await write(writer, step(0, 3), step(3, 5), step(9, 12), step(5, 6)) == [
        "written",
        "written",
        "elsewhere",
        "written",
    ]

    assert await offsets(store, 0) == [1, 2, 3, 4, 5]


async def test_a_step_without_messages_goes_on_too(store: HistoryStore, writer: HistoryWriter) -> None:
    """Poison, aborted transactions, compaction: there was nothing."""
    await begin(writer)

    await write(writer, Step(PLACE, 0, 40, []))

    assert (await store.read(PLACE, "account:1", 39, 10)).next_offset == 40


async def test_one_has_the_lease_and_the_others_wait(writer: HistoryWriter, redis: Client) -> None:
    """Until it is given back."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 5))

    assert await other.take(PLACE) == (False, None)
    assert await writer.take(PLACE) == (True, 5)
    await writer.release(PLACE)
    assert await other.take(PLACE) == (True, 5)


async def test_who_has_lost_the_lease_writes_nothing(store: HistoryStore, writer: HistoryWriter, redis: Client) -> None:
    """However late its step arrives, and though it would be the next one."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 3))
    await writer.release(PLACE)
    await other.take(PLACE)
    before = await dump(redis)

    assert await write(writer, step(3, 5)) == ["fenced"]
    assert (await writer.begin(PLACE, 4, expected=3)).kind == "fenced"
    await writer.drop(PLACE)
    await writer.release(PLACE)

    assert await dump(redis) == before
    assert await other.take(PLACE) == (True, 3)
    assert await offsets(store, -1) == [0, 1, 2]


async def test_who_had_the_lease_before_redis_forgot_it_has_it_no_longer(writer: HistoryWriter, redis: Client) -> None:
    """Nor does a new holder get the old one's token."""
    await begin(writer)
    await redis.flushdb()
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)

    assert await write(writer, step(0, 3)) == ["fenced"]
    await begin(other)
    assert await write(writer, step(0, 3)) == ["fenced"]


async def test_a_lease_ends_by_itself(writer: HistoryWriter, redis: Client) -> None:
    """Its holder may be dead."""
    short = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, 0.05)
    short.token = writer.token
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    assert not (await other.take(PLACE))[0]

    await write(short, Step(PLACE, 0, 0, []))

    async with asyncio.timeout(5):
        while not (await other.take(PLACE))[0]:
            await asyncio.sleep(0.01)


async def test_a_step_keeps_the_lease(redis: Client) -> None:
    """Also one without messages."""
    short, long = [HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, seconds) for seconds in (5.0, 500.0)]
    long.token = short.token
    await begin(short)

    await write(long, Step(PLACE, 0, 0, []))

    (lease,) = [name for name in await names_of(redis) if name.endswith(b":lease")]
    assert await redis.pttl(lease) > 400_000


async def test_a_history_is_begun_anew_only_as_expected(store: HistoryStore, writer: HistoryWriter) -> None:
    """What was before proves nothing then; what is there stays unread."""
    await begin(writer)
    await write(writer, step(0, 5))

    assert (await writer.begin(PLACE, 90, expected=4)) == ("elsewhere", 5, None)
    assert (await writer.begin(PLACE, 90, expected=5)).kind == "written"
    await write(writer, step(90, 92))

    assert await reason_of(store, 4) == "young"
    assert await offsets(store, 89) == [90, 91]


async def test_a_dropped_history_proves_nothing(store: HistoryStore, writer: HistoryWriter) -> None:
    """Whoever writes it begins anew."""
    await begin(writer)
    await write(writer, step(0, 5))

    await writer.drop(PLACE)

    assert await reason_of(store, 4) == "missing"
    assert await write(writer, step(5, 6)) == ["missing"]


async def test_everything_expires(writer: HistoryWriter, redis: Client) -> None:
    """A history that nobody writes any more leaves nothing behind."""
    await begin(writer)
    await writer.attend()
    await write(writer, step(0, 5, ["account:1", "account:2"]))

    names = await names_of(redis)

    assert len(names) == 5
    assert all([0 < await redis.pttl(name) < 2 * 86_400_000 for name in names])


async def test_those_who_write_know_how_many_they_are(writer: HistoryWriter, redis: Client) -> None:
    """Each counts those that were heard of, with the same rules."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    stranger = HistoryWriter(redis, TIMEOUT_SECONDS, retention_of(key="x{rest}"), LEASE_SECONDS)

    assert await writer.attend() == 1
    assert await other.attend() == 2
    assert await writer.attend() == 2
    assert await stranger.attend() == 1
    await writer.leave()
    assert await other.attend() == 1


@pytest.mark.parametrize("any_redis_url", ["redis_url", "redis_cluster_url"], ids=["redis", "cluster"], indirect=True)
async def test_a_redis_that_forgot_its_scripts_gets_them_again(
    store: HistoryStore, writer: HistoryWriter, redis: Client
) -> None:
    """SCRIPT FLUSH, or a restart; fakeredis answers nobody any more after that."""
    await begin(writer)
    await redis.script_flush()

    assert await write(writer, step(0, 2), step(2, 3)) == ["written", "written"]
    await redis.script_flush()
    assert await offsets(store, -1) == [0, 1, 2]
