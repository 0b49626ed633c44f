"""A Redis that is away, full, or forgetful."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import RedisCluster

from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings
from gateway.store.history import HistoryStore
from gateway.store.history_writer import HistoryWriter, Step
from gateway.store.redis import Client, connect
from tests.contract.conftest import TIMEOUT_SECONDS
from tests.contract.history.steps import LEASE_SECONDS, PLACE, RETENTION, begin, offsets, reason_of, step, write


async def test_a_redis_that_refuses_is_said_to_all_who_wait() -> None:
    """Nobody waits for a port on which nobody listens."""
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=TIMEOUT_SECONDS))
    store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)

    found = await asyncio.gather(
        *[store.read(PLACE, f"account:{n}", 0, 500) for n in range(40)], return_exceptions=True
    )

    assert {type(one) for one in found} == {StoreUnavailable}
    await redis.aclose()


@pytest.mark.parametrize(
    ("maxmemory", "policy", "is_proven"),
    [
        ("100mb", "allkeys-lru", False),
        ("100mb", "volatile-ttl", False),
        ("100mb", "noeviction", True),
        ("0", "allkeys-lru", True),
    ],
)
async def test_a_redis_that_may_drop_keys_proves_nothing(
    redis_url: str, maxmemory: str, policy: str, is_proven: bool
) -> None:
    """An absent stream would not mean that the channel was quiet."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    await redis.flushdb()
    writer = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    try:
        await redis.config_set("maxmemory", maxmemory)
        await redis.config_set("maxmemory-policy", policy)
        store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)

        assert await writer.eviction.is_evicting() is not is_proven
        if is_proven:
            assert (await store.read(PLACE, "account:1", -1, 9)).is_whole
        else:
            assert await reason_of(store, -1) == "evicting"
    finally:
        await redis.config_set("maxmemory", "0")
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()


@pytest.mark.parametrize("any_redis_url", ["redis_cluster_url"], ids=["cluster"], indirect=True)
async def test_one_node_that_may_drop_keys_is_enough(redis: Client) -> None:
    """Whichever it is."""
    assert isinstance(redis, RedisCluster)
    for node in redis.get_primaries():
        assert not await HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS).eviction.is_evicting()
        await redis.execute_command(
            "CONFIG SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lfu", target_nodes=node
        )
        try:
            assert await HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS).eviction.is_evicting()
        finally:
            await redis.execute_command("CONFIG SET", "maxmemory", "0", target_nodes=node)


async def test_a_full_redis_takes_a_step_whole_or_not_at_all(redis_url: str) -> None:
    """With noeviction it refuses; what it has still proves what it proved."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    await redis.flushdb()
    store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)
    writer = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 3))
    try:
        await redis.config_set("maxmemory", "1")
        assert await write(writer, step(3, 5, ["account:1", "account:9"])) == ["refused"]
        assert await write(writer, Step(PLACE, 3, 9, [])) == ["refused"]
    finally:
        await redis.config_set("maxmemory", "0")

    assert await offsets(store, -1) == [0, 1, 2]
    assert await write(writer, step(3, 4)) == ["written"]
    assert await offsets(store, -1) == [0, 1, 2, 3]
    await redis.aclose()
