"""
Pages of what came before the window, oldest first, and then the window's.

    the oldest that is kept ──▶ history ──▶ Kafka, what it has not got yet ──▶ window

Who goes on after a page gets what comes next, or hears that it is gone.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.core.entry import Entry
from gateway.core.history import take_held
from gateway.core.window import Window
from gateway.errors import GatewayError, HistoryUnproven, NotInTime, PositionExpired
from gateway.replay.listing.excerpts import GONE
from gateway.replay.listing.log import FIRST_PIECE, LAST_PIECE, Log
from gateway.replay.listing.walk import Home, Walk
from gateway.store.history import HistoryPage, HistoryStore

PAGE_MESSAGES = 500


class Forwards:
    """
    Reads them.

    Args:
        window: Takes over in the end.
        store: Histories in Redis.
        log: Kafka.
    """

    def __init__(self, window: Window, store: HistoryStore, log: Log) -> None:
        self._window = window
        self._store = store
        self._log = log

    async def read(self, walk: Walk, home: Home, at: int | None) -> None:
        """
        Offer the page what a channel got from an offset on.

        Args:
            at: None: from the oldest on that is kept.

        Raises:
            PositionExpired: If what comes next is gone.
            ContinuityLost: If the topic is another one by now.
            BackendFault: If Redis or Kafka does not answer, or not in time.
        """
        while at is None or not self._take_over(walk, home, at):
            try:
                page = await self._page(walk, home, at)
            except HistoryUnproven:
                at = await self.read_log(walk, home, at, PositionExpired(GONE))
            else:
                at = _offer(walk, home, page)
                if at is not None and page.is_whole and at < walk.held_from(home):
                    at = await self.read_log(walk, home, at, NotInTime("the history has not come so far; ask again"))
            if at is None:
                return

    async def read_log(self, walk: Walk, home: Home, at: int | None, otherwise: GatewayError) -> int | None:
        """
        Offer the page what Kafka has of a channel, up to where the window has everything.

        Args:
            at: None: from the oldest on that may be shown.
            otherwise: What to raise if Kafka is not to be read, and the page goes on after another.

        Returns:
            Where that is; None if the page is over, or nothing more is wanted.

        Raises:
            PositionExpired: If what comes next is gone.
            ContinuityLost: If the topic is another one by now.
            BackendFault: If Kafka does not answer, or not in time.
        """
        span = await self._log.span(walk, home)
        if span is None:
            if at is None:
                return walk.held_from(home)
            raise otherwise
        is_beginning = at is None
        at = span.low if at is None else at
        if at < span.begins_at:
            raise PositionExpired(GONE)
        size = FIRST_PIECE
        while at < (until := walk.held_from(home)):
            if walk.records_left <= 0:
                walk.taking.stop()
                return None
            end = min(until, at + min(size, walk.records_left))
            excerpt = await self._log.piece(walk, home, at, end, span)
            if is_beginning and (since := span.whole_since(excerpt.began_ms)) is not None:
                walk.whole_since = since
            if not _take(walk, home, excerpt.entries):
                return None
            at = excerpt.entries[-1].offset + 1 if excerpt.is_cut else end
            walk.taking.reached = home.position(at - 1)
            is_beginning, size = False, min(2 * size, LAST_PIECE)
        return at

    def _take_over(self, walk: Walk, home: Home, at: int) -> bool:
        """Let the window go on, if it has everything from there on; in one step, so that nothing is forgotten between."""
        if at < walk.held_from(home):
            return False
        query = walk.query._replace(page=home.position(at - 1))
        take_held(walk.taking, self._window, walk.topic, walk.channel, query)
        return True

    async def _page(self, walk: Walk, home: Home, at: int | None) -> HistoryPage:
        limit = min(PAGE_MESSAGES, walk.taking.lacking)
        if at is not None:
            return await self._store.read(home.place, home.channel, at - 1, limit)
        entries, next_offset, is_whole, older = await self._store.oldest(home.place, home.channel, limit)
        walk.note_end(older, home.entry(*entries[0]) if entries else None)
        return HistoryPage(entries, next_offset, is_whole)


def _offer(walk: Walk, home: Home, page: HistoryPage) -> int | None:
    """Returns: where to go on; None if the page is over, or nothing more is wanted."""
    entries = [home.entry(entry.offset, entry.message) for entry in page.entries]
    return page.next_offset if _take(walk, home, entries) else None


def _take(walk: Walk, home: Home, entries: Collection[Entry]) -> bool:
    bound = walk.bound(home)
    wanted = [entry for entry in entries if bound is None or entry.offset < bound]
    return all(walk.taking.offer(entry) for entry in wanted) and len(wanted) == len(entries)
