"""The parts that the demo brings along: real listeners, so that the edge needs no other code for them."""

from __future__ import annotations

from redis.asyncio import Redis

from gateway.dev.embedded import embedded_redis


async def test_redis_speaks_what_the_store_needs() -> None:
    """Scripts, streams with given ids, and expiry, over a socket."""
    with embedded_redis() as url:
        redis = Redis.from_url(url)
        await redis.set("key", "value", px=60_000)
        told = await redis.eval("return redis.call('PTTL', KEYS[1])", 1, "key")
        await redis.xadd("stream", {"field": "value"}, id="7-1")
        entries = await redis.xrange("stream")
        await redis.aclose()

    assert 0 < told <= 60_000
    assert entries == [(b"7-1", {b"field": b"value"})]


async def test_two_of_them_know_nothing_of_each_other() -> None:
    """Two demos on one machine are two banks."""
    with embedded_redis() as first_url, embedded_redis() as second_url:
        first, second = Redis.from_url(first_url), Redis.from_url(second_url)
        await first.set("key", "value")
        found = await second.get("key")
        await first.aclose()
        await second.aclose()

    assert first_url != second_url
    assert found is None
