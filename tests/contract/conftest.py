"""Redis of each kind that the stores are for."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from fakeredis import TcpFakeServer
from redis.asyncio import RedisCluster as RedisClusterClient

from gateway.settings import RedisSettings
from gateway.store.redis import Client, connect

TIMEOUT_SECONDS = 30.0  # for a machine that others keep busy; what is tried with a deadline has one of its own


@pytest.fixture(scope="session")
def embedded_redis_url() -> Iterator[str]:
    """The Redis of `lastmile dev`, as an address."""
    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["embedded_redis_url", "redis_url", "redis_cluster_url"], ids=["embedded", "redis", "cluster"])
def any_redis_url(request: pytest.FixtureRequest) -> str:
    """The address of each kind, in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def redis(any_redis_url: str) -> AsyncIterator[Client]:
    """An empty Redis."""
    redis = connect(RedisSettings(url=any_redis_url, timeout_seconds=TIMEOUT_SECONDS))
    await redis.flushdb()
    yield redis
    await redis.aclose()


async def names_of(redis: Client) -> list[bytes]:
    """All keys, of all nodes."""
    if isinstance(redis, RedisClusterClient):
        return await redis.keys(target_nodes=RedisClusterClient.PRIMARIES)
    return await redis.keys()
