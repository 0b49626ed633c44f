"""
What all edges together have used of the limits that they share, and who is given what is left.

Every limit is a Redis key of its own that ends by itself once it is full again. The keys of one shard have a hash tag in common,
so that one run of a script settles many of them, on a cluster too: whatever the load, one exchange is at most SHARDS + 1
commands.

Clients' names are personal data; Redis holds a digest.

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from gateway.core.shared_limits import Ask
from gateway.errors import StoreUnavailable
from gateway.store.redis import Client, Line
from gateway.store.script import Call, load_script, run_scripts

PREFIX = "lastmile:limit:"
EDGES = "lastmile:limits:edges"
SHARDS = 16
_attend = load_script("attendance")
_settle = load_script("limits_settle")


class LimitStore:
    """
    The limits of all edges.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every call.
        lease_seconds: How long an edge counts after it was last heard of.
    """

    def __init__(self, redis: Client, timeout_seconds: float, lease_seconds: float) -> None:
        self._line = Line(redis, timeout_seconds)
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._member = secrets.token_hex(8)

    async def settle(self, asks: Sequence[Ask]) -> tuple[int, list[float]]:
        """
        Say that this edge is there, what it has used, and what it would like to have.

        Returns:
            How many edges there are, and what was given for each of *asks*.

        Raises:
            StoreUnavailable: If Redis does not answer in time, or refuses.
        """
        shards: dict[int, list[int]] = {}
        names = [_name(ask.key) for ask in asks]
        for index, (shard, _) in enumerate(names):
            shards.setdefault(shard, []).append(index)
        calls = [Call(_attend, [EDGES], [self._member, self._lease_ms])]
        for indexes in shards.values():
            arguments = [argument for index in indexes for argument in _arguments(asks[index])]
            calls.append(Call(_settle, [names[index][1] for index in indexes], arguments))
        answers = await run_scripts(self._line, calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise StoreUnavailable("Redis refused to settle limits") from answer
        given = [0.0] * len(asks)
        for indexes, grants in zip(shards.values(), answers[1:], strict=True):
            for index, grant in zip(indexes, grants, strict=True):
                given[index] = float(grant)
        return int(answers[0]), given

    async def leave(self) -> None:
        """
        Say that this edge is there no longer.

        Raises:
            StoreUnavailable: If Redis does not answer in time; it counts as gone after its lease then.
        """
        await self._line.ask(self._line.redis.zrem(EDGES, self._member))

    async def close(self) -> None:
        """End everything that is under way, and the line to Redis."""
        await self._line.close()


def _name(key: str) -> tuple[int, str]:
    """Shard and name in Redis."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    shard = int(digest[:8], 16) % SHARDS
    return shard, f"{PREFIX}{{{shard}}}:{digest[:32]}"


def _arguments(ask: Ask) -> list[str]:
    rate = ask.rate
    return [repr(float(number)) for number in (rate.per_second, rate.burst, ask.used, ask.wanted)]
