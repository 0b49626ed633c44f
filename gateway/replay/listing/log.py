"""
Kafka's log for pages of the past: how much of it may be shown, and piece after piece of that.

A log proves what lies in it if it is that of the same life and not compacted. It is shown as far back as the namespace keeps
its history, by Kafka's time index: whatever lies before the first offset of that age is older.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import ContinuityLost
from gateway.replay.listing.excerpts import Excerpt, Excerpts, Wish
from gateway.replay.listing.walk import Home, Walk
from gateway.stream.past import Past

FIRST_PIECE = 1000
LAST_PIECE = 10_000


class LogSpan(NamedTuple):
    """
    What of a partition's log may be shown.

    Args:
        begins_at: Its first offset.
        low: The first one that is young enough; past the end if none is.
        since_ms: How old that is at most.
    """

    begins_at: int
    low: int
    since_ms: int

    def whole_since(self, began_ms: int | None) -> float | None:
        """
        Since when everything is in it, seconds since the epoch.

        Args:
            began_ms: When its first record was written, if it was read.
        """
        if self.low == 0:
            return 0.0
        if self.low > self.begins_at:
            return self.since_ms / 1000
        return None if began_ms is None else began_ms / 1000


class Log:
    """
    Reads it.

    Args:
        past: Knows what Kafka still has.
        excerpts: Reads pieces.
        max_records: 0: Kafka is not read.
    """

    def __init__(self, past: Past, excerpts: Excerpts, max_records: int) -> None:
        self._past = past
        self._excerpts = excerpts
        self._max_records = max_records

    async def span(self, walk: Walk, home: Home) -> LogSpan | None:
        """
        How much of it may be shown; None: nothing in it is proof, or it is not to be read.

        Raises:
            ContinuityLost: If the topic is another one by now.
            KafkaUnavailable: If Kafka does not answer.
        """
        topic, partition, generation = home.place
        if not self._max_records:
            return None
        try:
            await self._past.check(topic, generation)
        except ContinuityLost:
            if walk.window.generation(topic) != generation:
                raise
            return None
        begins_at = (await self._past.beginnings([(topic, partition)]))[topic, partition]
        since_ms = max(walk.kept_since_ms, walk.query.start_ms or 0)
        if not self._past.has_time_index(topic):
            return LogSpan(begins_at, begins_at, since_ms)
        low = (await self._past.offsets_since([(topic, partition)], since_ms))[topic, partition]
        return LogSpan(begins_at, walk.window.next_offset(topic, partition) if low is None else low, since_ms)

    async def piece(self, walk: Walk, home: Home, begin: int, end: int, span: LogSpan) -> Excerpt:
        """
        Read a piece.

        Raises:
            PositionExpired: If its records were deleted.
            ContinuityLost, KafkaUnavailable, NotInTime: See `Excerpts.read`.
        """
        walk.records_left -= end - begin
        wish = Wish(
            home.place,
            home.channel,
            begin,
            end,
            span.begins_at,
            walk.taking.lacking,
            not walk.query.is_forwards,
            walk.taking.wants,
        )
        return await self._excerpts.read(wish)
