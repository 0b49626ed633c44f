"""
How far the topics were read, and whether reading goes on.

Positions are kept here and not in Kafka: whatever happens to a consumer, the next one goes on exactly there.

Two things say that all was read. The end that comes with each fetch is seconds old at most, and good enough to show. But
a leader just elected may not know yet how much of its log counts, and names an end that others have read beyond; asked
for its ends it says nothing until it knows. So what must be beyond doubt goes by that.

Source: KIP-207.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.metrics.readings import TopicLag
from gateway.stream.reader import Partition

STANDSTILL_LOOKS = 3


class Progress:
    """Positions, ends as far as they are known, and what they say."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int] = {}
        self.served_from: dict[Partition, int] = {}  # of those that are not read so far yet
        self.is_ready = False
        self._ends: dict[Partition, int] = {}
        self._goal: Mapping[Partition, int] | None = None
        self._goal_at_ms = 0
        self._before: dict[Partition, int] = {}
        self._standstills = 0
        self._newest_ms: dict[str, int] = {}
        self._as_of_ms: dict[Partition, int] = {}
        self._asked: dict[
            Partition, tuple[int, int]
        ] = {}  # ends that are not reached yet, and when they were asked for
        self._complete_ms: dict[Partition, int] = {}

    def begin(
        self, topic: str, starts: Mapping[Partition, int], served_from: Mapping[Partition, int] | None = None
    ) -> None:
        """Read *topic* from *starts* on, serve it from there or from *served_from* on, and forget what was read of it before."""
        for partition in [known for known in self.positions if known[0] == topic]:
            del self.positions[partition]
            self._ends.pop(partition, None)
            self.served_from.pop(partition, None)
            self._as_of_ms.pop(partition, None)
            self._asked.pop(partition, None)
            self._complete_ms.pop(partition, None)
        self.served_from.update((at, offset) for at, offset in (served_from or starts).items() if offset > starts[at])
        self._newest_ms.pop(topic, None)
        self.positions.update(starts)

    def move(self, partition: Partition, position: int, end: int | None, told_at_ms: int | None = None) -> None:
        """Everything below *position* was read; *end* is where the partition ended at the last fetch, *told_at_ms* when that was."""
        self.positions[partition] = position
        if self.served_from and self.served_from.get(partition, position) <= position:
            self.served_from.pop(partition, None)
        self._ends[partition] = position if end is None else end
        if end is not None and told_at_ms is not None and position >= end:
            self._as_of_ms[partition] = told_at_ms
        self._check_complete(partition)
        self._check_ready()

    def note_newest(self, topic: str, timestamp_ms: int) -> None:
        """Note the time of the record that was read last."""
        self._newest_ms[topic] = timestamp_ms

    @property
    def has_goal(self) -> bool:
        """Whether it is known what must be read before clients may come."""
        return self._goal is not None

    def set_goal(self, ends: Mapping[Partition, int], asked_at_ms: int) -> None:
        """Be ready once everything below *ends* was read, which is all that there was at *asked_at_ms*."""
        self._goal, self._goal_at_ms = ends, asked_at_ms
        self._check_ready()

    def look(self, ends: Mapping[Partition, int] | None, asked_at_ms: int = 0) -> bool:
        """
        Compare with the last look.

        Args:
            ends: Where partitions ended a moment ago; None if Kafka did not tell.
            asked_at_ms: When that was asked; for `complete_ms`.

        Returns:
            Whether reading has stood still for several looks: something that was there to be read is still not read, or
            Kafka told nothing and nothing was read either.
        """
        moved = {partition for partition, position in self.positions.items() if self._before.get(partition) != position}
        if ends is None:
            stands = bool(self.positions) and not moved
        else:
            stands = any(self.positions.get(at, end) < end and at not in moved for at, end in ends.items())
            self._ends.update(ends)
            for partition, end in ends.items():
                self._asked[partition] = (end, asked_at_ms)
                self._check_complete(partition)
        self._before = dict(self.positions)
        self._standstills = self._standstills + 1 if stands else 0
        if self._standstills < STANDSTILL_LOOKS:
            return False
        self._standstills = 0
        return True

    def lag(self, topic: str, now_ms: float) -> TopicLag:
        """How far the end of *topic* is away."""
        records = sum(
            max(0, end - self.positions.get(partition, end))
            for partition, end in self._ends.items()
            if partition[0] == topic
        )
        age_ms = now_ms - self._newest_ms.get(topic, now_ms) if records else 0.0
        return TopicLag(topic, records, max(0.0, age_ms / 1000), self.as_of_ms(topic))

    def as_of_ms(self, topic: str, partition: int | None = None) -> int:
        """Up to when all that Kafka had of a partition, or of all of a topic's, was read; 0 if that never was so."""
        return self._oldest(self._as_of_ms, topic, partition)

    def complete_ms(self, topic: str, partition: int | None = None) -> int:
        """The same beyond doubt: as Kafka said when it was asked."""
        return self._oldest(self._complete_ms, topic, partition)

    def _oldest(self, times_ms: Mapping[Partition, int], topic: str, partition: int | None) -> int:
        if partition is not None:
            return times_ms.get((topic, partition), 0)
        return min((times_ms.get(at, 0) for at in self.positions if at[0] == topic), default=0)

    def _check_complete(self, partition: Partition) -> None:
        asked = self._asked.get(partition)
        if asked is not None and self.positions.get(partition, -1) >= asked[0]:
            self._complete_ms[partition] = asked[1]
            del self._asked[partition]

    def _check_ready(self) -> None:
        if not self.is_ready and self._goal is not None:
            self.is_ready = all(self.positions.get(partition, end) >= end for partition, end in self._goal.items())
            if self.is_ready:
                self._as_of_ms = dict.fromkeys(self._goal, self._goal_at_ms) | self._as_of_ms
