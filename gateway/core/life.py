"""One life of a topic, as an edge has read it: how far, from where on, and which positions can be of it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.serial import Front, Position, Serial
from gateway.errors import BadSerial, ContinuityLost

_MAX_SCATTERED = 10_000
RECREATED = "the topic behind this channel was recreated or repartitioned since; load the state anew"
SCATTERED = "messages of this channel lie in several partitions, so their order is unknown; produce them with one key"


class Life:
    """
    One life of a topic: how far it was read, and from where on that is known.

    Args:
        generation: Its name, the same on every edge.
        next_offsets: By partition, the offset that is read next.
        since: The sequence at which it begins: only entries after it have offsets that mean something in it.
        now: Seconds since the epoch.

    Attributes:
        begun_at: The time from which on it was read without a gap: 0.0 if it was from its first record on.
        floors: By partition, the lowest offset from which everything was read and is held or remembered.
        scattered: Channels found in more than one partition: their order is unknown, so nothing is proven of them.
    """

    __slots__ = ("_front", "begun_at", "floors", "generation", "next_offsets", "scattered", "since")

    def __init__(self, generation: str, next_offsets: Sequence[int], since: int, now: float) -> None:
        self.generation = generation
        self.since = since
        self.begun_at = now if any(next_offsets) else 0.0
        self.scattered: set[str] = set()
        self.next_offsets = list(next_offsets)
        self.floors = list(next_offsets)
        self._front: Front | None = None

    def advance(self, partition: int, next_offset: int) -> None:
        """Everything below *next_offset* was read."""
        if next_offset > self.next_offsets[partition]:
            self.next_offsets[partition] = next_offset
            self._front = None

    def restart(self, partition: int, next_offset: int) -> None:
        """Reading goes on at *next_offset*, and what came before it was lost."""
        self.next_offsets[partition] = self.floors[partition] = next_offset
        self._front = None

    def note_scatter(self, channel: str, known: int | None, partition: int) -> None:
        """A channel spoke in *partition*; it was *known* to lie there, elsewhere, or nowhere yet."""
        if known is not None and known != partition and len(self.scattered) < _MAX_SCATTERED:
            self.scattered.add(channel)

    @property
    def front(self) -> Front:
        """The position of somebody who has everything that was read, whatever the channel."""
        if self._front is None:
            self._front = Front(self.generation, tuple(self.next_offsets))
        return self._front

    def position_at(self, partition: int, next_offset: int) -> Position:
        """The position of somebody who has everything of a channel of *partition* below *next_offset*."""
        if next_offset > 0:
            return Serial(self.generation, partition, next_offset - 1)
        offsets = list(self.next_offsets)
        offsets[partition] = 0
        return Front(self.generation, tuple(offsets))

    def is_ahead(self, position: Position) -> bool:
        """Whether *position* is of this life, and beyond what was read of it."""
        if position.generation != self.generation:
            return False
        if isinstance(position, Serial):
            return (
                position.partition < len(self.next_offsets) and position.offset >= self.next_offsets[position.partition]
            )
        return len(position.next_offsets) == len(self.next_offsets) and any(
            theirs > ours for theirs, ours in zip(position.next_offsets, self.next_offsets, strict=True)
        )

    def check(self, position: Position) -> None:
        """
        See that a client can have got *position* from this life.

        Raises:
            ContinuityLost: If it is of another one.
            BadSerial: If it lies in the future.
        """
        if position.generation != self.generation:
            raise ContinuityLost(RECREATED)
        if self.is_ahead(position):
            raise BadSerial("this channelSerial lies in the future; attach without it and load the state anew")

    def check_fit(self, channel: str, position: Position, partition: int | None) -> None:
        """
        See that *position* is one of a channel that lies in *partition*.

        Raises:
            BadSerial: If this topic has no such partitions.
            ContinuityLost: If the channel lies elsewhere, or in several of them.
        """
        if isinstance(position, Serial):
            if position.partition >= len(self.next_offsets):
                raise BadSerial("this channelSerial names a partition that the topic does not have")
        elif len(position.next_offsets) != len(self.next_offsets):
            raise BadSerial("this channelSerial does not fit the partitions of the topic")
        is_elsewhere = isinstance(position, Serial) and position.partition != partition
        if is_elsewhere or channel in self.scattered or len(self.scattered) >= _MAX_SCATTERED:
            raise ContinuityLost(SCATTERED)
