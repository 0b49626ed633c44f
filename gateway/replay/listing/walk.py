"""One page in the making, and what those who read for it must know."""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.entry import Entry
from gateway.core.history import Query, Taking
from gateway.core.message import Message
from gateway.core.serial import Position, Serial
from gateway.core.window import Window
from gateway.store.history_keys import HistoryPlace

PAGE_RECORDS = 20_000  # of Kafka, of all channels of a partition, that are read for one page: about 0.1 s


class Home(NamedTuple):
    """A partition in which a channel lies, or may lie."""

    place: HistoryPlace
    channel: str

    def entry(self, offset: int, message: Message) -> Entry:
        """A message of its history."""
        topic, partition, generation = self.place
        size_bytes = len(message.data) if message.data else 0
        return Entry(topic, Serial(generation, partition, offset), self.channel, message, size_bytes)

    def position(self, offset: int) -> Serial:
        """A place in it."""
        return Serial(self.place.generation, self.place.partition, offset)


class Walk:
    """
    The way of one page through the tiers.

    *whole_since*: seconds since the epoch; what was recorded later is in this page or in the next ones. *records_left*: how
    much of Kafka may still be read for it.

    Args:
        kept_since_ms: What is older is not shown, by the settings of the namespace.
    """

    __slots__ = ("channel", "kept_since_ms", "query", "records_left", "taking", "topic", "whole_since", "window")

    def __init__(self, window: Window, topic: str, channel: str, query: Query, kept_since_ms: int) -> None:
        self.window = window
        self.topic = topic
        self.channel = channel
        self.query = query
        self.kept_since_ms = kept_since_ms
        self.taking = Taking(query)
        self.whole_since = window.whole_since(topic, channel)
        self.records_left = PAGE_RECORDS

    def home(self, partition: int) -> Home:
        """The channel in one partition, in the present life of its topic."""
        place = HistoryPlace(self.topic, partition, self.window.generation(self.topic) or "")
        return Home(place, self.channel)

    def held_from(self, home: Home) -> int:
        """The offset from which on the window has everything."""
        return self.window.proven_from(self.topic, self.channel, home.place.partition)

    def bound(self, home: Home) -> int | None:
        """The offset at which the attachment began that bounds it; nothing from there on is shown."""
        return end_of(self.query.attached_at, home.place.partition)

    def note_end(self, older: str, oldest: Entry | None) -> None:
        """
        It has come to the end of the history.

        Args:
            older: What became of what was before that, as `HistoryStore` says it.
            oldest: The last message that is left.
        """
        if older == "none":
            self.whole_since = 0.0
        elif older == "expired":
            self.whole_since = self.kept_since_ms / 1000
        elif oldest is not None:
            self.whole_since = oldest.message.timestamp / 1000


def end_of(position: Position | None, partition: int) -> int | None:
    """The first offset of a partition that somebody may lack who has everything up to *position*; None: it does not say."""
    if position is None:
        return None
    if isinstance(position, Serial):
        return position.offset + 1 if position.partition == partition else None
    return position.next_offsets[partition]
