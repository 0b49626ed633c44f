"""
Which topics are read, and which life of them.

    appears                begin    at what the window holds
    recreated              begin    at its start, with a new generation; clients are told
    partitions added       extend   the new ones from their start
    ends before its position        a new generation too, at the end: what was read is not what is there any more

Source: KIP-516 for topic ids.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping, Sequence, Set

from gateway.core.duplicates import REMEMBERED_SECONDS
from gateway.core.hub import Hub
from gateway.stream.progress import Progress
from gateway.stream.reader import Partition, Reader
from gateway.stream.topics import TopicFacts, TopicLife, generation_of

_log = logging.getLogger("gateway.tail")

FALLBACK_RECORDS = 1000
GROWTH_PATIENCE_SECONDS = 30.0


class _Life:
    """What is known of a topic that is being read."""

    __slots__ = ("generation", "growing_since", "identity", "partitions", "read_first", "topic_id")

    def __init__(self, topic: str, facts: TopicFacts) -> None:
        self.topic_id = facts.topic_id
        self.identity = facts.topic_id or secrets.token_hex(8)
        self.partitions = facts.partitions
        self.generation = generation_of(topic, self.identity, self.partitions)
        self.growing_since: float | None = None  # when more partitions were seen first
        self.read_first: Mapping[Partition, int] | None = None  # and where those that there were ended

    def is_of(self, facts: TopicFacts) -> bool:
        """Whether this is still the topic that *facts* tell of; without an id, its records must tell."""
        if facts.topic_id is None:
            return facts.partitions >= self.partitions  # there are never fewer than there were
        return facts.topic_id == self.identity


class Lives:
    """
    The topics that are being read.

    Args:
        hub: Told what becomes of them.
        progress: Where reading goes on.
        window_seconds: How far back reading begins.
    """

    def __init__(self, hub: Hub, progress: Progress, window_seconds: float) -> None:
        self._hub = hub
        self._progress = progress
        self._window_seconds = window_seconds
        self._lives: dict[str, _Life] = {}
        self._missing: Set[str] = frozenset()

    @property
    def topics(self) -> Sequence[str]:
        """Those whose reading has begun."""
        return tuple(self._lives)

    @property
    def is_growing(self) -> bool:
        """Whether partitions were added that wait to be read."""
        return any(life.growing_since is not None for life in self._lives.values())

    @property
    def current(self) -> Mapping[str, TopicLife]:
        """What is known of each of them, for others who read them."""
        return {
            topic: TopicLife(life.generation, life.partitions, life.topic_id) for topic, life in self._lives.items()
        }

    def report_missing(self, missing: Set[str]) -> None:
        """Say once of each topic that it does not exist."""
        for topic in sorted(missing - self._missing):
            _log.error(
                "a topic does not exist, its channels wait for it; create it or correct the namespace",
                extra={"topic": topic},
            )
        self._missing = missing

    async def compare(self, reader: Reader, facts: Mapping[str, TopicFacts], recreated: Set[str]) -> bool:
        """
        Take in what topics are like now.

        Args:
            facts: Of those that exist.
            recreated: Those whose records say that they are others.

        Returns:
            Whether what is to be read has changed.

        Raises:
            KafkaUnavailable: If offsets cannot be had now; nothing is changed then.
        """
        has_changed = False
        for topic, found in facts.items():
            life = self._lives.get(topic)
            if life is None:
                await self._begin(reader, topic, found)
            elif topic in recreated or not life.is_of(found):
                await self._begin_anew(reader, topic, found)
            elif life.partitions < found.partitions:
                if not await self._has_read_first(reader, topic, life):
                    continue
                await self._extend(reader, topic, life, found.partitions)
            else:
                continue
            has_changed = True
        return has_changed

    async def cut(self, reader: Reader, topic: str, facts: TopicFacts) -> None:
        """
        Go on with a topic that ends before what was read of it: recreated, if nobody says otherwise; else Kafka lost records.

        Serials of before would fit records that are yet to come, so they are refused from now on.
        """
        if facts.topic_id is None:
            await self._begin_anew(reader, topic, facts)
            return
        life = self._lives[topic]
        partitions = [(topic, number) for number in range(life.partitions)]
        ends = await reader.ends(partitions)
        starts = {at: min(self._progress.positions[at], ends[at]) for at in partitions}
        life.generation = generation_of(topic, secrets.token_hex(8), life.partitions)
        self._start(topic, life, starts)
        _log.error("a topic ends before what was read of it, Kafka has lost records", extra={"topic": topic})

    async def _begin(self, reader: Reader, topic: str, facts: TopicFacts) -> None:
        partitions = [(topic, number) for number in range(facts.partitions)]
        has_time_index = facts.topic_id is not None  # the embedded listener has neither
        learn_from = None
        if has_time_index:
            starts = await self._offsets_back(reader, partitions, self._window_seconds)
            learn_from = await self._offsets_back(reader, partitions, self._window_seconds + REMEMBERED_SECONDS)
            # Records may have been deleted between the two: nothing is served from before where reading begins.
            starts = {at: max(start, learn_from[at]) for at, start in starts.items()}
        else:
            starts = await self._last_few(reader, partitions)
        life = _Life(topic, facts)
        self._start(topic, life, starts, learn_from)
        _log.info(
            "reading a topic", extra={"topic": topic, "partitions": life.partitions, "generation": life.generation}
        )

    async def _begin_anew(self, reader: Reader, topic: str, facts: TopicFacts) -> None:
        starts = await reader.beginnings([(topic, number) for number in range(facts.partitions)])
        life = _Life(topic, facts)
        self._start(topic, life, starts)
        _log.info(
            "a topic was recreated, reading its new life",
            extra={"topic": topic, "partitions": life.partitions, "generation": life.generation},
        )

    def _start(
        self,
        topic: str,
        life: _Life,
        starts: Mapping[Partition, int],
        learn_from: Mapping[Partition, int] | None = None,
    ) -> None:
        """Serve *topic* from *starts* on; what lies between *learn_from* and there tells which ids were published."""
        self._lives[topic] = life
        self._progress.begin(topic, learn_from or starts, starts)
        self._hub.begin(topic, life.generation, {number: at for (_, number), at in starts.items()}, time.time())

    async def _has_read_first(self, reader: Reader, topic: str, life: _Life) -> bool:
        """
        Whether what partitions held before others were added was read.

        Keys move to the new ones, and records there are later than theirs in the old ones: reading both at once would
        turn their order round. Waits so long at most, for a partition that nobody leads.
        """
        now = time.monotonic()
        if life.growing_since is None:
            life.growing_since = now
        is_late = now - life.growing_since > GROWTH_PATIENCE_SECONDS
        if is_late:
            _log.warning(
                "partitions were added, and the others cannot be read to their ends: records may come out of order",
                extra={"topic": topic},
            )
        elif life.read_first is None:
            life.read_first = await reader.ends([(topic, number) for number in range(life.partitions)])
        positions = self._progress.positions
        return is_late or all(positions[at] >= end for at, end in (life.read_first or {}).items())

    async def _extend(self, reader: Reader, topic: str, life: _Life, partitions: int) -> None:
        starts = await reader.beginnings([(topic, number) for number in range(life.partitions, partitions)])
        life.partitions, life.growing_since, life.read_first = partitions, None, None
        life.generation = generation_of(topic, life.identity, partitions)
        self._progress.positions.update(starts)
        self._hub.extend(topic, life.generation, {number: at for (_, number), at in starts.items()}, time.time())
        _log.info(
            "partitions were added",
            extra={"topic": topic, "partitions": life.partitions, "generation": life.generation},
        )

    async def _offsets_back(
        self, reader: Reader, partitions: Sequence[Partition], seconds: float
    ) -> Mapping[Partition, int]:
        """
        The offsets of so long ago, by Kafka's time index.

        Where that is all there is, it is the start of the log and not its first record: compaction leaves gaps before
        that, which are no losses.
        """
        ends = await reader.ends(partitions)
        since = await reader.offsets_since(partitions, int((time.time() - seconds) * 1000))
        oldest = await reader.offsets_since(partitions, 0)
        beginnings = await reader.beginnings(partitions)  # at last: a log that was cut short meanwhile begins later
        return {
            at: beginnings[at] if since[at] == oldest[at] else ends[at] if (found := since[at]) is None else found
            for at in partitions
        }

    async def _last_few(self, reader: Reader, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offsets of the last few records, where Kafka has no time index."""
        beginnings, ends = await reader.beginnings(partitions), await reader.ends(partitions)
        return {at: max(beginnings[at], ends[at] - FALLBACK_RECORDS) for at in partitions}
