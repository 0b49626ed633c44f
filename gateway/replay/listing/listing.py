"""
Pages of the past of channels, out of all that is kept.

    what the window holds ──▶ enough for a page: no wait at all
                          └─▶ else the history in Redis, and Kafka for what the history does not have

A channel of which the window does not know where it lies, and neither the history, may lie in any partition of which the
history has not got everything: these are looked through in Kafka one after the other, from the last to the first. A next
page goes on in the partition that it names, so nothing has to be remembered.

Work for one page is bounded (`core.history`, PAGE_RECORDS), so is how many are made at once, and how long one may take.

Source: PROTOCOL.md section 8.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from gateway.core.continuity import point_at
from gateway.core.history import Page, Query, before, page_of, take_held
from gateway.core.life import SCATTERED
from gateway.core.retention import Retention
from gateway.core.serial import Serial
from gateway.core.window import Window
from gateway.errors import ContinuityLost, HistoryUnproven, NotInTime, PositionExpired
from gateway.metrics.counts import Counts
from gateway.replay.listing.backwards import Backwards
from gateway.replay.listing.excerpts import GONE, Excerpts
from gateway.replay.listing.forwards import Forwards
from gateway.replay.listing.log import Log
from gateway.replay.listing.walk import Home, Walk, end_of
from gateway.replay.tiers import Tiers
from gateway.store.history import HistoryStore

PAGES_AT_ONCE = 64
ANSWER_SECONDS = 8.0


class _Unknown(NamedTuple):
    """A partition in which a channel may lie: what of it must be looked through, as far as the history does not know it."""

    home: Home
    low: int | None


class Listing:
    """
    Makes pages.

    Args:
        window: What was read lately.
        tiers: Where the rest is.
        retention: How much of it is kept.
        max_records: `replay.max_records`; 0: Kafka is not read.
        counts: What the metrics show.
    """

    def __init__(self, window: Window, tiers: Tiers, retention: Retention, max_records: int, counts: Counts) -> None:
        self._window = window
        self._retention = retention
        self._store: HistoryStore = tiers.store
        self._excerpts = Excerpts(tiers, counts)
        log = Log(tiers.past, self._excerpts, max_records)
        self._backwards = Backwards(tiers.store, log)
        self._forwards = Forwards(window, tiers.store, log)
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)

    async def run(self) -> None:
        """Read Kafka for pages, for ever."""
        await self._excerpts.run()

    async def page(self, topic: str, channel: str, query: Query) -> Page:
        """
        One page.

        Raises:
            ContinuityLost: If what lies between this page and the one before it is gone, or a position is of another
                life of the topic, or the order of the channel is unknown.
            BadSerial: If a position is of no partition of this topic, or in the future.
            BackendFault: If Kafka or Redis does not answer, or not in time.
        """
        keep = self._retention.keep_of_channel(channel)
        if keep is None:
            return page_of(self._window, topic, channel, query)
        walk = Walk(self._window, topic, channel, query, time.time_ns() // 1_000_000 - keep.milliseconds)
        for position in query.positions:
            point_at(self._window, topic, channel, position)
        if self._take_held(walk):
            return walk.taking.page(walk.whole_since)
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turns:
                await (self._go_on(walk) if query.is_forwards else self._go_back(walk))
        except TimeoutError:
            raise NotInTime("the past of this channel could not be read in time; ask again") from None
        return walk.taking.page(walk.whole_since)

    def _take_held(self, walk: Walk) -> bool:
        """Take what the window has, if it is its turn. Returns: whether nothing else is needed."""
        query, is_whole = walk.query, walk.whole_since == 0
        if query.is_forwards and query.page is None and not is_whole:
            return False
        try:
            take_held(walk.taking, self._window, walk.topic, walk.channel, query)
        except PositionExpired:
            return False
        return query.is_forwards or is_whole or walk.taking.is_over

    async def _go_back(self, walk: Walk) -> None:
        home = await self._home(walk)
        if home is not None:
            if self._is_in_order(walk, home):
                await self._backwards.read(walk, home, _below(walk, home))
            return
        for home, low in await self._unknown(walk):
            await self._backwards.read_log(walk, home, low or 0, _below(walk, home))
            if walk.taking.is_over or walk.taking.entries:
                return

    async def _go_on(self, walk: Walk) -> None:
        home = await self._home(walk)
        if home is not None:
            if self._is_in_order(walk, home):
                await self._forwards.read(walk, home, _at(walk, home))
            else:
                take_held(walk.taking, self._window, walk.topic, walk.channel, walk.query)
            return
        for home, low in await self._unknown(walk):
            at = _at(walk, home)
            begin = low if at is None else max(at, low or 0)
            await self._forwards.read_log(walk, home, begin, PositionExpired(GONE))
            if walk.taking.is_over or walk.taking.entries:
                return

    async def _home(self, walk: Walk) -> Home | None:
        """Where a channel lies; None if nobody remembers it."""
        partition = self._window.partition_of(walk.topic, walk.channel)
        if partition is None:
            partition = await self._find(walk)
        return None if partition is None else walk.home(partition)

    async def _find(self, walk: Walk) -> int | None:
        """Where a channel lies of which the window knows nothing."""
        if isinstance(walk.query.attached_at, Serial):
            return walk.query.attached_at.partition
        generation = self._window.generation(walk.topic) or ""
        partitions = self._window.partitions(walk.topic)
        found = await self._store.find(walk.topic, generation, partitions, walk.channel)
        if len(found) > 1:
            raise ContinuityLost(SCATTERED)
        return found[0] if found else None

    async def _unknown(self, walk: Walk) -> list[_Unknown]:
        """Where a channel may lie that nobody knows, from the last partition to the first."""
        first, page = self._window.partitions(walk.topic) - 1, walk.query.page
        if isinstance(page, Serial):
            first = page.partition
        homes = [walk.home(partition) for partition in range(first, -1, -1)]
        lows = await asyncio.gather(*(self._written_to(home) for home in homes))
        if all(low is not None for low in lows):
            walk.whole_since = walk.kept_since_ms / 1000
        return [
            _Unknown(home, low)
            for home, low in zip(homes, lows, strict=True)
            if low is None or low < walk.held_from(home)
        ]

    async def _written_to(self, home: Home) -> int | None:
        """How far the history has everything of a partition; None if it has no proof."""
        try:
            return (await self._store.span(home.place, home.channel)).next_offset
        except HistoryUnproven:
            return None

    def _is_in_order(self, walk: Walk, home: Home) -> bool:
        """Whether all messages lie in one partition; of others nothing but what is held can be shown in an order."""
        try:
            point_at(self._window, walk.topic, walk.channel, home.position(walk.held_from(home) - 1))
        except ContinuityLost:
            return False
        return True


def _below(walk: Walk, home: Home) -> int:
    """Where a page backwards goes on, below what is held."""
    partition, query = home.place.partition, walk.query
    page = None if query.page is None else end_of(before(query.page), partition)
    bounds = (walk.held_from(home), page, walk.bound(home))
    return min(bound for bound in bounds if bound is not None)


def _at(walk: Walk, home: Home) -> int | None:
    """Where a page forwards goes on; None: at the beginning."""
    return end_of(walk.query.page, home.place.partition)
