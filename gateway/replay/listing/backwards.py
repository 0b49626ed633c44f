"""
Pages of what came before the window, newest first.

    window ◀── Kafka, what the history has not got yet ◀── history ◀── its end
    window ◀── Kafka, where there is no history ◀── as far back as the namespace keeps
"""

from __future__ import annotations

from gateway.errors import HistoryUnproven, NotInTime, PositionExpired
from gateway.replay.listing.excerpts import Excerpt
from gateway.replay.listing.log import FIRST_PIECE, LAST_PIECE, Log
from gateway.replay.listing.walk import Home, Walk
from gateway.store.history import HistoryStore

PAGE_MESSAGES = 500
ATTEMPTS = 3  # retention may overtake a reading, but hardly twice


class Backwards:
    """
    Reads them.

    Args:
        store: Histories in Redis.
        log: Kafka.
    """

    def __init__(self, store: HistoryStore, log: Log) -> None:
        self._store = store
        self._log = log

    async def read(self, walk: Walk, home: Home, below: int) -> None:
        """
        Offer the page what a channel got before an offset.

        Raises:
            ContinuityLost: If the topic is another one by now.
            BackendFault: If Redis or Kafka does not answer, or not in time.
        """
        while True:
            try:
                page = await self._store.newest(
                    home.place, home.channel, min(PAGE_MESSAGES, walk.taking.lacking), before_offset=below
                )
            except HistoryUnproven:
                await self.read_log(walk, home, 0, below)
                return
            if page.next_offset < below and not await self.read_log(walk, home, page.next_offset, below):
                return
            entries = [home.entry(entry.offset, entry.message) for entry in page.entries]
            for entry in entries:
                if not walk.taking.offer(entry):
                    return
                below = entry.offset
            if page.older != "more":
                walk.note_end(page.older, entries[-1] if entries else None)
                return

    async def read_log(self, walk: Walk, home: Home, low: int, below: int) -> bool:
        """
        Offer the page what Kafka has of a channel between two offsets.

        Returns:
            Whether all of it was looked at, and more may come before it.
        """
        span = await self._log.span(walk, home)
        attempts, began_ms, size = ATTEMPTS, None, FIRST_PIECE
        while span is not None and below > (least := max(low, span.low)):
            if walk.records_left <= 0:
                walk.taking.stop()
                return False
            begin = max(least, below - min(size, walk.records_left))
            try:
                excerpt = await self._log.piece(walk, home, begin, below, span)
            except PositionExpired:
                attempts -= 1
                if not attempts:
                    raise NotInTime("what is asked for is being deleted meanwhile; ask again") from None
                span = await self._log.span(walk, home)
                continue
            if not _offer(walk, excerpt):
                return False
            below = excerpt.entries[0].offset if excerpt.is_cut else begin
            walk.taking.reached = home.position(below)
            began_ms, size = excerpt.began_ms, min(2 * size, LAST_PIECE)
        if span is None:
            return False
        is_end = low == 0 or span.low > low
        if is_end and (since := span.whole_since(began_ms)) is not None:
            walk.whole_since = since
        return not is_end


def _offer(walk: Walk, excerpt: Excerpt) -> bool:
    return all(walk.taking.offer(entry) for entry in reversed(excerpt.entries))
