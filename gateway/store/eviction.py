"""
Whether Redis may drop keys when it is full.

An absent stream proves that a channel was quiet, unless Redis may have thrown it away to make room. With a `maxmemory` and
a policy other than noeviction nothing that is absent proves anything, so the history is not used then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from gateway.errors import StoreUnavailable
from gateway.store.redis import Client, Line

LOOK_SECONDS = 10.0
UNTOLD = "unknown"
_EMBEDDED = b"fakeredis"  # how the Redis of `lastmile dev` calls itself; it knows no INFO and evicts nothing


class EvictionWatch:
    """
    Looks now and then, when somebody asks; all who ask meanwhile wait for the same look.

    Args:
        line: To Redis.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._look_at = 0.0
        self._is_evicting = True
        self._looking: asyncio.Task[None] | None = None

    async def is_evicting(self) -> bool:
        """
        Whether Redis may drop keys; a Redis that does not say so may.

        Raises:
            StoreUnavailable: If it does not answer in time.
        """
        if time.monotonic() >= self._look_at:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._refresh())
            await asyncio.shield(self._looking)
        return self._is_evicting

    async def _refresh(self) -> None:
        self._is_evicting = await eviction_policy(self._line) is not None
        self._look_at = time.monotonic() + LOOK_SECONDS


async def eviction_policy(line: Line) -> str | None:
    """
    By which policy Redis may drop keys.

    Returns:
        None if it may not; `UNTOLD` if it does not say.

    Raises:
        StoreUnavailable: If it does not answer in time.
    """
    try:
        nodes = await line.ask(_ask_nodes(line.redis))
    except StoreUnavailable as error:
        if isinstance(error.__cause__, ResponseError):  # it answers, and does not tell
            return None if await _is_embedded(line) else UNTOLD
        raise
    policies = [_policy(node) for node in nodes]
    return next((policy for policy in policies if policy is not None), None)


async def _ask_nodes(redis: Client) -> list[Mapping[str, Any]]:
    if isinstance(redis, RedisCluster):
        answers: Mapping[str, Mapping[str, Any]] = await redis.info("memory", target_nodes=RedisCluster.PRIMARIES)
        return list(answers.values())
    return [await redis.info("memory")]


async def _is_embedded(line: Line) -> bool:
    try:
        said: Any = await line.ask(line.redis.execute_command("HELLO"))
    except StoreUnavailable:
        return False
    return isinstance(said, list) and _EMBEDDED in said


def _policy(node: Mapping[str, Any]) -> str | None:
    if "maxmemory" not in node:
        return UNTOLD
    policy = str(node.get("maxmemory_policy", UNTOLD))
    return None if int(node["maxmemory"]) == 0 or policy == "noeviction" else policy
