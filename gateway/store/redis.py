"""
The line to Redis: everything asked on it has a deadline, and its library's exceptions stop here.

A redis-py command must not be cancelled while it is under way: its connection would go back to the pool with the answer
still to come, and the next command would take that for its own. So a caller that has waited long enough, or is itself
cancelled, leaves the command to end by the timeouts of its socket.

A cluster is another class of redis-py, with traps: each command names keys of one slot, and on its pipelines the methods of
commands that may name several keys (`unlink`, `exists`) are coroutines, so those go by `execute_command`.

Sentinels are asked where the primary is whenever a connection to it is made. Until they have agreed on a new one, commands
fail; connections that still hold on to one that is a replica now are given up by the library at its first refusal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings

MAX_CONNECTIONS = 32
CLUSTER_CONNECTIONS = 64  # to each node; who finds none free is refused at once, not made to wait
SENTINEL_PORT = 26379
Client = Redis | RedisCluster
_CLOSED = "the handler is closed"  # how uvloop says, by a RuntimeError, that a socket broke before it was written to
_T = TypeVar("_T")


class _PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whichever Redis is the primary, for which one waits."""


def connect(settings: RedisSettings) -> Client:
    """
    Prepare to talk to Redis; nothing is sent before the first command. One is enough for all that a process asks.

    A connection that turns out to be dead is replaced once, which is what a restart of Redis needs; all commands of
    ours may be sent twice.
    """
    arguments: dict[str, Any] = {
        "socket_timeout": settings.timeout_seconds,
        "socket_connect_timeout": settings.timeout_seconds,
        "retry": Retry(NoBackoff(), 1),
        "client_name": "lastmile",
        "protocol": 2,
        **_password(settings),
    }
    urls = settings.node_urls()
    if settings.is_cluster:
        nodes = [ClusterNode(node["host"], node.get("port", 6379)) for node in map(parse_url, urls[1:])]
        return RedisCluster.from_url(urls[0], startup_nodes=nodes, max_connections=CLUSTER_CONNECTIONS, **arguments)
    waiting = {"max_connections": MAX_CONNECTIONS, "timeout": settings.timeout_seconds}
    if settings.service is not None:
        return _connect_to_primary(settings, settings.service, arguments | waiting)
    return Redis.from_pool(BlockingConnectionPool.from_url(urls[0], **waiting, **arguments))


def _connect_to_primary(settings: RedisSettings, service: str, arguments: dict[str, Any]) -> Redis:
    nodes = [dict(parse_url(url)) for url in settings.node_urls()]
    sentinels = [(node.pop("host"), node.pop("port", SENTINEL_PORT)) for node in nodes]
    chosen = nodes[0]  # user, database and whatever the query says are the same for all
    tls = {} if chosen.pop("connection_class", None) is None else {"ssl": True}
    each_seconds = settings.timeout_seconds / len(sentinels)  # one that does not answer leaves time for the others
    asking: dict[str, Any] = {
        "socket_timeout": each_seconds,
        "socket_connect_timeout": each_seconds,
        "protocol": 2,
        **tls,
    }
    sentinel_password = settings.read_sentinel_password()
    if sentinel_password is not None:
        asking["password"] = sentinel_password
    asking["retry"] = Retry(NoBackoff(), 0)
    sentinel = Sentinel(sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return Redis.from_pool(_PrimaryPool(service, sentinel, **chosen, **tls, **arguments))  # type: ignore[no-untyped-call]


async def disconnect(redis: Client) -> None:
    """Close all connections. Whoever asks on them, by `Line`s, has ended that before."""
    await redis.aclose()
    pool = getattr(redis, "connection_pool", None)  # a cluster has none
    if isinstance(pool, _PrimaryPool):
        await pool.sentinel_manager.aclose()


def _password(settings: RedisSettings) -> dict[str, str]:
    password = settings.read_password()
    return {} if password is None else {"password": password}


class Script(NamedTuple):
    """A script that runs inside Redis, and the digest by which Redis knows it."""

    text: str
    digest: str


class Line:
    """
    Redis with a deadline on every command.

    Args:
        redis: From `connect`, also for several lines; whoever connected disconnects.
        timeout_seconds: The deadline.
    """

    def __init__(self, redis: Client, timeout_seconds: float) -> None:
        self.redis = redis
        self.scripts: set[Script] = set()  # that Redis was given on this line
        self._timeout_seconds = timeout_seconds
        self._under_way: set[asyncio.Future[Any]] = set()  # the loop itself holds tasks only weakly

    async def ask(self, command: Awaitable[_T]) -> _T:
        """
        Await the answer of *command*.

        Raises:
            StoreUnavailable: If Redis refuses or does not answer in time; its cause says which.
        """
        under_way = asyncio.ensure_future(command)
        self._under_way.add(under_way)
        under_way.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.shield(under_way)
        except (RedisError, OSError) as error:
            raise StoreUnavailable("Redis does not answer") from error
        except RuntimeError as error:
            if _CLOSED not in str(error):
                raise
            raise StoreUnavailable("Redis has closed the connection") from error

    async def check(self) -> None:
        """
        See whether Redis is there and lets us in.

        Raises:
            StoreUnavailable: If not.
        """
        await self.ask(self.redis.ping())

    async def close(self) -> None:
        """
        End what is under way; the connections stay, for other lines.

        Before they are closed: a command whose connection is closed under it begins anew on another one, and does not end
        before its socket's deadline.
        """
        under_way = list(self._under_way)
        for command in under_way:
            command.cancel()  # safe here: whoever closes asks nothing more on any line, and disconnects next
        await asyncio.gather(*under_way, return_exceptions=True)

    def _ended(self, command: asyncio.Future[Any]) -> None:
        self._under_way.discard(command)
        if not command.cancelled():
            command.exception()  # seen here, for callers that no longer wait
