"""Histories as they are in Redis, read with the product's own store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.errors import HistoryUnproven, StoreUnavailable
from gateway.settings import Namespace, RedisSettings
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.store.redis import connect, disconnect

DEADLINE_SECONDS = 60.0


class Histories:
    """
    All histories of one topic.

    Args:
        redis_url: Where they are.
        topic: Whose.
        namespaces: As the edges have them.
    """

    def __init__(self, redis_url: str, topic: str, namespaces: Mapping[str, Mapping[str, Any]]) -> None:
        rules = {name: Namespace(**settings) for name, settings in namespaces.items()}
        self._topic = topic
        self._retention = Retention(rules, Router(rules))
        self.redis = connect(RedisSettings(url=redis_url, timeout_seconds=1.0))
        self.store = HistoryStore(self.redis, 1.0, self._retention)

    async def places(self) -> list[HistoryPlace]:
        """Partitions that have a history; of all lives of the topic."""
        everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self.redis, RedisCluster) else {}
        found = await self.redis.keys(f"lastmile:history:{{{self._topic}:*}}:state", **everywhere)
        names = [name.decode().partition("{")[2].partition("}")[0].split(":") for name in found]
        return [HistoryPlace(topic, int(partition), generation) for topic, partition, generation, _ in sorted(names)]

    async def state(self, place: HistoryPlace) -> dict[str, int]:
        """How far the history of a partition goes."""
        name = f"lastmile:history:{{{':'.join(map(str, place))}:{self._retention.fingerprint_of(self._topic)}}}:state"
        return {field.decode(): int(value) for field, value in (await self.redis.hgetall(name)).items()}

    async def values(self, channel: str) -> list[str | bytes | None]:
        """What the history proves that a channel got, over all partitions, from its beginning."""
        values: list[str | bytes | None] = []
        for place in await self.places():
            after = (await self.state(place)).get("floor", 0) - 1
            while True:
                page = await self.store.read(place, channel, after, 100)
                values += [entry.message.data for entry in page.entries]
                if page.is_whole:
                    break
                after = page.next_offset - 1
        return values

    async def write(self, place: HistoryPlace, first: int, values: Sequence[str]) -> None:
        """Be the writer for a moment: messages of account:1, from an offset on."""
        keep = self._retention.keep_of_channel("account:1")
        assert keep is not None
        chapters = [
            Chapter(offset, "account:1", Message(id=str(offset), timestamp=0, data=value), keep)
            for offset, value in enumerate(values, first)
        ]
        writer = HistoryWriter(self.redis, 1.0, self._retention, 1.0)
        assert (await writer.take(place))[0]
        (answer,) = await writer.write([Step(place, first, first + len(values), chapters)])
        assert answer.kind == "written"
        await writer.release(place)

    async def until(self, channel: str, wanted: list[str]) -> None:
        """Wait until a channel's history is just that."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        got: Any = None
        while got != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{channel} has {got}, not {wanted}")
            await asyncio.sleep(0.05)
            try:
                got = await self.values(channel)
            except (HistoryUnproven, StoreUnavailable) as error:
                got = error

    async def until_complete(self, ends: Mapping[int, int]) -> None:
        """Wait until each partition's history goes up to where the partition ends."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                states = {place.partition: await self.state(place) for place in await self.places()}
            except Exception as error:  # noqa: BLE001  # Redis is being killed, frozen or restarted
                states = {-1: {"error": hash(error)}}
            if all(states.get(partition, {}).get("next") == end for partition, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"the histories are {states}, the partitions end at {ends}")
            await asyncio.sleep(0.05)


@pytest.fixture
async def histories() -> AsyncIterator[Callable[..., Histories]]:
    """Look at the histories of a topic: ``histories(redis_url, topic, namespaces)``."""
    made: list[Histories] = []

    def make(redis_url: str, topic: str, namespaces: Mapping[str, Mapping[str, Any]]) -> Histories:
        made.append(Histories(redis_url, topic, namespaces))
        return made[-1]

    yield make
    for one in made:
        await one.store.close()
        await disconnect(one.redis)
