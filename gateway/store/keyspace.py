"""
Walking over Redis' keys, for what is asked so rarely that no table is worth its upkeep.

SCAN visits what was there all the time at least once, and what came or went meanwhile perhaps. Of a cluster one primary
after the other is visited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import RedisCluster

from gateway.errors import BadParameter
from gateway.store.redis import Line

COUNT = 1000  # keys that Redis looks at in one go: a millisecond
LOOKS = 50
_AFTER = re.compile(r"([0-9]{1,4})\.([0-9]{1,20})", re.ASCII)


class KeyPage(NamedTuple):
    """Some keys. *after*: where the next page begins; None: there is none."""

    keys: list[bytes]
    after: str | None


class Keyspace:
    """
    All keys of a Redis or of a cluster.

    Args:
        line: To it.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    async def page(self, pattern: str, after: str, limit: int) -> KeyPage:
        """
        Some keys that fit *pattern*, in no order.

        Args:
            pattern: As of Redis' KEYS.
            after: `KeyPage.after` of the page before; empty: from the beginning.
            limit: With so many keys, or more, the page ends; also after 50,000 keys of whatever kind.

        Raises:
            BadParameter: If *after* is no such text.
            StoreUnavailable: If Redis does not answer in time.
        """
        match = _AFTER.fullmatch(after or "0.0")
        if match is None:
            raise BadParameter("this page does not exist; begin without one")
        nodes = await self._nodes()
        number, cursor = int(match[1]), int(match[2])
        found: list[bytes] = []
        for _ in range(LOOKS):
            if number >= len(nodes) or len(found) >= limit:
                break
            cursor, keys = await self._scan(cursor, pattern, nodes[number])
            found += keys
            number += not cursor
        return KeyPage(found, f"{number}.{cursor}" if number < len(nodes) else None)

    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """
        What plain keys hold.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        pipeline = self._line.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.get(key)
        return cast("list[bytes | None]", await self._line.ask(pipeline.execute())) if keys else []

    async def _nodes(self) -> list[Any]:
        redis = self._line.redis
        if not isinstance(redis, RedisCluster):
            return [None]
        await self._line.ask(redis.initialize())
        return sorted(redis.get_primaries(), key=lambda node: str(node.name))

    async def _scan(self, cursor: int, pattern: str, node: Any) -> tuple[int, list[bytes]]:
        redis: Any = self._line.redis  # whose SCAN answers otherwise on a cluster
        if node is None:
            at, keys = await self._line.ask(redis.scan(cursor, pattern, COUNT))
            return int(at), keys
        cursors, keys = await self._line.ask(redis.scan(cursor, pattern, COUNT, target_nodes=node))
        return int(cursors[node.name]), keys
