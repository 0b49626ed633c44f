"""
Where those begin who ask for earlier messages than the window has: the position before the first one they want.

    by count   the window's messages, then the history's, newest first, until there are enough
    by time    the same until they are older; where the history ends too early, Kafka's time index

This is a wish and no proof: where there is less, they begin later. What lies between there and now is proven like that of
everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.replay import Replay, Rewinding
from gateway.core.serial import Position
from gateway.core.window import Window
from gateway.errors import HistoryUnproven, KafkaUnavailable, StoreUnavailable
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.stream.past import Past

PAGE_MESSAGES = 500
MAX_PAGES = 20  # a rewind by count is answered with ten thousand messages at most


class _Walk:
    """Goes back message by message until there are enough."""

    __slots__ = ("_left", "_since_ms", "has_enough", "start")

    def __init__(self, rewind: Rewinding) -> None:
        self._left = rewind.messages
        self._since_ms = rewind.since_ms
        self.start: int | None = None
        self.has_enough = rewind.messages == 0

    @property
    def page(self) -> int:
        """How many more to ask for at once."""
        return PAGE_MESSAGES if self._left is None else min(PAGE_MESSAGES, self._left)

    def step(self, offset: int, timestamp_ms: int) -> None:
        """The message before the last one."""
        if self.has_enough:
            return
        if self._since_ms is not None and timestamp_ms < self._since_ms:
            self.has_enough = True
            return
        self.start = offset
        if self._left is not None:
            self._left -= 1
            self.has_enough = self._left == 0


class _Home(NamedTuple):
    """Where a channel lies."""

    channel: str
    place: HistoryPlace


class Rewinder:
    """
    Finds beginnings.

    Args:
        window: What is held.
        store: The histories.
        past: Kafka's time index.
        max_records: Kafka is not read from further back than so many records; 0: never.
    """

    def __init__(self, window: Window, store: HistoryStore, past: Past, max_records: int) -> None:
        self._window = window
        self._store = store
        self._past = past
        self._max_records = max_records

    async def find(self, replay: Replay, rewind: Rewinding) -> Position | None:
        """The position to begin at; None: there is nothing earlier than now."""
        home = await self._home(replay)
        if home is None:
            return None
        walk = _Walk(rewind)
        oldest = self._walk_window(walk, home)
        await self._walk_history(walk, home, oldest)
        start = walk.start
        if not walk.has_enough and rewind.since_ms is not None and rewind.messages is None:
            start = await self._earlier(home, start, rewind.since_ms)
        return None if start is None else self._window.position_at(home.place.topic, home.place.partition, start)

    async def _home(self, replay: Replay) -> _Home | None:
        topic, channel, generation = replay.attachment.topic, replay.attachment.channel, replay.position.generation
        partition = self._window.partition_of(topic, channel)
        if partition is None:
            try:
                found = await self._store.find(topic, generation, self._window.partitions(topic), channel)
            except StoreUnavailable:
                return None
            if len(found) != 1:
                return None
            partition = found[0]
        return _Home(channel, HistoryPlace(topic, partition, generation))

    def _walk_window(self, walk: _Walk, home: _Home) -> int | None:
        """Returns: the offset of the oldest message that is held."""
        oldest = None
        for offset, timestamp_ms in self._held(home):
            walk.step(offset, timestamp_ms)
            oldest = offset
        return oldest

    def _held(self, home: _Home) -> Iterator[tuple[int, int]]:
        entries, first = self._window.current_entries(home.place.topic, home.channel)
        for number in range(len(entries) - 1, first - 1, -1):
            if (entry := entries[number]).partition == home.place.partition:
                yield entry.offset, entry.message.timestamp

    async def _walk_history(self, walk: _Walk, home: _Home, before: int | None) -> None:
        for _ in range(MAX_PAGES):
            if walk.has_enough:
                return
            try:
                page = await self._store.newest(home.place, home.channel, walk.page, before_offset=before)
            except (HistoryUnproven, StoreUnavailable):
                return
            for entry in page.entries:
                walk.step(entry.offset, entry.message.timestamp)
                before = entry.offset
            if page.older == "none":
                walk.has_enough = True
            if page.older != "more":
                return

    async def _earlier(self, home: _Home, start: int | None, since_ms: int) -> int | None:
        """Where Kafka's time index says, if that is earlier and may be read."""
        if not self._max_records:
            return start
        topic, partition, _ = home.place
        try:
            at = (await self._past.offsets_since([(topic, partition)], since_ms))[topic, partition]
        except KafkaUnavailable:
            return start
        until = self._window.proven_from(topic, home.channel, partition)
        if at is None or (start is not None and at >= start) or until - at > self._max_records:
            return start
        return at
