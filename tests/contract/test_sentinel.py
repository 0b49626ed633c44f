"""What stores promise behind sentinels: the primary dies, its replica is made primary, and they go on."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.look_ups import Kept
from gateway.errors import StoreUnavailable
from gateway.settings import CursorSettings, RedisSettings
from gateway.store.connections import ConnectionRecord, ConnectionStore
from gateway.store.cursors import CursorPlace, CursorStore
from gateway.store.redis import Line, connect, disconnect
from tests.testbed.redis import RedisPair

TIMEOUT_SECONDS = 2.0
DEADLINE_SECONDS = 60.0
RECORD = ConnectionRecord("connection-1", "alice", "bank")
PLACE = CursorPlace("bank", "alice", "phone-7", "account:1")
SERIAL = "k7f2m0qa-00003-0000000000000017"


@pytest.mark.parametrize("trouble", ["kill", "freeze"])
async def test_stores_go_on_with_the_replica(redis_pair: RedisPair, trouble: str) -> None:
    """What it was told is there; meanwhile Redis counts as away. The sentinel that is asked first stands still."""
    redis_pair.sentinels[0].freeze()
    redis = connect(RedisSettings(url=redis_pair.url, timeout_seconds=TIMEOUT_SECONDS))
    connections = ConnectionStore(redis, TIMEOUT_SECONDS)
    cursors = CursorStore(redis, TIMEOUT_SECONDS, CursorSettings())
    await connections.save_many([("key-1", RECORD)], 600)
    await cursors.save_many([(PLACE, SERIAL)], "owner-1")
    await asyncio.to_thread(redis_pair.wait_for_replica)

    getattr(redis_pair.primary, trouble)()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                found = await cursors.find_many([(PLACE, "")], "owner-2")
                break
            except StoreUnavailable:
                await asyncio.sleep(0.1)

    assert found == [Kept(SERIAL)]
    assert await connections.find("key-1") == RECORD
    assert "role:master" in redis_pair.replica.command("INFO replication")
    await disconnect(redis)


async def test_a_primary_that_comes_back_as_a_replica_is_not_written_to(redis_pair: RedisPair) -> None:
    """Sentinels swap the two while both live: connections to the old one are given up at its first refusal."""
    redis = connect(RedisSettings(url=redis_pair.url, timeout_seconds=TIMEOUT_SECONDS))
    cursors = CursorStore(redis, TIMEOUT_SECONDS, CursorSettings())
    await cursors.save_many([(PLACE, SERIAL)], "owner-1")
    await asyncio.to_thread(redis_pair.wait_for_replica)

    assert redis_pair.sentinels[0].command(f"SENTINEL FAILOVER {redis_pair.SERVICE}") == "+OK"
    await asyncio.to_thread(redis_pair.wait_for_demotion)

    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await cursors.save_many([(PLACE, SERIAL)], "owner-1")
                break
            except StoreUnavailable:
                await asyncio.sleep(0.1)
    assert await cursors.find_many([(PLACE, "")], "owner-2") == [Kept(SERIAL)]
    await disconnect(redis)


async def test_sentinels_that_are_away_are_said_within_the_deadline() -> None:
    """As a Redis that is away."""
    redis = connect(RedisSettings(url="redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", timeout_seconds=TIMEOUT_SECONDS))

    with pytest.raises(StoreUnavailable):
        await Line(redis, TIMEOUT_SECONDS).check()

    await disconnect(redis)
