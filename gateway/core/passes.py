"""
One reading of a partition from an offset on, for everybody who lacks something of it.

    next_offset ──▶ read on, record by record ──▶ the tail's position
       ▲                │
       │                └ a record of somebody's channel: handed to each rider that lacks it
       └ who lacks nothing before it may get on at any moment; who lacks more waits for the next pass

A rider gets off when the window holds all that it still lacks. Where that is, is known beforehand: nothing has to be tried
for each rider after each record, since the offset can only grow and is looked at again when it has been reached.

Nobody is read for beyond the tail: the window could not take over, and the tail delivers that anyway.
"""

from __future__ import annotations

import heapq
import itertools

from gateway.core.duplicates import REMEMBERED_OF_THE_PAST, Duplicates
from gateway.core.replay import Replay
from gateway.core.replaying import advance
from gateway.core.routing import Router
from gateway.core.window import Window

LATECOMER_SECONDS = 0.05  # who comes back rarely comes alone
MAX_BOARDING_SECONDS = 1.0  # when ten thousand come back, somebody comes at every moment for some seconds


class Boarding:
    """
    Those who wait for the next pass over a partition.

    It departs when nobody has come for a moment, or when the first has waited long enough: a pass for each handful out
    of a crowd would read the same records again and again, and the last of them would wait for all of these.
    """

    __slots__ = ("_first_at", "_last_at", "riders")

    def __init__(self, now: float) -> None:
        self._first_at = self._last_at = now
        self.riders: dict[Replay, None] = {}

    def add(self, replay: Replay, now: float) -> None:
        """Wait for it, in the order of coming."""
        self.riders[replay] = None
        self._last_at = now

    @property
    def departs_at(self) -> float:
        """When the pass begins, unless somebody comes before."""
        return min(self._last_at + LATECOMER_SECONDS, self._first_at + MAX_BOARDING_SECONDS)


class Pass:
    """
    A reading under way.

    Args:
        window: What the riders are waiting to reach.
        router: Which records are of their channels.
        next_offset: Where it begins.
    """

    __slots__ = (
        "_channels",
        "_exits",
        "_number",
        "_riders",
        "_router",
        "_window",
        "duplicates",
        "generation",
        "next_offset",
        "partition",
        "topic",
    )

    def __init__(self, window: Window, router: Router, topic: str, partition: int, next_offset: int) -> None:
        self._window = window
        self._router = router
        self._riders: dict[str, dict[Replay, None]] = {}
        self._channels: dict[bytes, str] = {}
        self._exits: list[tuple[int, int, Replay]] = []
        self._number = itertools.count()
        self.topic = topic
        self.partition = partition
        self.generation = window.generation(topic) or ""
        self.next_offset = next_offset
        self.duplicates = Duplicates(REMEMBERED_OF_THE_PAST)

    @property
    def is_empty(self) -> bool:
        """Whether nobody needs it any more."""
        return not self._riders

    @property
    def is_current(self) -> bool:
        """Whether the topic still lives the life in which it began."""
        return self._window.generation(self.topic) == self.generation

    @property
    def riders(self) -> list[Replay]:
        """Everybody on it."""
        return [replay for riders in self._riders.values() for replay in riders]

    @property
    def bound(self) -> int:
        """How far it may be read now."""
        return self._window.next_offset(self.topic, self.partition)

    def board(self, replay: Replay) -> bool:
        """Take somebody along. Returns: False if what it lacks has been passed already."""
        if replay.next_offset < self.next_offset:
            return False
        channel = replay.attachment.channel
        riders = self._riders.get(channel)
        if riders is None:
            riders = self._riders[channel] = {}
            source = self._router.source_of(channel)
            if source is not None:
                self._channels[source.key.encode()] = channel
        riders[replay] = None
        self._note_exit(replay)
        return True

    def drop(self, replay: Replay) -> None:
        """Let somebody off, with what it has got by now; idempotent."""
        channel = replay.attachment.channel
        riders = self._riders.get(channel, {})
        if replay not in riders:
            return
        del riders[replay]
        if not riders:
            del self._riders[channel]
            source = self._router.source_of(channel)
            if source is not None:
                self._channels.pop(source.key.encode(), None)

    def channel_of(self, key: bytes | None) -> str | None:
        """The channel of a record, if somebody is on it."""
        return None if key is None else self._channels.get(key)

    def lacking(self, channel: str, offset: int) -> list[Replay]:
        """Who lacks the record at *offset*, the next one; who gets on after this call must not."""
        self.next_offset = offset + 1
        return [replay for replay in self._riders.get(channel, ()) if replay.next_offset <= offset]

    def reach(self, next_offset: int) -> None:
        """Everything below *next_offset* was read, and handed to those who lack it."""
        self.next_offset = max(self.next_offset, next_offset)

    def arrived(self) -> Replay | None:
        """
        The next one for which the window holds all that this partition has for it.

        It is off then, with its position where the pass is.
        """
        exits = self._exits
        while exits and exits[0][0] <= self.next_offset:
            replay = heapq.heappop(exits)[2]
            if replay not in self._riders.get(replay.attachment.channel, ()):
                continue
            if self._exit_of(replay) > self.next_offset:
                self._note_exit(replay)
                continue
            self.drop(replay)
            advance(replay, self.partition, self.next_offset)
            return replay
        return None

    def disembark(self) -> list[Replay]:
        """Let everybody off, with their positions where the pass is."""
        riders = self.riders
        for replay in riders:
            self.drop(replay)
            advance(replay, self.partition, self.next_offset)
        return riders

    def _exit_of(self, replay: Replay) -> int:
        return max(replay.next_offset, self._window.proven_from(self.topic, replay.attachment.channel, self.partition))

    def _note_exit(self, replay: Replay) -> None:
        heapq.heappush(self._exits, (self._exit_of(replay), next(self._number), replay))
