"""
Pieces of the past out of Redis.

What is asked for many attachments goes there in one round trip. A channel of which neither the window nor the client knows
the partition may lie in any: either one of them has it, or the histories of all prove that it said nothing. How far those
go is asked once for all such channels, and before anybody looks for one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.continuity import Gap, gaps_after
from gateway.core.life import SCATTERED
from gateway.core.replay import Replay
from gateway.core.serial import Front
from gateway.core.window import Window
from gateway.errors import ContinuityLost, HistoryUnproven, StoreUnavailable
from gateway.store.history import HistoryEntry, HistoryStore
from gateway.store.history_keys import HistoryPlace

PAGE_MESSAGES = 100  # what most lack is less
AWAY_SECONDS = 1.0  # for so long Redis is not asked again after it did not answer


class Found(NamedTuple):
    """
    What a partition's history has of a channel, see `core.replaying.feed`.

    Args:
        is_home: Whether it has anything of the channel, or is known to be where it lies.
        is_whole: Whether there is no more.
    """

    partition: int
    entries: Sequence[HistoryEntry]
    next_offset: int
    is_home: bool
    is_whole: bool


class HistoryReading:
    """
    Reads histories for replays.

    Args:
        store: Where they are.
        window: Knows where channels lie.
    """

    def __init__(self, store: HistoryStore, window: Window) -> None:
        self._store = store
        self._window = window
        self._away_until = 0.0

    async def find_all(self, replays: Sequence[Replay]) -> list[list[Found] | ContinuityLost | StoreUnavailable]:
        """What there is for each, after its position; by partition where its partition is not known."""
        return await asyncio.gather(*(self._try(replay) for replay in replays))

    async def _try(self, replay: Replay) -> list[Found] | ContinuityLost | StoreUnavailable:
        if time.monotonic() < self._away_until:
            return StoreUnavailable("Redis does not answer")
        try:
            return await self._find(replay)
        except StoreUnavailable as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            return error
        except ContinuityLost as error:
            return error

    async def _find(self, replay: Replay) -> list[Found]:
        attachment, position = replay.attachment, replay.position
        topic, channel = attachment.topic, attachment.channel
        gaps = gaps_after(self._window, topic, channel, position)
        if isinstance(position, Front) and self._window.partition_of(topic, channel) is None:
            return await self._search(replay, position, gaps)
        return [await self._read(replay, gap.partition, gap.next_offset) for gap in gaps]

    async def _search(self, replay: Replay, front: Front, gaps: Sequence[Gap]) -> list[Found]:
        topic, channel = replay.attachment.topic, replay.attachment.channel
        places = [HistoryPlace(topic, gap.partition, front.generation) for gap in gaps]
        spans = await asyncio.gather(*(self._store.span(place, channel) for place in places))
        homes = await self._store.find(topic, front.generation, len(front.next_offsets), channel)
        if len(homes) > 1:
            raise ContinuityLost(SCATTERED)
        if homes:
            return [await self._read(replay, homes[0], front.next_offsets[homes[0]])]
        if any(gap.next_offset < span.least for gap, span in zip(gaps, spans, strict=True)):
            raise HistoryUnproven("young")
        return [
            Found(gap.partition, (), max(span.next_offset, gap.next_offset), is_home=False, is_whole=True)
            for gap, span in zip(gaps, spans, strict=True)
        ]

    async def _read(self, replay: Replay, partition: int, next_offset: int) -> Found:
        attachment = replay.attachment
        place = HistoryPlace(attachment.topic, partition, replay.position.generation)
        page = await self._store.read(place, attachment.channel, next_offset - 1, PAGE_MESSAGES)
        return Found(partition, page.entries, page.next_offset, is_home=True, is_whole=page.is_whole)
