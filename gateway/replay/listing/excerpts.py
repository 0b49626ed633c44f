"""
Short pieces of partitions out of Kafka, for pages of the past.

    waiting ──▶ one reading of all pieces of a partition that overlap ──▶ each gets its channel's messages

Pieces are short, so who comes while one is read waits for the next reading; clients who page through the same past are
read for together. One reading at a time: those who come back to a channel have passes of their own, and go first.

What was published twice is told by its id, which is only known once the first one was read. So some records before a
piece are read too, and are shown to nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gateway.core.duplicates import REMEMBERED_OF_THE_PAST, Duplicates
from gateway.core.entry import Entry
from gateway.core.history import PAGE_BYTES
from gateway.core.message import Message
from gateway.errors import ContinuityLost, KafkaUnavailable, NotInTime, PositionExpired
from gateway.metrics.counts import Counts
from gateway.replay.queue import Share
from gateway.replay.records import entry_of
from gateway.replay.tiers import Tiers
from gateway.store.history_keys import HistoryPlace
from gateway.stream.scan import PastGone, Scan

_log = logging.getLogger("gateway.listing")
LEAD_RECORDS = 2000
MAX_TOGETHER = 40_000  # records of one reading
MAX_WAITING = 1000
RETRY_SECONDS = 0.5
GONE = "what comes next is no longer kept; begin anew"


class Wish(NamedTuple):
    """
    A piece of a partition that somebody wants to see.

    Args:
        place: The partition, in the life of its topic.
        begin: The first offset.
        end: The one after the last.
        log_begin: Where the log begins; nothing is read before that.
        limit: Of messages.
        is_newest_first: Which of them count if there are more.
        wants: Whether a message counts at all.
    """

    place: HistoryPlace
    channel: str
    begin: int
    end: int
    log_begin: int
    limit: int
    is_newest_first: bool
    wants: Callable[[Message], bool]


class Excerpt:
    """
    What was found.

    *entries*: in order. *is_cut*: there were more; with the newest first, before these, else after them. *began_ms*: when
    the first record was written that was read for it.
    """

    __slots__ = ("_size_bytes", "began_ms", "done", "entries", "is_cut", "wish")

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.entries: deque[Entry] = deque()
        self.is_cut = False
        self.began_ms: int | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._size_bytes = 0

    def take(self, entry: Entry) -> None:
        """The next message of the channel."""
        wish = self.wish
        if not wish.begin <= entry.offset < wish.end or not wish.wants(entry.message):
            return
        if not wish.is_newest_first and self._is_full:
            self.is_cut = True
            return
        self.entries.append(entry)
        self._size_bytes += entry.size_bytes
        while wish.is_newest_first and self._is_over_full:
            self._size_bytes -= self.entries.popleft().size_bytes
            self.is_cut = True

    @property
    def _is_full(self) -> bool:
        return len(self.entries) >= self.wish.limit or self._size_bytes >= PAGE_BYTES

    @property
    def _is_over_full(self) -> bool:
        return len(self.entries) > self.wish.limit or (self._size_bytes > PAGE_BYTES and len(self.entries) > 1)


class Excerpts:
    """
    Reads them.

    Args:
        tiers: How Kafka is read, and what its records mean.
        counts: What the metrics show.
    """

    def __init__(self, tiers: Tiers, counts: Counts) -> None:
        self._tiers = tiers
        self._counts = counts
        self._waiting: list[Excerpt] = []
        self._asked = asyncio.Event()

    async def read(self, wish: Wish) -> Excerpt:
        """
        Read a piece, together with whatever else is to be read there.

        Raises:
            PositionExpired: If its records were deleted.
            ContinuityLost: If the topic is not what it was.
            KafkaUnavailable: If Kafka does not answer.
            NotInTime: If too much is to be read for others.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise NotInTime("too many ask for the past of channels at once; ask again")
        excerpt = Excerpt(wish)
        self._waiting.append(excerpt)
        self._asked.set()
        try:
            await excerpt.done
        finally:
            if excerpt in self._waiting:
                self._waiting.remove(excerpt)
        return excerpt

    async def run(self) -> None:
        """Read for ever."""
        scan = Scan(self._tiers.kafka)
        try:
            while True:
                while not self._waiting:
                    self._asked.clear()
                    await self._asked.wait()
                await self._answer(scan, self._take_together())
        finally:
            await scan.stop()

    def _take_together(self) -> list[Excerpt]:
        """The first one, and the others of its partition that overlap it."""
        first, *others = self._waiting
        together, begin, end = {first: None}, first.wish.begin, first.wish.end
        for other in others:
            wish = other.wish
            if wish.place != first.wish.place or wish.begin > end or wish.end < begin:
                continue
            if max(end, wish.end) - min(begin, wish.begin) <= MAX_TOGETHER:
                together[other] = None
                begin, end = min(begin, wish.begin), max(end, wish.end)
        self._waiting = [excerpt for excerpt in self._waiting if excerpt not in together]
        return list(together)

    async def _answer(self, scan: Scan, together: Sequence[Excerpt]) -> None:
        error: Exception | None = None
        try:
            await self._read(scan, together)
        except PastGone:
            error = PositionExpired(GONE)
        except ContinuityLost as lost:
            error = lost
        except KafkaUnavailable as away:
            error = away
            _log.warning("Kafka is away, its past is shown when it is back", extra={"error": away.message})
            await scan.stop()
        for excerpt in together:
            if excerpt.done.done():
                continue
            if error is None:
                excerpt.done.set_result(None)
            else:
                excerpt.done.set_exception(error)
        if isinstance(error, KafkaUnavailable):
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, scan: Scan, together: Sequence[Excerpt]) -> None:
        place = together[0].wish.place
        await self._tiers.past.check(place.topic, place.generation)
        begin = min(excerpt.wish.begin for excerpt in together)
        end = max(excerpt.wish.end for excerpt in together)
        at = max(begin - LEAD_RECORDS, min(begin, max(excerpt.wish.log_begin for excerpt in together)))
        await scan.begin((place.topic, place.partition), at)
        reading = _Reading(self._tiers, place.generation, together)
        self._counts.scans += 1
        share = Share()
        while at < end and not all(excerpt.done.done() for excerpt in together):
            piece = await scan.read()
            for record in piece.records:
                if record.offset < end:
                    reading.show(record)
                    await share.spend()
            self._counts.scanned_records += len(piece.records)
            at = piece.next_offset
        scan.rest()


class _Reading:
    """Tells whose records are."""

    __slots__ = ("_channels", "_duplicates", "_generation", "_interpreter", "_not_begun")

    def __init__(self, tiers: Tiers, generation: str, together: Sequence[Excerpt]) -> None:
        self._interpreter = tiers.interpreter
        self._generation = generation
        self._not_begun = deque(sorted(together, key=lambda excerpt: excerpt.wish.begin))
        self._duplicates = Duplicates(REMEMBERED_OF_THE_PAST)
        self._channels: dict[bytes, tuple[str, list[Excerpt]]] = {}
        for excerpt in together:
            channel = excerpt.wish.channel
            source = tiers.router.source_of(channel)
            if source is not None:
                self._channels.setdefault(source.key.encode(), (channel, []))[1].append(excerpt)

    def show(self, record: Any) -> None:
        """The next record."""
        while self._not_begun and record.offset >= self._not_begun[0].wish.begin:
            self._not_begun.popleft().began_ms = record.timestamp
        found = self._channels.get(record.key)
        if found is None:
            return
        channel, excerpts = found
        entry = entry_of(self._interpreter, self._duplicates, self._generation, record, channel)
        if entry is not None:
            for excerpt in excerpts:
                excerpt.take(entry)
