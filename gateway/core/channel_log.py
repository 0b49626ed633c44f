"""One channel's entries in the window: a list that is consumed from the front."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from gateway.core.entry import Entry

_COMPACT_AFTER = 64
_offset, _sequence = attrgetter("offset"), attrgetter("sequence")


class ChannelLog:
    """
    What is held of a channel.

    Attributes:
        entries: Oldest first; those before *head* are gone.
    """

    __slots__ = ("entries", "head")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.head = 0

    def drop_oldest(self) -> bool:
        """Returns: whether entries remain."""
        self.head += 1
        if self.head == len(self.entries):
            return False
        if self.head > _COMPACT_AFTER and self.head * 2 > len(self.entries):
            del self.entries[: self.head]
            self.head = 0
        return True

    def after_sequence(self, sequence: int) -> int:
        """The index of the first entry after *sequence*."""
        return bisect_right(self.entries, sequence, lo=self.head, key=_sequence)

    def after_offset(self, offset: int, since: int) -> int:
        """The index of the first entry after *offset* of those that came after the sequence *since*: they lie in one partition."""
        return bisect_right(self.entries, offset, lo=self.after_sequence(since), key=_offset)
